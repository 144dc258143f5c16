"""What every source of checkpoint bytes offers: list files, read text, read a byte range."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from ascend_compat.errors import SourceError


class CheckpointSource(ABC):
    """A checkpoint somewhere.

    ``spec`` is what the user wrote, ``kind`` one of ``local``, ``huggingface``, ``modelscope``; ``revision`` the pinned
    commit or ``None``. ``complete`` is false for a cache that may hold only part of the repository. ``workers`` is how
    many reads may be in flight, ``guess`` how many bytes the first read of a shard should ask for.
    """

    kind: str
    workers: int = 1
    guess: int = 1 << 18
    complete: bool = True

    def __init__(self, spec: str, revision: str | None = None) -> None:
        self.spec = spec
        self.revision = revision

    @abstractmethod
    def list(self) -> Mapping[str, int]:
        """Relative file names (``/`` separated) with their sizes in bytes, sorted; raises :class:`SourceError`."""

    @abstractmethod
    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Bytes ``[start, start + length)`` of a file, fewer where it ends; raises :class:`SourceError`."""

    def size(self, path: str) -> int:
        """Size of a listed file in bytes; raises :class:`SourceError` for a file that is not there."""
        size = self.list().get(path)
        if size is None:
            raise SourceError(f"{self.spec} has no file {path!r}")
        return size

    def read_head(self, path: str, length: int) -> bytes:
        """The first ``length`` bytes of a file, fewer where it ends."""
        return self.read_range(path, 0, length)

    def read_bytes(self, path: str, limit: int) -> bytes:
        """The whole of a small file; raises :class:`SourceError` when it is larger than ``limit`` bytes."""
        size = self.size(path)
        if size > limit:
            raise SourceError(f"{path} of {self.spec} holds {size:,} bytes, more than the {limit:,} that are read")
        return self.read_range(path, 0, size)
