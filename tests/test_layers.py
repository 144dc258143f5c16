"""One direction only: a layer imports layers to its left; heavy libraries stay inside functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ascend_compat"
#: What each layer may import of ours. ``errors`` and ``location`` belong to everybody.
ALLOWED = {
    "core": set(),
    "source": {"core"},
    "checkpoint": {"core", "source"},
    "classify": {"core", "source", "checkpoint"},
    "extract": {"core"},
    "knowledge": {"core", "source", "checkpoint", "classify"},
    "memory": {"core", "source", "checkpoint", "classify"},
    "report": {"core"},
    "answer": {"core", "classify", "knowledge", "memory", "report"},
    "api": {"core", "source", "checkpoint", "classify", "knowledge", "memory", "extract", "answer", "report"},
    "cli": {"core", "source", "knowledge", "memory", "extract", "report", "api"},
}
COMMON = {"errors", "location"}
HEAVY = {"networkx", "huggingface_hub", "modelscope", "rich", "jinja2", "pypi_simple", "requests"}
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_layers_to_its_left(path: Path) -> None:
    own = layer(path)
    if own in ("__init__", "__main__", *COMMON):
        return
    assert own in ALLOWED, f"{own} is a new layer: give it a place in ALLOWED and in DESIGN.md"
    for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
        parts = name.split(".")
        if parts[0] == "ascend_compat" and len(parts) > 1:
            assert parts[1] in ALLOWED[own] | COMMON | {own}, f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name.split(".")[0] for node in top for name in imports(ast.Module([node], []))}
    assert not names & HEAVY


def test_every_module_says_its_one_job_in_its_first_line() -> None:
    silent = [p for p in FILES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert silent == []
