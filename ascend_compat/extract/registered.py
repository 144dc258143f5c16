"""Parameters and buffers that a layer class registers itself, and whether they bring a loader of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.statements import nodes, own
from ascend_compat.extract.tree import Trees

MAKERS = frozenset({"Parameter", "UninitializedParameter", "BasevLLMParameter", "ModelWeightParameter"})
LOADER = "weight_loader"


def registered(trees: Trees, fqn: str) -> dict[str, Any]:
    """``{parameters: [name], loader: true}`` of a class and its bases in the trees, what is empty left out."""
    names: set[str] = set()
    loader = False
    for base in trees.lineage(fqn):
        found = trees.find_class(base)
        for node in nodes(found[1]) if found else ():
            names.update(_names(node))
            loader = loader or (isinstance(node, ast.Attribute) and node.attr == LOADER)
            loader = loader or (isinstance(node, ast.Constant) and node.value == LOADER)
    out: dict[str, Any] = {}
    if names:
        out["parameters"] = sorted(names)
        if loader:
            out["loader"] = True
    return out


def _names(node: ast.AST) -> Iterator[str]:
    """What a statement registers: ``self.x = Parameter(...)``, a call of ``register_parameter`` or the like."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and _made(node.value):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute) and own(target):
                yield target.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and own(node.func) and node.args:
        name = node.args[0]
        fixed = isinstance(name, ast.Constant) and isinstance(name.value, str)
        empty = len(node.args) > 1 and isinstance(node.args[1], ast.Constant) and node.args[1].value is None
        passing = any(k.arg == "persistent" and ast.unparse(k.value) == "False" for k in node.keywords)
        if node.func.attr in ("register_parameter", "register_buffer") and fixed and not empty and not passing:
            yield name.value  # type: ignore[attr-defined]  # fixed says that it is a constant of text


def _made(value: ast.expr | None) -> bool:
    calls = [value] if isinstance(value, ast.Call) else []
    if isinstance(value, ast.IfExp):
        calls = [part for part in (value.body, value.orelse) if isinstance(part, ast.Call)]
    return any(ast.unparse(call.func).rpartition(".")[2] in MAKERS for call in calls)
