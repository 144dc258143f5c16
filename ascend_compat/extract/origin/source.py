"""One source tree by what a user writes: a directory, ``path@rev``, an archive or a requirement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin.archive import TAR, ZIP, unpack
from ascend_compat.extract.origin.git import read_revision
from ascend_compat.extract.origin.index import Access, fetch


@dataclass(frozen=True)
class Opened:
    """A tree on disk: its ``root``, and the folder (``home``) beside which a paired tree may lie."""

    root: Path
    home: Path | None = None


def open_source(text: str, package: str, access: Access, scratch: Path) -> Opened:
    """The tree of ``package`` that ``text`` names; what has to be written goes below ``scratch``.

    Raises :class:`TreeError` when it names nothing, or what it names can't be read.
    """
    path = Path(text)
    if path.is_dir():
        return _checked(Opened(path.resolve(), path.resolve()), package, text)
    if path.is_file():
        return Opened(unpack(path, scratch / package, package, access.progress))
    revision = split_revision(text)
    if revision is not None:
        repository, name = revision
        read_revision(repository, name, scratch / package, access.progress)
        return _checked(Opened(scratch / package, repository.resolve()), package, text)
    requirement = as_requirement(text, package)
    if requirement is None:
        project = package.replace("_", "-")
        raise TreeError(
            f"{text} is not a directory, a revision (path@rev), an archive ({', '.join((*TAR, *ZIP))}) "
            f"or a requirement ({project}==X)",
            "check the path",
        )
    archive = fetch(requirement, access, scratch / "download")
    return Opened(unpack(archive, scratch / package, package, access.progress))


def split_revision(text: str) -> tuple[Path, str] | None:
    """``path@rev`` in two, the longest path that is a directory first; ``None`` when no part before an @ is one."""
    places = [index for index, char in enumerate(text) if char == "@"]
    for place in reversed(places):
        if place and text[place + 1 :] and Path(text[:place]).is_dir():
            return Path(text[:place]), text[place + 1 :]
    return None


def as_requirement(text: str, package: str) -> Requirement | None:
    """A plain requirement of ``package``; ``None`` for anything else, such as one with an address or a marker."""
    try:
        found = Requirement(text)
    except InvalidRequirement:
        return None
    plain = not (found.url or found.marker or found.extras)
    return found if plain and canonicalize_name(found.name) == canonicalize_name(package) else None


def _checked(opened: Opened, package: str, text: str) -> Opened:
    if not (opened.root / package / "__init__.py").is_file():
        raise TreeError(f"{text} is not a source tree of {package}", f"it needs {package}/__init__.py")
    return opened
