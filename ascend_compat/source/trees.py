"""Source trees on disk that evidence points into: which one a path belongs to, and its lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ascend_compat.core.excerpt import Excerpt
from ascend_compat.core.finding import Message
from ascend_compat.errors import UsageError

#: Lines shown before and after the one that decides.
CONTEXT = 3
#: A source file is text of at most this many bytes; anything larger is not read.
_LARGEST = 8 << 20
PACKAGES = ("vllm_ascend", "vllm")


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of one project; ``version`` is ``None`` when it does not state one."""

    package: str
    root: Path
    version: str | None


class SourceTrees:
    """The trees under the directories a user gives, matched with the versions that a report is about.

    ``wanted`` maps ``vllm_ascend`` and ``vllm`` to their versions (``None`` where the report does not say). Nothing
    outside a tree is ever read, and nothing in one is executed. Raises :class:`UsageError` for a directory without any
    tree.
    """

    def __init__(self, directories: Iterable[str | Path], wanted: dict[str, str | None]) -> None:
        self.wanted = wanted
        self.trees = [tree for directory in directories for tree in find_trees(Path(directory))]

    def excerpt(self, path: str, line: int) -> Excerpt:
        """The lines around ``path:line``; the problem instead when the tree is not the one that the line is from."""
        package = path.partition("/")[0]
        package = package if package in PACKAGES else PACKAGES[0]
        candidates = [tree for tree in self.trees if tree.package == package]
        if not candidates:
            return _problem("no_tree", package=package)
        tree = self._matching(candidates, package)
        if tree is None:
            found = ", ".join(sorted({str(candidate.version) for candidate in candidates}))
            return _problem("version", package=package, found=found, wanted=self.wanted.get(package))
        return _read(tree, path, line)

    def unversioned(self) -> list[Tree]:
        """Trees that don't state their version: their lines may be of another release."""
        return [tree for tree in self.trees if tree.version is None]

    def _matching(self, candidates: list[Tree], package: str) -> Tree | None:
        wanted = self.wanted.get(package)
        exact = [tree for tree in candidates if tree.version is not None and _same(tree.version, wanted)]
        open_ones = [tree for tree in candidates if tree.version is None]
        return next(iter(exact or open_ones), None)


def find_trees(directory: Path) -> list[Tree]:
    """The trees that a directory is or holds, one level deep. Raises :class:`UsageError` when there are none."""
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", "--source takes a vllm-ascend or vllm source tree")
    places = [directory, *sorted(place for place in directory.iterdir() if place.is_dir())]
    trees = [
        Tree(package, place, _version(place, package))
        for place in places
        for package in PACKAGES
        if (place / package / "__init__.py").is_file()
    ]
    if not trees:
        raise UsageError(f"{directory} holds no source tree", "it needs the folder vllm_ascend/ or vllm/")
    return trees


def _version(root: Path, package: str) -> str | None:
    """What the metadata of an sdist, or the version file of a build, states."""
    for path, start in (("PKG-INFO", "Version:"), (f"{package}/_version.py", "__version__ = version =")):
        text = _text(root / path)
        for line in (text or "").splitlines():
            if line.startswith(start):
                return line.removeprefix(start).strip(" '\"")
    return None


def _same(found: str, wanted: str | None) -> bool:
    """Whether two versions are the same release; a local part (``+empty``) is how it was built."""
    from packaging.version import InvalidVersion, Version

    if wanted is None:
        return False
    try:
        return Version(found).public == Version(wanted).public
    except InvalidVersion:
        return found == wanted


def _read(tree: Tree, path: str, line: int) -> Excerpt:
    file = tree.root / path
    try:
        inside = file.resolve().is_relative_to(tree.root.resolve())
    except (OSError, ValueError, RuntimeError):  # a name no file system takes; a loop of links
        inside = False
    if not inside:
        return _problem("outside", path=path)
    text = _text(file)
    if text is None:
        return _problem("missing", path=path, tree=str(tree.root))
    lines = text.splitlines()
    if not 0 < line <= len(lines):
        return _problem("range", path=path, line=line, lines=len(lines))
    first, last = max(line - CONTEXT, 1), min(line + CONTEXT, len(lines))
    return Excerpt(tuple((number, lines[number - 1]) for number in range(first, last + 1)), line)


def _text(file: Path) -> str | None:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return None
        return file.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None


def _problem(label: str, **params: str | int | None) -> Excerpt:
    return Excerpt(problem=Message(f"explain.{label}", params))
