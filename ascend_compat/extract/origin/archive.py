"""Unpack an sdist or a wheel safely: wanted files only, inside one directory, within limits."""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin.wanted import BYTES, Writer, wanted
from ascend_compat.extract.progress import Progress, silent

TAR = (".tar.gz", ".tgz")
ZIP = (".whl", ".zip")
#: Headers that carry names; a real one is a few kilobytes, and tarfile reads them whole.
HEADER_BYTES = 1 << 20
_HEADERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, struct.error, ValueError,
           NotImplementedError, RuntimeError, OverflowError, LookupError)  # fmt: skip
_CHUNK = 1 << 20


def unpack(archive: Path, into: Path, package: str, progress: Progress = silent) -> Path:
    """Unpack into the new directory ``into`` and give the folder that holds ``package``.

    Raises :class:`TreeError` for an archive that is damaged, leads out of ``into`` (absolute names, ``..``, links in
    place of Python files), is too large, or does not hold the package.
    """
    if not is_archive(archive):
        raise TreeError(f"{archive} is not a source archive", f"it needs to end in {', '.join((*TAR, *ZIP))}")
    into.mkdir(parents=True)
    writer = Writer(into, archive.name)
    is_tar = archive.name.endswith(TAR)
    try:
        for place, total in _untar(archive, writer) if is_tar else _unzip(archive, writer):
            progress(f"unpack {archive.name}", place, total)
    except _DAMAGE as error:
        raise TreeError(f"{archive.name} is damaged ({_reason(error)})", "get it anew") from None
    return _root(into, package, archive.name)


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an sdist or a wheel."""
    return path.name.endswith((*TAR, *ZIP))


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class _Member(tarfile.TarInfo):
    """A tar header whose size is checked before anything is read for it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]  # typeshed has no None here
        if member.size < 0 or (member.type in _HEADERS and member.size > HEADER_BYTES):
            raise TreeError("the archive has a header of impossible size", "it is not unpacked")
        return member


def _untar(archive: Path, writer: Writer) -> Iterator[tuple[int, int | None]]:
    """Members in their order, read once from front to back; yields compressed bytes read and their sum."""
    size = archive.stat().st_size
    with archive.open("rb") as raw, gzip.GzipFile(fileobj=raw) as stream:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=_Member) as tar:
            for member in tar:
                tar.members.clear()  # type: ignore[attr-defined]  # or tarfile keeps every header it has seen
                writer.member(member.name)
                if member.offset_data + member.size > BYTES:
                    raise TreeError(f"{archive.name} unpacks to more than {BYTES >> 20} MiB", "it is not unpacked")
                if _taken(member.name, member.isreg() and not member.issparse(), member.isdir(), writer):
                    content = tar.extractfile(member)
                    writer.write(member.name, content.read() if content else b"")
                yield raw.tell(), size
        _end(stream)
    yield size, size


def _end(stream: gzip.GzipFile) -> None:
    """Read what follows the last member: zeros, and the checksum of the whole."""
    while chunk := stream.read(_CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("data after its end")
        if stream.tell() > BYTES:
            raise tarfile.ReadError("no end")


def _unzip(archive: Path, writer: Writer) -> Iterator[tuple[int, int | None]]:
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        for done, member in enumerate(members, 1):
            writer.member(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if _taken(member.filename, kind in (0, stat.S_IFREG), member.is_dir(), writer):
                writer.room(member.file_size)
                with source.open(member) as content:
                    data = content.read(member.file_size + 1)
                writer.write(member.filename, data)
                # A wheel keeps under another name what an sdist has at its root.
                if member.filename.endswith(".dist-info/METADATA"):
                    writer.write("PKG-INFO", data)
            yield done, len(members)


def _taken(name: str, regular: bool, directory: bool, writer: Writer) -> bool:
    """Whether a member is unpacked. Links and devices never are; where one stands for code, nothing is."""
    path = name.removeprefix("./")
    if directory or not (wanted(path) or wanted(path.partition("/")[2])):
        return False
    if not regular and name.endswith(".py"):
        raise TreeError(f"{writer.origin} holds {name!r} as a link or device", "it is not unpacked")
    return regular


def _root(into: Path, package: str, origin: str) -> Path:
    """Where the package lies: at the top (a wheel), or in the one folder that an sdist is made of."""
    tops = [into, *sorted(path for path in into.iterdir() if path.is_dir())]
    root = next((top for top in tops if (top / package / "__init__.py").is_file()), None)
    if root is None:
        raise TreeError(f"{origin} is not a source archive of {package}", f"it needs {package}/__init__.py")
    return root
