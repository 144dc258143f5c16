"""A checkpoint in a local directory; nothing outside it is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource

#: A directory with more files than this is no checkpoint; walking on would only take time.
_MAX_FILES = 20_000


class LocalSource(CheckpointSource):
    """Files of ``root`` and its direct subfolders.

    A symbolic link may point anywhere inside ``root``; in a cache snapshot (``snapshots/<revision>``) also into the
    cached repository, where the Hugging Face layout keeps the files. Other links that leave the directory are refused.
    """

    def __init__(self, spec: str, root: Path, kind: str = "local", revision: str | None = None) -> None:
        super().__init__(spec, revision)
        self.kind = kind
        self.root = _directory(spec, root)
        inside = self.root.parent.parent if self.root.parent.name == "snapshots" else self.root
        self._inside = inside

    def list(self) -> Mapping[str, int]:
        """Relative file names with sizes; a link that leads nowhere is left out."""
        return self._files

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Bytes of a file inside the directory; raises :class:`SourceError` for anything else."""
        target = self._resolve(path)
        try:
            with target.open("rb") as file:
                file.seek(start)
                return file.read(length)
        except OSError as error:
            raise SourceError(f"{path} of {self.spec} can't be read: {error.strerror}") from error

    @cached_property
    def _files(self) -> dict[str, int]:
        try:
            found = dict(sorted(self._walk()))
        except OSError as error:
            raise SourceError(f"{self.spec} can't be listed: {error.strerror}") from error
        return found

    def _walk(self) -> Iterator[tuple[str, int]]:
        seen = 0
        for folder in (self.root, *sorted(item for item in self.root.iterdir() if item.is_dir())):
            if folder is not self.root and (folder.is_symlink() or folder.name.startswith(".")):
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    seen += 1
                    if seen > _MAX_FILES:
                        raise SourceError(f"{self.spec} holds more than {_MAX_FILES:,} files, so it is no checkpoint")
                    size = _file_size(entry)
                    if size is not None:
                        yield Path(entry.path).relative_to(self.root).as_posix(), size

    def _resolve(self, path: str) -> Path:
        try:
            target = (self.root / path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise SourceError(f"{self.spec} has no file {path!r}") from error
        if not target.is_relative_to(self._inside):
            raise SourceError(
                f"{path} of {self.spec} leads outside the directory, so it is not opened",
                "put the file itself into the directory, or give the directory that holds it",
            )
        if not target.is_file():
            raise SourceError(f"{path} of {self.spec} is not a regular file")
        return target


def _directory(spec: str, root: Path) -> Path:
    try:
        resolved = root.expanduser().resolve()
        if resolved.is_dir():
            return resolved
        kind = "is a file" if resolved.exists() else "does not exist"
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"{spec!r} is not a usable path: {error}", "give a directory") from error
    hint = f"give its directory, {str(root.parent)!r}" if kind == "is a file" else "give a directory, or org/name"
    raise SourceError(f"{spec!r} {kind}, a model is a directory or a repository name", hint)


def _file_size(entry: os.DirEntry[str]) -> int | None:
    try:
        status = entry.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
