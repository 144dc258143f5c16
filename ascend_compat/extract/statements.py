"""The statements of a constructor: simple ones of every branch, what they assign to ``self``, what they return."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

#: Fields that hold names, numbers, contexts and operators.
LEAVES = frozenset("ctx id attr arg kind op ops level module lineno simple conversion type_comment".split())
#: Lists that hold more than nodes: names, and nothing for ``**`` and for a parameter without a default.
MIXED = frozenset({"names", "keys", "kw_defaults", "kwd_attrs"})
#: Where a definition keeps the list of its nodes.
NODES = "_nodes"


def every(root: ast.AST, leaving: frozenset[str] = frozenset()) -> list[ast.AST]:
    """As ``ast.walk``, without contexts (``Load``, ``Store``), operators and the fields ``leaving``."""
    known = [root]
    for node in known:  # grows while it is read
        kind: Any = type(node)  # mypy takes no class of ``ast`` for a key
        for name in _fields(kind, leaving):
            value = getattr(node, name, None)
            if value.__class__ is list:
                known += [item for item in value if isinstance(item, ast.AST)] if name in MIXED else value
            elif isinstance(value, ast.AST):
                known.append(value)
    return known


@cache
def _fields(kind: type[ast.AST], leaving: frozenset[str]) -> tuple[str, ...]:
    """Fields that may hold nodes; a constant has none."""
    return () if kind is ast.Constant else tuple(name for name in kind._fields if name not in LEAVES | leaving)


def nodes(definition: ast.AST) -> list[ast.AST]:
    """:func:`every`, kept, as a definition is asked for more than once."""
    known: list[ast.AST] | None = definition.__dict__.get(NODES)
    if known is None:
        known = definition.__dict__[NODES] = every(definition)
    return known


def returns(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What a function returns, nested functions included."""
    for node in nodes(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value


def simple(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Simple statements in order, those of every branch."""
    for node in body:
        if isinstance(node, (ast.If, ast.With, ast.For, ast.Try, ast.While)):
            yield from simple(node.body)
            yield from simple(getattr(node, "orelse", []))
        else:
            yield node


def attributes(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """``self.name = value``, ``self.name.append(value)``, ``self.a, self.b, self.layers = make_layers(...)``."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        if isinstance(node.target, ast.Attribute) and own(node.target):
            yield node.target.attr, node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            last = target.elts[-1] if isinstance(target, ast.Tuple) and target.elts else target
            if isinstance(last, ast.Attribute) and own(last):
                yield last.attr, node.value
            elif isinstance(last, ast.Attribute) and _parameter(node.value):
                inner = last.value
                if isinstance(inner, ast.Attribute) and own(inner):
                    yield f"{inner.attr}.{last.attr}", node.value
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        owner = appended_to(node.value)
        if isinstance(owner, ast.Attribute) and own(owner):
            yield owner.attr, as_list(node.value)


def _parameter(value: ast.expr) -> bool:
    """Whether a value is a parameter that is made: ``self.gate.bias = nn.Parameter(...)`` adds one to a child."""
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Parameter"


def appended_to(call: ast.Call) -> ast.expr | None:
    """The list that ``list.append(value)`` appends to; ``None`` for any other call."""
    called = call.func
    return called.value if isinstance(called, ast.Attribute) and called.attr == "append" and call.args else None


def as_list(call: ast.Call) -> ast.List:
    """The argument of an ``append`` as a list of its own."""
    return ast.copy_location(ast.List([call.args[0]], ast.Load()), call)


def own(node: ast.Attribute) -> bool:
    """Whether an attribute is one of ``self`` or ``cls``."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
