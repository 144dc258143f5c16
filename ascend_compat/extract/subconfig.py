"""Keys of the engine's configuration classes, which its JSON flags are checked against."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.defaults import is_option
from ascend_compat.extract.scan import last_name
from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

PACKAGE = "vllm.config"
MARKS = frozenset({"config", "dataclass"})
#: Longer lists are names of models or methods that another table holds.
MOST_CHOICES = 40


def extract_config_keys(trees: Trees) -> dict[str, dict[str, Any]]:
    """``{class: {"at", "keys": {field: line}, "fixed"?, "sections"?, "choices"?}}`` of the configuration classes.

    Lines are of the class's own file. ``fixed`` holds fields that can't be given (class variables, ``init=False``),
    ``sections`` the class of a field that is a configuration itself, ``choices`` what an enumeration or a ``Literal``
    allows.
    """
    found: dict[str, dict[str, Any]] = {}
    names = [name for name in trees.vllm.names() if name == PACKAGE or name.startswith(f"{PACKAGE}.")]
    for module in (trees.module(name) for name in names):
        for node in module.tree.body if module else []:
            if module is not None and isinstance(node, ast.ClassDef) and is_configuration(node):
                entry = _fields(trees, module, node)
                if entry["keys"]:
                    found.setdefault(node.name, entry)
    if not found:
        trees.unfollowed.append(f"{PACKAGE}: no configuration class found")
    return dict(sorted(found.items()))


def is_configuration(cls: ast.ClassDef) -> bool:
    """Whether a class is decorated as a configuration or a dataclass."""
    marks = (mark.func if isinstance(mark, ast.Call) else mark for mark in cls.decorator_list)
    return any(last_name(mark) in MARKS for mark in marks)


def configuration_of(trees: Trees, module: Module, annotation: ast.expr) -> str | None:
    """The configuration class that a field's annotation names."""
    for node in every(annotation):
        name = last_name(node)
        found = trees.resolve(module, name) if name else None
        if found and found.module and isinstance(found.node, ast.ClassDef) and is_configuration(found.node):
            return found.node.name if found.module.name.startswith(PACKAGE) else None
    return None


def _fields(trees: Trees, module: Module, cls: ast.ClassDef) -> dict[str, Any]:
    entry: dict[str, Any] = {"at": module.at(cls), "keys": {}}
    for field in cls.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        if name.startswith("_"):
            continue
        if not is_option(field):
            entry.setdefault("fixed", {})[name] = field.lineno
            continue
        entry["keys"][name] = field.lineno
        section = configuration_of(trees, module, field.annotation)
        if section:
            entry.setdefault("sections", {})[name] = section
        allowed = choices(trees, module, field.annotation)
        if allowed and len(allowed) <= MOST_CHOICES:
            entry.setdefault("choices", {})[name] = allowed
    return entry


def choices(trees: Trees, module: Module, annotation: ast.expr, depth: int = 0) -> list[Any] | None:
    """The values a type allows, ``None`` when they are not a closed list."""
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return []
    parts = list(_alternatives(annotation))
    if len(parts) > 1:
        found = [choices(trees, module, part, depth) for part in parts]
        if any(item is None for item in found):
            return None
        return list(dict.fromkeys(value for item in found for value in item or ()))
    if isinstance(annotation, ast.Subscript) and last_name(annotation.value) == "Literal":
        inner = annotation.slice
        return _literal(trees, module, inner.elts if isinstance(inner, ast.Tuple) else [inner], depth)
    if not isinstance(annotation, (ast.Name, ast.Attribute)) or depth > 6:
        return None
    found_name = trees.resolve(module, ast.unparse(annotation))
    if found_name is None or found_name.module is None:
        return None
    if isinstance(found_name.node, (ast.Assign, ast.AnnAssign)) and found_name.node.value is not None:
        return choices(trees, found_name.module, found_name.node.value, depth + 1)
    if isinstance(found_name.node, ast.ClassDef):
        return _members(trees, found_name.module, found_name.node)
    return None


def _alternatives(annotation: ast.expr) -> Iterator[ast.expr]:
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from _alternatives(annotation.left)
        yield from _alternatives(annotation.right)
    elif isinstance(annotation, ast.Subscript) and last_name(annotation.value) in ("Optional", "Union"):
        inner = annotation.slice
        for part in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
            yield from _alternatives(part)
        if last_name(annotation.value) == "Optional":
            yield ast.Constant(None)
    else:
        yield annotation


def _literal(trees: Trees, module: Module, parts: list[ast.expr], depth: int) -> list[Any] | None:
    out: list[Any] = []
    for part in parts:
        if isinstance(part, ast.Constant):
            out.append(part.value)
            continue
        inner = choices(trees, module, part, depth + 1)
        if inner is None:
            return None
        out.extend(inner)
    return out


def _members(trees: Trees, module: Module, cls: ast.ClassDef) -> list[Any] | None:
    """Members of an enumeration: their values when all are text, else their names."""
    lineage = {name.rpartition(":")[2].rpartition(".")[2] for name in trees.lineage(f"{module.name}:{cls.name}")}
    rows = [(name, value) for name, value in assignments(cls.body) if not name.startswith("_")]
    if not any(name.endswith("Enum") or name == "Flag" for name in lineage) or not rows:
        return None
    values = []
    for _, value in rows:
        try:
            values.append(trees.constant(module, value))
        except NotConstant:
            break
    texts = len(values) == len(rows) and all(isinstance(value, str) for value in values)
    return values if texts else [name for name, _ in rows]
