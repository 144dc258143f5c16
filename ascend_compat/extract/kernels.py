"""Tables of the engine that choose a kernel by platform: what a layer of the engine's own formats can run on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.scan import texts
from ascend_compat.extract.statements import nodes
from ascend_compat.extract.tree import Module, Trees, assignments

#: Where the engine keeps its tables, in one release or another.
HOMES = ("vllm.model_executor.kernels", "vllm.model_executor.layers.quantization.kernels")
ENUM = "PlatformEnum"


def extract_kernels(trees: Trees) -> dict[str, Any]:
    """``{table: {"platforms": [...], "raises": exception, "at"}}``.

    ``raises`` is what choosing from the table raises on a platform that it does not list: ``KeyError`` where it is
    subscripted, else the exception that the choosing function ends with.
    """
    found: dict[str, Any] = {}
    for name, _ in texts(trees.vllm, ENUM):
        module = trees.module(name) if name.startswith(HOMES) else None
        for table, value in assignments(module.tree.body) if module else ():
            platforms = _platforms(value)
            if module is not None and platforms:
                found[table] = {"platforms": platforms, "raises": _raises(module, table), "at": module.at(value)}
    return dict(sorted(found.items()))


def _platforms(value: ast.expr) -> list[str]:
    keys = value.keys if isinstance(value, ast.Dict) else []
    members = [key.attr for key in keys if isinstance(key, ast.Attribute) and ast.unparse(key.value) == ENUM]
    return sorted(members) if len(members) == len(keys) else []


def _raises(module: Module, table: str) -> str:
    """A table is read with ``[]`` or ``.get`` where it is named, or handed to the function that chooses."""
    functions = [node for node in module.tree.body if isinstance(node, ast.FunctionDef)]
    naming = [function for function in functions if any(_is(node, table) for node in nodes(function))]
    readers = [reader for function in naming for reader in (function, *_called(function, functions))]
    if any("_enum" in ast.unparse(node.slice) for reader in readers for node in _subscripts(reader)):
        return "KeyError"
    raised = [n.exc for r in readers for n in nodes(r) if isinstance(n, ast.Raise) and isinstance(n.exc, ast.Call)]
    return ast.unparse(raised[-1].func) if raised else "KeyError"


def _subscripts(function: ast.FunctionDef) -> Iterator[ast.Subscript]:
    items = (node for node in nodes(function) if isinstance(node, ast.Subscript))
    return (node for node in items if isinstance(node.ctx, ast.Load))


def _called(function: ast.FunctionDef, functions: list[ast.FunctionDef]) -> Iterator[ast.FunctionDef]:
    calls = [node.func for node in nodes(function) if isinstance(node, ast.Call)]
    names = {func.id for func in calls if isinstance(func, ast.Name)}
    return (other for other in functions if other.name in names)


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
