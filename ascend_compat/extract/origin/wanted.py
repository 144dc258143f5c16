"""Which files of a source tree can matter to a pack, and how much of them is accepted."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from ascend_compat.errors import TreeError

_TEXT = frozenset(".md .rst .txt .toml .cfg .ini .yaml .yml .sh .commit".split())
_PYTHON = frozenset({".py"})
_NATIVE = frozenset(".c .cc .cpp .h .hpp".split())
#: What is read of a tree, by folder: the packages, documented support, tested models, pins, native code.
FOLDERS = {
    "vllm_ascend": _PYTHON,
    "vllm": _PYTHON,
    "docs": _TEXT,
    "tests/e2e": _TEXT | _PYTHON,
    ".github": _TEXT,
    "csrc": _NATIVE,
}
#: Native code is read for the environment variables it asks for; there are thousands of files and few that do.
_ASKS = b"getenv"
#: vllm 0.30.0 has 8 108 members and 116 MB as a whole, 60 MB of them Python: ten times that is no source tree.
MEMBERS = 100_000
BYTES = 1 << 30
_DRIVE = re.compile(r"[A-Za-z]:")


def wanted(path: str) -> bool:
    """Whether a file, by its path inside the tree, can be read for a pack."""
    suffix = posixpath.splitext(path)[1]
    if "/" not in path:
        return path == "PKG-INFO" or path.startswith("Dockerfile") or suffix in _TEXT | _PYTHON
    if path.endswith(".dist-info/METADATA"):
        return True
    return any(path.startswith(f"{folder}/") and suffix in suffixes for folder, suffixes in FOLDERS.items())


def counts(path: str, data: bytes) -> bool:
    """Whether the content of a wanted file can make a difference."""
    return posixpath.splitext(path)[1] not in _NATIVE or _ASKS in data


def files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Files of a directory that count, with their content, sorted by relative path; linked folders are left out."""
    found: list[str] = []
    for folder in ("", *FOLDERS):
        for place, folders, names in os.walk(root / folder):
            if not folder:
                folders.clear()
            here = Path(place).relative_to(root).as_posix()
            head = "" if here == "." else f"{here}/"
            found.extend(relative for name in names if wanted(relative := head + name))
    for relative in sorted(found):
        path = root / relative
        data = path.read_bytes() if path.is_file() else b""
        if counts(relative, data):
            yield relative, data


class Writer:
    """Writes files below one new directory; raises :class:`TreeError` for what leads out of it or is too much."""

    def __init__(self, into: Path, origin: str) -> None:
        self.into = into
        self.origin = origin
        self.members = 0
        self.bytes = 0

    def member(self, name: str) -> None:
        """Count a member and check its name, wanted or not: one bad name is enough to distrust the whole."""
        self.members += 1
        if self.members > MEMBERS:
            raise TreeError(f"{self.origin} has more than {MEMBERS} files", "it is not unpacked; use another source")
        parts = name.split("/")
        if not name or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or _DRIVE.match(name):
            raise TreeError(f"{self.origin} holds {name!r}, which leads out of it", "it is not unpacked")

    def room(self, size: int) -> None:
        """Refuse ``size`` more bytes when the whole would be too much."""
        if size < 0 or self.bytes + size > BYTES:
            raise TreeError(f"{self.origin} unpacks to more than {BYTES >> 20} MiB", "it is not unpacked")

    def write(self, name: str, data: bytes) -> None:
        """A file that counts, in the place of an earlier one of the same name."""
        self.room(len(data))
        self.bytes += len(data)
        if not counts(name, data):
            return
        target = self.into / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except (OSError, ValueError) as error:
            raise TreeError(f"{self.origin}: {name!r} can't be written ({type(error).__name__})") from None
