"""Arithmetic and comparison of values: as Python does them, three-valued where one is unknown."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from packaging.version import Version

from ascend_compat.knowledge.evaluate import natives
from ascend_compat.knowledge.evaluate.attributes import Attributes
from ascend_compat.knowledge.evaluate.values import (
    EnumMember,
    External,
    Instance,
    Native,
    Raised,
    Undecided,
    Unknown,
    describe,
    is_unknown,
)

PLAIN = (str, int, float, bool, type(None), list, dict, tuple, set, Version)
_CONTAINERS: tuple[type[Any], ...] = (str, list, dict, tuple, set, *natives.VIEWS[:3])
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "|": operator.or_, "&": operator.and_, "^": operator.xor,
}  # fmt: skip
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
SIZE_LIMIT = 1_000_000


def _identical(left: Any, right: Any) -> bool:
    """``is``: identity, taken as sameness of type and value where Python may or may not intern."""
    if isinstance(left, (str, int, float, External)):
        return type(left) is type(right) and bool(left == right)
    return left is right


class Operations(Attributes):
    """The part of the evaluator that computes with two values."""

    def binary(self, sign: str, left: Any, right: Any, at: str) -> Any:
        """Arithmetic as Python does it; errors it would raise are raised."""
        for side in (left, right):
            if is_unknown(side):
                return side
        if isinstance(left, Instance) and sign == "/" and isinstance(left.names.get("joinpath"), Native):
            return self.call(left.names["joinpath"], [right], {}, at)
        if not isinstance(left, PLAIN) or not isinstance(right, PLAIN) or sign not in _ARITHMETIC:
            return Unknown(at, f"{describe(left)} {sign} {describe(right)}")
        try:
            result = _ARITHMETIC[sign](left, right)
        except (TypeError, ZeroDivisionError, OverflowError, ValueError) as error:
            raise Raised(type(error).__name__, str(error), at) from None
        if isinstance(result, (str, list, tuple)) and len(result) > SIZE_LIMIT:
            raise Undecided(at, "a value grows beyond the size limit")
        return result

    def compare(self, sign: str, left: Any, right: Any, at: str) -> Any:
        """One comparison: ``True``, ``False`` or :class:`Unknown`."""
        if sign in ("in", "not in"):
            outcome = self._contains(right, left, at)
            return outcome if is_unknown(outcome) or sign == "in" else not outcome
        for side in (left, right):
            if is_unknown(side):
                return side
        if sign in ("is", "is not", "==", "!="):
            same = self.same(left, right) if sign in ("==", "!=") else _identical(left, right)
            return same if is_unknown(same) else same is (sign in ("is", "=="))
        if isinstance(left, PLAIN) and isinstance(right, PLAIN) and "Unknown(" not in repr((left, right)):
            try:
                return bool(_ORDER[sign](left, right))
            except TypeError as error:
                raise Raised("TypeError", str(error), at) from None
        return Unknown(at, f"{describe(left)} {sign} {describe(right)}")

    def same(self, left: Any, right: Any) -> Any:
        """Equality; two different external names are taken as different things, an external and plain data too."""
        if isinstance(left, EnumMember) and isinstance(right, (str, int)):
            return left.value == right
        if isinstance(right, EnumMember) and isinstance(left, (str, int)):
            return right.value == left
        return bool(left == right)

    def _contains(self, container: Any, item: Any, at: str) -> Any:
        if is_unknown(container) or is_unknown(item):
            return container if is_unknown(container) else item
        if container is None or isinstance(container, (int, float)):
            raise Raised("TypeError", f"argument of type '{type(container).__name__}' is not iterable", at)
        if not isinstance(container, _CONTAINERS):
            return Unknown(at, f"membership in {describe(container)}")
        items: Any = container
        try:
            if isinstance(container, (list, tuple)) and any(map(is_unknown, container)):
                known = any(self.same(item, part) is True for part in container if not is_unknown(part))
                return known or next(part for part in container if is_unknown(part))
            return item in items
        except TypeError as error:
            raise Raised("TypeError", str(error), at) from None
