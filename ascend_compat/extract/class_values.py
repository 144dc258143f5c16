"""Mappings a class holds: written out, taken from another class, or the union of several."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

PACKED = "packed_modules_mapping"
MAPPER = "hf_to_vllm_mapper"
_DEPTH = 8


def class_mapping(trees: Trees, module: Module, node: ast.expr, name: str, depth: int = 0) -> Any:
    """What the attribute ``name`` of a class is assigned; of a mapper its ``orig_to_new_*`` tables by keyword.

    Raises :class:`NotConstant` for what the text alone does not tell.
    """
    if depth > _DEPTH:
        raise NotConstant(module.at(node), "nesting")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = (class_mapping(trees, module, side, name, depth + 1) for side in (node.left, node.right))
        if not isinstance(left, dict) or not isinstance(right, dict):
            raise NotConstant(module.at(node), "a union of something else than mappings")
        return _union(left, right, tables=name == MAPPER)
    if isinstance(node, ast.Attribute) and node.attr == name:
        return _inherited(trees, module, node, name, depth)
    if isinstance(node, ast.Name):
        found = trees.resolve(module, node.id)
        if found and found.module and isinstance(found.node, ast.Assign):
            return class_mapping(trees, found.module, found.node.value, name, depth + 1)
    if isinstance(node, ast.Call) and name == MAPPER:
        parts = {k.arg: trees.constant(module, k.value) for k in node.keywords if k.arg}
        return {k: v for k, v in parts.items() if k.startswith("orig_to_new") and isinstance(v, dict)}
    return trees.constant(module, node)


def _inherited(trees: Trees, module: Module, node: ast.Attribute, name: str, depth: int) -> Any:
    """The attribute of the class that is named, or of its nearest base that has it."""
    owner = trees.resolve(module, ast.unparse(node.value))
    for fqn in trees.lineage(owner.fqn) if owner else ():
        home, body = trees.find_class(fqn) or (None, None)
        held = [value for key, value in assignments(body.body) if key == name] if body else []
        if home and held:
            return class_mapping(trees, home, held[-1], name, depth + 1)
    raise NotConstant(module.at(node), f"no class that {ast.unparse(node)} names has it")


def _union(left: dict[Any, Any], right: dict[Any, Any], tables: bool) -> dict[Any, Any]:
    """``left | right``; of mappers table by table (V 0.30.0 vllm/model_executor/models/utils.py ``__or__``)."""
    if not tables:
        return {**left, **right}
    return {key: {**left.get(key, {}), **right.get(key, {})} for key in {**left, **right}}
