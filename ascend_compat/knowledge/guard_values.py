"""Tests that the operator walk left to config.json: the values that an expression can have, or that it is unknown."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ascend_compat.knowledge.config_attributes import attributes


class Unknown(Exception):
    """The configuration does not say."""


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.eq, ast.IsNot: operator.ne, ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len, "bool": bool, "int": int, "str": str, "min": min, "max": max, "abs": abs,
}  # fmt: skip
_METHODS = frozenset({"lower", "upper", "startswith", "endswith", "get", "items", "keys", "values", "split"})
_TYPES: dict[str, tuple[type, ...]] = {
    "dict": (dict,), "list": (list, tuple), "tuple": (list, tuple), "str": (str,), "int": (int,), "float": (float,),
    "bool": (bool,),
}  # fmt: skip
#: ``each(x)`` stands for some element of ``x``, ``every(f(each(x)))`` for a tuple of ``f`` of all of them.
ELEMENT, ALL = "each", "every"
SIZE = 1 << 16


@lru_cache(maxsize=4096)
def parsed(text: str) -> ast.expr | None:
    """The expression of a guard; ``None`` when it is none."""
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=4096)
def elements(text: str) -> tuple[tuple[str, ast.expr], ...]:
    """``each(x)`` parts of a guard, the innermost first: their text and ``x``."""
    tree = parsed(text)
    every = [n for n in ast.walk(tree) if _is_call(n, ALL)] if tree is not None else []
    own = {id(n) for whole in every for n in ast.walk(whole)}
    found = [n for n in ast.walk(tree) if is_element(n) and id(n) not in own] if tree is not None else []
    return tuple((ast.unparse(node), node.args[0]) for node in reversed(found))  # type: ignore[attr-defined]  # calls


def is_element(node: ast.AST) -> bool:
    """Whether a node is ``each(x)``."""
    return _is_call(node, ELEMENT)


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


class Values:
    """Evaluates guards on one configuration, ``None`` for none; ``bound`` holds elements of ``each`` parts."""

    def __init__(self, config: Mapping[str, Any] | None, text_config: Mapping[str, Any] | None = None) -> None:
        self.names = {
            name: attributes(part)
            for name, part in (("config", config), ("text_config", text_config))
            if part is not None
        }
        self.bound: dict[str, Any] = {}

    def test(self, text: str) -> bool:
        """Whether a guard holds; raises :class:`Unknown`."""
        tree = parsed(text)
        if tree is None:
            raise Unknown(text)
        return bool(self.value(tree))

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; raises :class:`Unknown` for what the configuration does not say."""
        evaluate = _NODES.get(type(node))
        if evaluate is None:
            raise Unknown(type(node).__name__)
        try:
            return evaluate(self, node)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError,
                RecursionError) as error:  # fmt: skip
            raise Unknown(str(error)) from None

    def _name(self, node: ast.Name) -> Any:
        return self.names[node.id]

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Mapping) and node.attr in owner:
            return part(owner[node.attr])
        raise Unknown(node.attr)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.value(node.value)[self.value(node.slice)]

    def _sequence(self, node: ast.Tuple | ast.List | ast.Set) -> Any:
        return tuple(self.value(item) for item in node.elts)

    def _mapping(self, node: ast.Dict) -> Any:
        return {self.value(key): self.value(value) for key, value in zip(node.keys, node.values, strict=True) if key}

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mult) and (isinstance(left, (str, list)) or isinstance(right, (str, list))):
            raise Unknown("repetition")
        return _BINARY[type(node.op)](left, right)

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        return not value if isinstance(node.op, ast.Not) else -value

    def _either(self, node: ast.BoolOp) -> Any:
        """``and``, ``or``: a decisive operand decides, whatever is unknown besides it."""
        stop = isinstance(node.op, ast.Or)
        unknown: Unknown | None = None
        value: Any = None
        for part in node.values:
            try:
                value = self.value(part)
            except Unknown as error:
                unknown = error
                continue
            if bool(value) is stop:
                return value
        if unknown is not None:
            raise unknown
        return value

    def _compare(self, node: ast.Compare) -> Any:
        left, right = self.value(node.left), self.value(node.comparators[0])
        right = tuple(right) if isinstance(right, list) and isinstance(left, tuple) else right
        return _COMPARE[type(node.ops[0])](left, right)

    def _call(self, node: ast.Call) -> Any:
        if is_element(node):
            text = ast.unparse(node)
            if text not in self.bound:
                raise Unknown(text)
            return self.bound[text]
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            owner = self.value(node.func.value)
            return getattr(owner, node.func.attr)(*(self.value(arg) for arg in node.args))
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == ALL:
            return self._every(node.args[0])
        if name in ("getattr", "hasattr"):
            return self._member(name, node)
        if name == "isinstance":
            kinds = [t for n in ast.walk(node.args[1]) if isinstance(n, ast.Name) for t in _TYPES[n.id]]
            return isinstance(self.value(node.args[0]), tuple(kinds))
        return _FUNCTIONS[name](*(self.value(arg) for arg in node.args))

    def _every(self, node: ast.expr) -> tuple[Any, ...]:
        element = next(n for n in ast.walk(node) if is_element(n))
        text, saved, out = ast.unparse(element), dict(self.bound), []
        for item in self.value(element.args[0]):  # type: ignore[attr-defined]  # a call
            self.bound[text] = item
            out.append(self.value(node))
        self.bound = saved
        return tuple(out)

    def _member(self, name: str, node: ast.Call) -> Any:
        """A published configuration has every field that its class adds: one that is not there is not there."""
        owner, key = self.value(node.args[0]), self.value(node.args[1])
        there = isinstance(owner, Mapping) and key in owner
        if name == "hasattr":
            return there
        if there:
            return part(owner[key])
        if len(node.args) < 3:
            raise Unknown(str(key))
        return self.value(node.args[2])


def part(value: Any) -> Any:
    """A part of a configuration as vLLM reads it."""
    return attributes(value) if isinstance(value, Mapping) else value


_NODES: dict[type, Callable[[Any, Any], Any]] = {
    ast.Name: Values._name,
    ast.Constant: Values._constant,
    ast.Attribute: Values._attribute,
    ast.Subscript: Values._subscript,
    ast.Tuple: Values._sequence,
    ast.List: Values._sequence,
    ast.Set: Values._sequence,
    ast.Dict: Values._mapping,
    ast.BinOp: Values._binary,
    ast.UnaryOp: Values._unary,
    ast.BoolOp: Values._either,
    ast.Compare: Values._compare,
    ast.Call: Values._call,
}
