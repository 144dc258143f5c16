"""One source tree on disk: which modules it has, where, and their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ascend_compat.errors import TreeError


class SourceTree:
    """One tree on disk; ``package`` is its top-level package."""

    def __init__(self, root: Path, package: str) -> None:
        self.root = Path(root)
        self.package = package
        if not (self.root / package / "__init__.py").is_file():
            raise TreeError(f"{root} is not a source tree of {package}", f"it needs {package}/__init__.py")

    def find(self, name: str) -> tuple[Path, bool] | None:
        """The file of a module and whether it is a package."""
        return self._files.get(name)

    def relative(self, name: str) -> str:
        """The file of a module, relative to the tree, with forward slashes."""
        return self._files[name][0].relative_to(self.root).as_posix()

    def names(self) -> Iterator[str]:
        """Names of all modules, sorted by path."""
        return iter(self._files)

    @cached_property
    def texts(self) -> list[tuple[str, bytes]]:
        """Names and bytes of all files of modules, sorted by path: read once, to look for words in them."""
        return [(name, path.read_bytes()) for name, path, _ in self._paths]

    def text(self, name: str) -> bytes:
        """The bytes of a module, empty for one that the tree does not have."""
        return self._bytes.get(name, b"")

    @cached_property
    def _bytes(self) -> dict[str, bytes]:
        return dict(reversed(self.texts))

    @cached_property
    def _files(self) -> dict[str, tuple[Path, bool]]:
        """Modules by name; a package hides a module of its name."""
        found: dict[str, tuple[Path, bool]] = {}
        for name, path, package in self._paths:
            if package or name not in found:
                found[name] = path, package
        return found

    @cached_property
    def _paths(self) -> list[tuple[str, Path, bool]]:
        """Files by the name of the module, read off the disk once; links are left out."""
        found: list[tuple[str, Path, bool]] = []
        for path in sorted((self.root / self.package).rglob("*.py")):
            parts = list(path.relative_to(self.root).with_suffix("").parts)
            package = parts[-1] == "__init__"
            if path.is_file() and not path.is_symlink():
                found.append((".".join(parts[:-1] if package else parts), path, package))
        return found
