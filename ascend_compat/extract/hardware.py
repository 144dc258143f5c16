"""Hardware profiles of a tree: what its table of devices says of each, as members of enumerations and sets of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, Resolved, Trees, assignments

Profile = dict[str, Any]
DEPTH = 8


class Hardware:
    """Tables of devices, each read once. ``devices`` are names without leading underscores."""

    def __init__(self, trees: Trees, devices: tuple[str, ...]) -> None:
        self.trees = trees
        self.devices = devices
        self._tables: dict[str, dict[str, Profile]] = {}

    def current(self, found: Resolved | None) -> dict[str, Profile] | None:
        """``{device: {field: value}}`` of what a function without arguments gives for the running chip.

        The function's annotation names a class that a table in its module is made of, with one entry for each device.
        A value is ``(enumeration, member)``, a frozenset of such pairs, or a literal.
        """
        if found is None or found.module is None or not isinstance(found.node, ast.FunctionDef):
            return None
        args = found.node.args
        if args.args or args.kwonlyargs or not isinstance(found.node.returns, ast.Name):
            return None
        if found.fqn not in self._tables:
            self._tables[found.fqn] = self._table(found.module, found.node.returns.id)
        return self._tables[found.fqn] or None

    def method(self, found: Resolved, name: str) -> tuple[str, str] | None:
        """``(parameter, field)`` of a method that says whether its argument is in a field."""
        module, node = found.module, found.node
        cls = self.trees.resolve(module, ast.unparse(node.returns)) if module and isinstance(
            node, ast.FunctionDef) and node.returns is not None else None  # fmt: skip
        for item in cls.node.body if cls is not None and isinstance(cls.node, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef) and item.name == name:
                test = getattr(item.body[-1], "value", None)
                if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In):
                    field = test.comparators[0]
                    if isinstance(test.left, ast.Name) and isinstance(field, ast.Attribute):
                        return test.left.id, field.attr
        return None

    def member(self, module: Module, node: ast.expr, depth: int = 0) -> Any:
        """The value of an expression of a table; ``None`` for what is no literal, member or set of members."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Attribute):
            return ast.unparse(node.value).rpartition(".")[2], node.attr.lstrip("_")
        if isinstance(node, (ast.Set, ast.List, ast.Tuple)):
            return frozenset(self.member(module, item, depth) for item in node.elts)
        if isinstance(node, ast.Call) and len(node.args) <= 1 and not node.keywords:
            return self.member(module, node.args[0], depth) if node.args else frozenset()
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitOr, ast.Sub)):
            left, right = self.member(module, node.left, depth), self.member(module, node.right, depth)
            if isinstance(left, frozenset) and isinstance(right, frozenset):
                return left | right if isinstance(node.op, ast.BitOr) else left - right
        if isinstance(node, ast.Name) and depth < DEPTH:
            value = dict(assignments(module.tree.body)).get(node.id)
            return self.member(module, value, depth + 1) if value is not None else None
        return None

    def _table(self, module: Module, cls: str) -> dict[str, Profile]:
        for table in _displays(module):
            found: dict[str, Profile] = {}
            for key, value in zip(table.keys, table.values, strict=True):
                made = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == cls
                device = key.attr.lstrip("_") if isinstance(key, ast.Attribute) else ""
                if made and device in self.devices and isinstance(value, ast.Call):
                    found[device] = {k.arg: self.member(module, k.value) for k in value.keywords if k.arg}
            if found.keys() == set(self.devices):
                return found
        return {}


def _displays(module: Module) -> Iterator[ast.Dict]:
    """Dictionaries that the module's own statements write out."""
    for _, value in assignments(module.tree.body):
        yield from (node for node in every(value) if isinstance(node, ast.Dict))
