"""Which version an unpacked tree says it is, and whether two versions are one release."""

from __future__ import annotations

from pathlib import Path

from packaging.version import InvalidVersion, Version


def tree_version(root: Path) -> str | None:
    """The version in the metadata of an unpacked sdist or wheel; a git checkout has none."""
    for path in (root / "PKG-INFO", *sorted(root.glob("*.dist-info/METADATA"))):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("Version:")), None)
    return None


def same_release(found: str | None, wanted: str) -> bool:
    """Whether two versions name one release; what a build appends after ``+`` does not count."""
    try:
        return found is not None and Version(found).public == Version(wanted).public
    except InvalidVersion:
        return found == wanted
