"""Which files of a source tree can matter to a pack, and how much of them is accepted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ascend_compat.errors import TreeError

#: Python; the text that versions, documented support and tested models are read from; native code, which reads
#: environment variables.
SUFFIXES = frozenset(".py .md .rst .txt .toml .cfg .ini .yaml .yml .sh .in .commit .c .cc .cpp .h .hpp".split())
NAMES = frozenset({"PKG-INFO", "METADATA"})
#: The one hidden folder that is read; others (``.git``, environments) are not part of a tree.
HIDDEN = ".github"
#: vllm 0.30.0 has 8 108 members and 116 MB as a whole, 60 MB of them Python: ten times that is no source tree.
MEMBERS = 100_000
BYTES = 1 << 30
_DRIVE = re.compile(r"[A-Za-z]:")


def wanted(path: str) -> bool:
    """Whether a file, by its path inside the tree, is taken out of an archive or a revision."""
    pure = PurePosixPath(path)
    if any(part.startswith(".") and part != HIDDEN for part in pure.parts[:-1]):
        return False
    return pure.name in NAMES or pure.name.startswith("Dockerfile") or pure.suffix in SUFFIXES


def files(root: Path) -> Iterator[tuple[str, Path]]:
    """Wanted files of a directory, sorted by relative path; linked and hidden folders and environments are left out."""
    found: list[tuple[str, Path]] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if (name == HIDDEN or not name.startswith(".")) and not (here / name / "pyvenv.cfg").exists()
        ]
        for name in names:
            path = here / name
            relative = path.relative_to(root).as_posix()
            if wanted(relative) and path.is_file():
                found.append((relative, path))
    yield from sorted(found)


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
        """A file, which takes the place of an earlier one of the same name."""
        self.room(len(data))
        self.bytes += len(data)
        target = self.into / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        except (OSError, ValueError) as error:
            raise TreeError(f"{self.origin}: {name!r} can't be written ({type(error).__name__})") from None
