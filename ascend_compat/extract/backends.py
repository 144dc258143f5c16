"""Attention backends of the plugin's platform, by what the model asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.guards import Guards
from ascend_compat.extract.scan import last_name, literal_text, mentioning
from ascend_compat.extract.statements import every, nodes
from ascend_compat.extract.tree import Module, NotConstant, Trees

FUNCTION = "get_attn_backend_cls"
#: What the positions of a key mean where the function does not spell it out.
POSITIONS = ("mla", "sparse", "compress")


def extract_backends(trees: Trees) -> list[dict[str, Any]]:
    """Rows ``{"key": {"mla", "sparse", ...}, "backend", "soc"?, "at"}`` of the tables in ``get_attn_backend_cls``.

    A table that is read under a test of the device is for these devices. The names of a key's positions come from the
    ``use_*`` names that the function puts in a tuple of the same length.
    """
    guards = Guards(trees)
    rows: list[dict[str, Any]] = []
    for module in mentioning(trees, trees.vllm_ascend, FUNCTION):
        for node in nodes(module.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == FUNCTION:
                rows.extend(_rows(trees, guards, module, node))
    if not rows:
        trees.unfollowed.append(f"{FUNCTION}: no table of backends found")
    return sorted(rows, key=lambda row: (row.get("soc", []), sorted(row["key"].items()), row["backend"], row["at"]))


def _rows(trees: Trees, guards: Guards, module: Module, function: ast.AST) -> Iterator[dict[str, Any]]:
    positions = _positions(function)
    devices = _devices(guards, module, function)
    for node in every(function):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(node.value, ast.Dict):
            continue
        target = last_name(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            flags = _flags(trees, module, key)
            backend = literal_text(trees, module, value)
            if key is None or flags is None or backend is None:
                trees.unfollowed.append(f"{module.at(value)}: row of {target} is not literal")
                continue
            names = positions.get(len(flags), POSITIONS[: len(flags)])
            row: dict[str, Any] = {
                "key": dict(zip(names, flags, strict=False)),
                "backend": backend,
                "at": module.at(key),
            }
            yield {**row, "soc": devices[target]} if target in devices else row


def _devices(guards: Guards, module: Module, function: ast.AST) -> dict[str, list[str]]:
    """``{table: devices}`` of the tables that are read under a test which holds for some devices only."""
    found: dict[str, list[str]] = {}
    for node in every(function):
        limits = guards.limits(module, ((node.test, True),)) if isinstance(node, ast.If) else None
        if isinstance(node, ast.If) and limits and "soc" in limits and "guard" not in limits:
            names = (item.id for part in node.body for item in every(part) if isinstance(item, ast.Name))
            found.update(dict.fromkeys(names, limits["soc"]))
    return found


def _positions(function: ast.AST) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for node in every(function):
        if isinstance(node, ast.Tuple) and node.elts:
            names = tuple(last_name(item) for item in node.elts)
            if all(name.startswith("use_") for name in names):
                found.setdefault(len(names), tuple(name.removeprefix("use_") for name in names))
    return found


def _flags(trees: Trees, module: Module, key: ast.expr | None) -> tuple[bool, ...] | None:
    try:
        value = trees.constant(module, key)
    except NotConstant:
        return None
    return value if isinstance(value, tuple) and all(isinstance(item, bool) for item in value) else None
