"""Which platform an NPU is for vLLM: the truth of ``current_platform.is_...()`` as the trees' classes say it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ascend_compat.extract.tree import Trees

INTERFACE = ("vllm.platforms.interface", "Platform")
PLUGIN = ("vllm_ascend.platform", "NPUPlatform")
CURRENT = "current_platform"


def predicates(trees: Trees) -> dict[str, bool]:
    """``{"is_cuda": False, ...}``: methods of the platform interface that compare ``_enum``, on the plugin's."""
    own = _member(trees)
    found = trees.find_class(":".join(INTERFACE))
    out: dict[str, bool] = {}
    for method in found[1].body if found and own else ():
        returned = method.body[-1] if isinstance(method, ast.FunctionDef) else None
        test = returned.value if isinstance(returned, ast.Return) else None
        if isinstance(method, ast.FunctionDef) and isinstance(test, ast.Compare) and len(test.comparators) == 1:
            members = _members(test.comparators[0])
            if ast.unparse(test.left) == "self._enum" and members:
                out[method.name] = own in members
    return out


def decided(test: ast.expr, known: dict[str, bool]) -> bool | None:
    """Whether a test of nothing but ``current_platform.is_...()`` holds; ``None`` for any other test."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = decided(test.operand, known)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        values = [decided(item, known) for item in test.values]
        decisive = isinstance(test.op, ast.Or)
        return decisive if decisive in values else None if None in values else not decisive
    called = test.func if isinstance(test, ast.Call) and not test.args else None
    if isinstance(called, ast.Attribute) and ast.unparse(called.value).rpartition(".")[2] == CURRENT:
        return known.get(called.attr)
    return None


def _member(trees: Trees) -> str | None:
    found = trees.find_class(":".join(PLUGIN))
    for node in found[1].body if found else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_enum":
            return next(iter(_members(node.value)), None)
    return None


def _members(node: ast.expr) -> list[str]:
    items = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    return [item.attr for item in items if isinstance(item, ast.Attribute)]
