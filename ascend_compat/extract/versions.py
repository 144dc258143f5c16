"""Versions a release is built and paired with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ascend_compat.extract.tree import Trees

Found = tuple[str, str]
FILES = ("requirements.txt", "Dockerfile", "pyproject.toml")
PACKAGES = {"torch": "torch", "torch_npu": "torch[-_]npu", "triton_ascend": "triton[-_]ascend"}


def extract_versions(trees: Trees) -> dict[str, dict[str, str]]:
    """``{name: {"value", "at"}}`` for the releases and the packages they pin; requirements keep
    their comparison (``transformers``, ``python``).

    Dockerfile and requirements are of the tag itself; the matrix in the documentation lags and is not read. What a
    tree does not say is absent.
    """
    found: dict[str, Found | None] = {
        "vllm_ascend": _first(trees, ("PKG-INFO",), r"Version:\s*(\S+)")
        or _first(trees, ("vllm_ascend/_version.py",), r"__version__\s*=.*?['\"]([^'\"]+)['\"]"),
        "vllm": _vllm(trees),
        "cann": _cann(trees),
        "python": _first(trees, ("pyproject.toml",), r"requires-python\s*=\s*['\"]([^'\"]+)['\"]")
        or _first(trees, ("setup.py",), r"\s*python_requires\s*=\s*['\"]([^'\"]+)['\"]"),
    }
    found["transformers"] = _first(trees, ("requirements.txt",), r"transformers\s*([<>=!~]=?\s*\S+)")
    for name, pattern in PACKAGES.items():
        found[name] = _first(trees, FILES, rf"(?:.*[\s'\"])?{pattern}\s*==\s*([\w.+]+)")
    trees.unfollowed.extend(f"version of {name}: not found" for name, entry in sorted(found.items()) if entry is None)
    return {name: {"value": entry[0], "at": entry[1]} for name, entry in sorted(found.items()) if entry}


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            yield number, line


def _first(trees: Trees, paths: tuple[str, ...], pattern: str) -> Found | None:
    """The first line that matches, path by path."""
    for path in paths:
        for number, line in _lines(trees.read(path) or ""):
            match = re.match(pattern, line)
            if match:
                return match[1], f"{path}:{number}"
    return None


def _vllm(trees: Trees) -> Found | None:
    """The tag the Dockerfile clones; a tree without one is paired with the version of the vllm tree given."""
    tag = _first(trees, ("Dockerfile",), r"ARG\s+VLLM_TAG\s*=\s*['\"]?v?(\d[^\s'\"]*)")
    tag = tag or _first(trees, (".github/vllm-release-tag.commit",), r"v?(\d+\.\d+\S*)")
    path = trees.vllm.root / "PKG-INFO"
    if tag or not path.is_file():
        return tag
    for number, line in _lines(path.read_text(encoding="utf-8", errors="replace")):
        if line.startswith("Version:"):
            return line.partition(":")[2].strip(), f"PKG-INFO:{number}"
    return None


def _cann(trees: Trees) -> Found | None:
    """The CANN release in the tag of the base image, build arguments filled in."""
    arguments: dict[str, str] = {}
    for number, line in _lines(trees.read("Dockerfile") or ""):
        argument = re.match(r"ARG\s+(\w+)\s*=\s*['\"]?([^\s'\"]*)", line)
        if argument:
            arguments[argument[1]] = argument[2]
        filled = re.sub(r"\$\{?(\w+)\}?", lambda name: arguments.get(name[1], name[0]), line)
        image = re.match(r"FROM\s+(?:--\S+\s+)?\S*/cann:v?(\d[\w.]*)", filled)
        if image:
            return image[1], f"Dockerfile:{number}"
    return None
