"""The user's cache: downloaded archives of releases, kept with their hash; what no longer matches it is thrown away."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from packaging.version import InvalidVersion, Version

from ascend_compat.extract.origin.archive import is_archive

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_CHUNK = 1 << 20


def cache_directory() -> Path | None:
    """Where downloads and built packs are kept: ``$XDG_CACHE_HOME``, the platform's place, ``None`` without a home."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / "ascend-compat"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    default = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return Path(local or default) / "ascend-compat"


def is_plain(name: str) -> bool:
    """Whether a file name, as an index gives it, is that of an archive and leads nowhere else."""
    return _NAME.fullmatch(name) is not None and is_archive(Path(name))


def folder(project: str, version: Version) -> Path | None:
    """Where the archives of a release are kept; ``None`` where nothing can be."""
    home = cache_directory()
    return home / "archives" / project / str(version) if home else None


def stored(project: str) -> Iterator[tuple[Version, Path]]:
    """Archives at hand, by version."""
    home = cache_directory()
    root = home / "archives" / project if home else None
    for place in sorted(root.iterdir()) if root and root.is_dir() else ():
        try:
            version = Version(place.name)
        except InvalidVersion:
            continue
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if is_plain(path.name):
                yield version, path


def keep(path: Path) -> None:
    """Note the hash of a file that was just checked."""
    _note(path).write_text(sha256(path), encoding="ascii")


def intact(path: Path) -> bool:
    """Whether a stored archive is what was downloaded; one that is not is removed."""
    try:
        if _note(path).read_text(encoding="ascii").strip() == sha256(path):
            return True
    except (OSError, ValueError):
        pass
    with suppress(OSError):
        path.unlink(missing_ok=True)
        _note(path).unlink(missing_ok=True)
    return False


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def writable(place: Path | None, otherwise: Path) -> Path:
    """``place`` made, or ``otherwise`` where it can't be written to."""
    if place is not None:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place
    otherwise.mkdir(parents=True, exist_ok=True)
    return otherwise


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
