"""Loaders of the plugin that turn quantized weights into float ones while loading."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from ascend_compat.core.class_names import shorten
from ascend_compat.extract.statements import nodes
from ascend_compat.extract.tree import Module, Trees

LOADER = ".load_weights"
SCALE = "scale"
QUANTIZED = ("float8_", "float4_")


def extract_dequantizing(trees: Trees, patches: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """``{class: {"at", "dtypes"}}``: model classes whose ``load_weights`` the plugin replaces by one that multiplies.

    A loader counts when its module pairs stored scales with weights by name, multiplies a value by a scale, and names
    the dtypes it does that for.
    """
    found: dict[str, Any] = {}
    for row in patches:
        target = str(row["target"])
        home, _, _ = str(row["replacement"]).rpartition(".")
        module = trees.module(home) if target.endswith(LOADER) else None
        dtypes = _dtypes(module) if module is not None else []
        if module is not None and dtypes and _pairs_scales(module) and _multiplies(module):
            owner, _, name = target.removesuffix(LOADER).rpartition(".")
            found[shorten(f"{owner}:{name}")] = {"at": row["at"], "dtypes": dtypes}
    return dict(sorted(found.items()))


def _pairs_scales(module: Module) -> bool:
    """Whether a name is tested to end like that of a stored scale."""
    calls = (node for node in nodes(module.tree) if isinstance(node, ast.Call))
    tests = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "endswith")
    return any(SCALE in ast.unparse(arg) for call in tests for arg in call.args)


def _dtypes(module: Module) -> list[str]:
    """Quantized dtypes of torch that the module names, as attributes or to look them up."""
    known = nodes(module.tree)
    names = {node.attr for node in known if isinstance(node, ast.Attribute)}
    names |= {node.value for node in known if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(name for name in names if name.startswith(QUANTIZED))


def _multiplies(module: Module) -> bool:
    products = (n for n in nodes(module.tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult))
    return any(SCALE in ast.unparse(side) for node in products for side in (node.left, node.right))
