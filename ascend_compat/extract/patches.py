"""Monkey patches: attributes of vLLM that the plugin replaces at import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.tree import Module, Trees

HOME = "vllm_ascend.patch"


def extract_patches(trees: Trees) -> list[dict[str, Any]]:
    """``{target, replacement, at, guard?}`` for every module-level assignment to an attribute that leads into vllm."""
    guards = _guards(trees)
    out = []
    for name in trees.vllm_ascend.names():
        module = trees.module(name) if name.startswith(HOME + ".") else None
        for target, value, node in _assignments(module) if module else ():
            assert module is not None
            owner, _, attr = target.rpartition(".")
            found = trees.resolve(module, owner)
            if found is None or not found.fqn.startswith(("vllm.", "vllm:")):
                continue
            entry = {"target": f"{found.fqn.replace(':', '.')}.{attr}", "replacement": value, "at": module.at(node)}
            if guards.get(name):
                entry["guard"] = guards[name]
            out.append(entry)
    return sorted(out, key=lambda e: (e["target"], e["at"]))


def _assignments(module: Module) -> Iterator[tuple[str, str, ast.stmt]]:
    """``A.b = c`` and ``setattr(A, "b", c)`` at module level, inside ``if`` and ``try`` too."""
    pending: list[ast.stmt] = list(module.tree.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.If, ast.Try)):
            pending[:0] = [*node.body, *node.orelse]
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute):
                    yield ast.unparse(target), ast.unparse(node.value), node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if ast.unparse(call.func) == "setattr" and len(call.args) == 3 and isinstance(call.args[1], ast.Constant):
                yield f"{ast.unparse(call.args[0])}.{call.args[1].value!s}", ast.unparse(call.args[2]), node


def _guards(trees: Trees) -> dict[str, str]:
    """The ``if`` test under which the patch packages import each patch module."""
    out: dict[str, str] = {}
    for name in trees.vllm_ascend.names():
        module = trees.module(name) if name.startswith(HOME) else None
        if module is None or not module.is_package:
            continue
        for node in module.tree.body:
            if isinstance(node, ast.If):
                for inner in ast.walk(node):
                    for alias in inner.names if isinstance(inner, ast.Import) else ():
                        out.setdefault(alias.name, ast.unparse(node.test))
    return out
