"""The closed arithmetic of family tables: sizes and conditions over configuration values, never executed as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}


class ExpressionError(ValueError):
    """An expression that is not in the language, or whose values do not fit it; ``missing`` names an absent value."""

    def __init__(self, message: str, missing: str | None = None) -> None:
        super().__init__(message)
        self.missing = missing


def evaluate(text: str | int | float | bool, values: Mapping[str, Any]) -> Any:
    """Value of ``text`` with names looked up in ``values``.

    The language: names, literals, tuples, ``+ - * // %``, comparisons, ``in``, ``and or not``, ``a[b]``, ``len(a)``
    and ``a if c else b``. Raises :class:`ExpressionError` for anything else, for an absent or null name, and for
    values that do not fit.
    """
    if not isinstance(text, str):
        return text
    try:
        return _value(_parse(text), values)
    except (TypeError, IndexError, KeyError, ZeroDivisionError, AttributeError) as error:
        raise ExpressionError(f"{text!r}: {error}") from error


@lru_cache(maxsize=1024)
def names(text: str | int | float | bool) -> frozenset[str]:
    """The names an expression refers to."""
    if not isinstance(text, str):
        return frozenset()
    return frozenset(node.id for node in ast.walk(_parse(text)) if isinstance(node, ast.Name))


@lru_cache(maxsize=1024)
def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ExpressionError(f"{text!r} is not an expression") from error


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if values.get(name) is None:
                raise ExpressionError(f"no value for {name!r}", missing=name)
            return values[name]
        case ast.Tuple(elts=items):
            return tuple(_value(item, values) for item in items)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, values), _value(right, values))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, values) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(_value(part, values) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, values)
        case ast.Subscript(value=base, slice=index):
            return _value(base, values)[_value(index, values)]
        case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]):
            return len(_value(argument, values))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, values) else orelse, values)
    raise ExpressionError(f"{ast.unparse(node)!r} is not in the language of family tables")
