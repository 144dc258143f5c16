"""docs/rules.md names every node of the language that packs are written in."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRANSLATORS = ("translate.py", "code.py")


def nodes() -> set[str]:
    """First items of the lists that the translators make: ``["call", line, ...]``."""
    found = {"list", "set"}  # comprehensions and displays name their kind
    for name in TRANSLATORS:
        tree = ast.parse((ROOT / "ascend_compat" / "extract" / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            head = node.elts[0] if isinstance(node, ast.List) and len(node.elts) > 1 else None
            parts = [head.body, head.orelse] if isinstance(head, ast.IfExp) else [head]
            found |= {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found


@pytest.mark.parametrize("node", sorted(nodes()))
def test_a_node_of_the_language_is_documented(node: str) -> None:
    assert f"`{node}`" in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") or f'`["{node}", ' in (
        ROOT / "docs" / "rules.md"
    ).read_text(encoding="utf-8")


def test_the_nodes_are_found() -> None:
    assert {"call", "class", "def", "ifexp", "or", "and", "unknown", "walrus", "try"} <= nodes()
