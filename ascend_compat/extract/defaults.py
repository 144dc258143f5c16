"""Defaults of the engine's options that are literal in a release."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.scan import last_name
from ascend_compat.extract.tree import Module, NotConstant, Trees

MODULES = ("vllm.config.cache", "vllm.config.scheduler")
ENGINE = "vllm.engine.arg_utils"
SCALAR = (bool, int, float, str)


def extract_defaults(trees: Trees) -> dict[str, dict[str, Any]]:
    """``{option: {"value", "at"}}`` of the cache and scheduler configuration.

    Left out: what has no literal default, what is not an option (``init=False``, class variables), and what the
    engine's arguments give another default, such as ``None`` for a value that is worked out at start.
    """
    decided = _engine(trees)
    found: dict[str, dict[str, Any]] = {}
    for name in MODULES:
        module = trees.module(name)
        if module is None:
            trees.unfollowed.append(f"{name}: not found")
            continue
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                for field, value, at in _fields(trees, module, node):
                    if decided.get(field, True):
                        found.setdefault(field, {"value": value, "at": at})
    return dict(sorted(found.items()))


def _fields(trees: Trees, module: Module, cls: ast.ClassDef) -> Iterator[tuple[str, Any, str]]:
    """Fields with a scalar default; a name is looked up in the class first."""
    local: dict[str, ast.expr] = {}
    for node in cls.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            continue
        local[node.target.id] = node.value
        expression = field_default(node.value)
        if isinstance(expression, ast.Name):
            expression = local.get(expression.id, expression)
        try:
            value = trees.constant(module, expression)
        except NotConstant:
            continue
        if isinstance(value, SCALAR) and is_option(node):
            yield node.target.id, value, module.at(node)


def is_option(field: ast.AnnAssign) -> bool:
    """Whether a field of a configuration class can be given: neither a class variable nor ``init=False``."""
    if "ClassVar" in ast.unparse(field.annotation):
        return False
    words = field.value.keywords if isinstance(field.value, ast.Call) else []
    return not any(w.arg == "init" and isinstance(w.value, ast.Constant) and w.value.value is False for w in words)


def field_default(value: ast.expr | None) -> ast.expr | None:
    """The default a field declares, through ``Field(default=...)``."""
    if not isinstance(value, ast.Call) or last_name(value.func).lower() != "field":
        return value
    first = value.args[0] if value.args else None
    return next((word.value for word in value.keywords if word.arg == "default"), first)


def _engine(trees: Trees) -> dict[str, bool]:
    """Fields of the engine's arguments, and whether they take over the default of the configuration class."""
    module = trees.module(ENGINE)
    out: dict[str, bool] = {}
    for node in module.tree.body if module else []:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Args"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value is not None:
                    out[field.target.id] = isinstance(field.value, ast.Attribute)
    return out
