"""The vllm tree a vllm-ascend tree is paired with: the one it pins, never a guessed one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin.archive import unpack
from ascend_compat.extract.origin.git import read_revision, resolve
from ascend_compat.extract.origin.index import Access, ReleaseMissing, fetch
from ascend_compat.extract.origin.source import Opened, open_source
from ascend_compat.extract.origin.stated import same_release, tree_version
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.versions import extract_versions

_HINT = "give the paired tree with --vllm SRC"
_MATRIX = "versioning_policy.md"


class Unpaired(TreeError):
    """There is no vllm tree that fits."""


def paired(plugin: Opened, vllm: str | None, access: Access, scratch: Path) -> Path:
    """The vllm tree for ``plugin``: the one given, one beside it, or the release from the index or the cache.

    A release candidate that is nowhere to be had is replaced by its final release. Raises :class:`TreeError` for a tree
    of another version, and when nothing says which version is wanted.
    """
    wanted = pinned(plugin.root)
    if vllm is not None:
        root = open_source(vllm, "vllm", access, scratch).root
        _fits(wanted, tree_version(root), vllm)
        return root
    beside = _beside(plugin.home, wanted, access, scratch) if plugin.home else None
    if beside is not None:
        return beside
    if wanted is None:
        raise Unpaired("the vllm-ascend tree does not say which vllm it is paired with", _HINT)
    try:
        return unpack(_release(wanted, access, scratch), scratch / "vllm", "vllm", access.progress)
    except ReleaseMissing as missing:
        found = ", ".join(f"{path.name} ({tree_version(path)})" for path in _neighbours(plugin.home)) or "none"
        raise Unpaired(
            f"the tree is paired with vllm {wanted}: {missing}; beside it there is: {found}", _HINT
        ) from None


def pinned(root: Path) -> str | None:
    """The vllm version a vllm-ascend tree names in its Dockerfile or release tag, or else in its documentation."""
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "vllm").mkdir()
        (Path(empty) / "vllm" / "__init__.py").touch()
        versions = extract_versions(Trees(root, Path(empty)))
    if "vllm" in versions:
        return versions["vllm"]["value"]
    own = versions.get("vllm_ascend", {}).get("value")
    rows = (row for path in sorted((root / "docs").rglob(_MATRIX)) for row in _matrix(path))
    return next((engine for release, engine in rows if own is not None and same_release(release, own)), None)


def _matrix(path: Path) -> Iterator[tuple[str, str]]:
    """Rows ``(vllm-ascend, vllm)`` of the compatibility matrix."""
    text = path.read_text(encoding="utf-8", errors="replace")
    yield from re.findall(r"^\|\s*v?(\d[\w.]*)\s*\|\s*v?(\d[\w.]*)\s*\|", text, re.MULTILINE)


def _release(wanted: str, access: Access, scratch: Path) -> Path:
    try:
        return fetch(Requirement(f"vllm=={wanted}"), access, scratch / "download")
    except ReleaseMissing:
        version = Version(wanted)
        if not version.is_prerelease:
            raise
        return fetch(Requirement(f"vllm=={version.base_version}"), access, scratch / "download")


def _beside(home: Path, wanted: str | None, access: Access, scratch: Path) -> Path | None:
    """A tree beside ``home`` of the wanted version, its tag in a checkout there, or one that does not say."""
    places = _neighbours(home)
    exact = [path for path in places if wanted is not None and same_release(tree_version(path), wanted)]
    if exact:
        return exact[0]
    silent = [path for path in places if tree_version(path) is None]
    for path in silent if wanted is not None else ():
        tag = f"refs/tags/v{wanted}"
        if (path / ".git").exists() and resolve(path, tag) is not None:
            read_revision(path, tag, scratch / "vllm", access.progress)
            return scratch / "vllm"
    if wanted is None:
        return places[0] if len(places) == 1 else None
    return silent[0] if silent else None


def _neighbours(home: Path | None) -> list[Path]:
    if home is None:
        return []
    places = (home.parent / "vllm", home / "vllm", *sorted(home.parent.glob("vllm-[0-9]*")))
    return [path for path in places if (path / "vllm" / "__init__.py").is_file()]


def _fits(wanted: str | None, found: str | None, text: str) -> None:
    if wanted is None or found is None or same_release(found, wanted):
        return
    try:
        version = Version(wanted)
        final = version.is_prerelease and Version(found).public == version.base_version
    except InvalidVersion:
        final = False
    if not final:
        raise Unpaired(f"{text} is vllm {found}, and the vllm-ascend tree is paired with vllm {wanted}", _HINT)
