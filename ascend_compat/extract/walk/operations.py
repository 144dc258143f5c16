"""Operations on values: arithmetic, comparison, membership."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.resolve import Resolve
from ascend_compat.extract.walk.values import (
    NOBODY,
    TENSOR,
    WIDTH,
    Alts,
    ClassV,
    Cond,
    Const,
    DictV,
    ExtV,
    FuncV,
    ManyV,
    Obj,
    SeqV,
    Sym,
    Truth,
    combined,
    conj,
    merged,
    name_text,
)

_BINARY: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Div: ("/", operator.truediv),
    ast.Mod: ("%", operator.mod),
}
_COMPARE: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Is: ("is", operator.eq),
    ast.IsNot: ("is not", operator.ne),
}


class Operations(Resolve):
    """Operations on alternatives."""

    def truth(self, test: ast.expr, frame: Frame) -> Truth:
        """Overridden by truths."""
        raise NotImplementedError

    def truth_of(self, value: Any, test: ast.expr | None = None) -> Truth:
        """Overridden by truths."""
        raise NotImplementedError

    def each(self, groups: list[Alts]) -> Iterator[tuple[Cond, list[Any]]]:
        """Combinations of alternatives that can hold together; too many become the first ones."""
        for count, chosen in enumerate(product(*groups)):
            if count > 3 * WIDTH:
                return
            cond: Cond | None = (self.world.full, ())
            for side, _ in chosen:
                cond = conj(cond, side) if cond else None
            if cond is not None:
                yield cond, [value for _, value in chosen]

    def _operation(self, node: ast.BinOp, frame: Frame) -> Alts:
        sign = _BINARY.get(type(node.op))
        out: list[tuple[Cond, Any]] = []
        for cond, (left, right) in self.each([self.value(node.left, frame), self.value(node.right, frame)]):
            out.append((cond, self._computed(left, right, sign, node)))
        return merged(out)

    def _computed(self, left: Any, right: Any, sign: Any, node: ast.expr) -> Any:
        if sign and isinstance(left, Const) and isinstance(right, Const):
            try:
                made = sign[1](left.value, right.value)
                if not isinstance(made, (str, bytes)) or len(made) < 200:
                    return Const.of(made)
            except (TypeError, ValueError, ZeroDivisionError, OverflowError, MemoryError):
                pass
        if isinstance(left, SeqV) and isinstance(right, SeqV):
            return SeqV(left.items + right.items)
        if isinstance(left, (SeqV, ManyV)) or isinstance(right, (SeqV, ManyV)):
            parts = [i for v in (left, right) for i in (v.items if isinstance(v, ManyV) else ())]
            parts += [a for v in (left, right) if isinstance(v, SeqV) for item in v.items for a in item]
            return ManyV(merged(parts))
        if sign is None:
            return combined([left, right], lambda t: "", name_text(node)) if isinstance(left, Sym) else NOBODY
        return combined([left, right], lambda t: f"({t[0]} {sign[0]} {t[1]})", name_text(node))

    def _unary(self, node: ast.UnaryOp, frame: Frame) -> Alts:
        if isinstance(node.op, ast.Not):
            return self.as_value(node, frame)
        out = []
        for cond, value in self.value(node.operand, frame):
            if isinstance(node.op, ast.USub) and isinstance(value, Const) and value.kind in ("int", "float"):
                value = Const.of(-value.value)
            out.append((cond, value))
        return merged(out)

    def as_value(self, node: ast.expr, frame: Frame) -> Alts:
        """A test as a value: true and false where each can be, or the open test itself."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return merged(
                (cond, self.compared(node.ops[0], left, right, node))
                for cond, (left, right) in self.each(
                    [self.value(node.left, frame), self.value(node.comparators[0], frame)]
                )
            )
        truth = self.truth(node, frame)
        out: list[tuple[Cond, Any]] = []
        if truth.yes[0] and truth.no[0] and not truth.yes[1] and not truth.no[1] and truth.yes[0] & truth.no[0]:
            return self.one(TENSOR)
        for side, answer in ((truth.yes, True), (truth.no, False)):
            if side[0]:
                out.append((side, Const.of(answer)))
        return tuple(out)

    def compared(self, op: ast.cmpop, left: Any, right: Any, node: ast.expr) -> Any:
        """One comparison of two values."""
        if isinstance(op, (ast.In, ast.NotIn)):
            return self._contained(left, right, isinstance(op, ast.In), node)
        sign, compute = _COMPARE[type(op)]
        plain = (Const, ClassV, ExtV, FuncV)
        if isinstance(left, plain) and isinstance(right, plain):
            try:
                if isinstance(left, Const) and isinstance(right, Const):
                    return Const.of(bool(compute(left.value, right.value)))
                if sign in ("==", "!=", "is", "is not") and type(left) is type(right):
                    return Const.of(bool(compute(left, right)))
            except TypeError:
                pass
        known = (ClassV, ExtV, FuncV, Obj, SeqV, DictV)
        apart = isinstance(left, known) and isinstance(right, known) and type(left) is not type(right)
        if apart and isinstance(op, (ast.Is, ast.IsNot)):
            return Const.of(isinstance(op, ast.IsNot))
        identity = isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq))
        nothing = [v for v in (left, right) if isinstance(v, Const) and v.value is None]
        other = right if left in nothing else left
        if identity and nothing and isinstance(other, (Obj, SeqV, ManyV, DictV, ClassV, FuncV, ExtV)):
            return Const.of(isinstance(op, (ast.IsNot, ast.NotEq)))
        if identity and isinstance(left, Obj) and isinstance(right, Obj):
            return Const.of((left is right) == isinstance(op, (ast.Is, ast.Eq)))
        if identity and {type(left), type(right)} == {ExtV, Const}:
            return Const.of(isinstance(op, (ast.IsNot, ast.NotEq)))
        return combined([left, right], lambda t: f"({t[0]} {sign} {t[1]})", name_text(node))

    def _contained(self, left: Any, right: Any, wanted: bool, node: ast.expr) -> Any:
        keys: list[Any] | None = None
        if isinstance(right, DictV) and not right.open:
            keys = [key for key, _ in right.items]
        elif isinstance(right, SeqV):
            keys = [item[0][1] for item in right.items] if all(len(i) == 1 for i in right.items) else None
        elif isinstance(right, Const) and isinstance(right.value, str) and isinstance(left, Const):
            return Const.of((str(left.value) in right.value) is wanted)
        if keys is not None and not keys:
            return Const.of(not wanted)
        if keys is not None and isinstance(left, (Const, ClassV, ExtV)):
            if left in keys:
                return Const.of(wanted)
            if all(isinstance(k, (Const, ClassV, ExtV)) for k in keys):
                return Const.of(not wanted)
        if keys is not None and isinstance(left, Sym) and isinstance(right, DictV):
            right = SeqV(tuple(self.one(k) for k in keys))
        sign = "in" if wanted else "not in"
        return combined([left, right], lambda t: f"({t[0]} {sign} {t[1]})", name_text(node))
