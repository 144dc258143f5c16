"""Tests of the walk: where they hold and where they fail, by device and guard."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.walk.expressions import Expressions
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.values import (
    CONFIG,
    DATA,
    Alts,
    ClassV,
    Cond,
    Const,
    DictV,
    ExtV,
    FuncV,
    Guard,
    ManyV,
    ModV,
    Obj,
    SeqV,
    Sym,
    Truth,
    conj,
    either,
    name_text,
)

#: Words of a test that asks for the platform or the device.
PLATFORM_WORDS = ("current_platform", "is_310p", "device_type", "device_capability", "soc_version")


class Truths(Expressions):
    """Evaluation of tests."""

    def always(self, answer: bool, platform: bool = False) -> Truth:
        """A decided test."""
        on, off = ((self.world.full, ()), (0, ()))
        return Truth(on, off, platform) if answer else Truth(off, on, platform)

    def truth(self, test: ast.expr, frame: Frame) -> Truth:
        """Where a test holds."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.truth(test.operand, frame).inverse()
        if isinstance(test, ast.BoolOp):
            return self._joined(test, frame)
        if isinstance(test, ast.Compare) and len(test.ops) > 1:
            for item in (test.left, *test.comparators):
                self.value(item, frame)
            return Truth((self.world.full, ()), (self.world.full, ()))
        found = self.value(test, frame)
        truth = self._over(found, test)
        asks = any(word in name_text(test) for word in PLATFORM_WORDS)
        return Truth(truth.yes, truth.no, True) if asks else truth

    def _joined(self, test: ast.BoolOp, frame: Frame) -> Truth:
        """``and``; ``or`` is its inverse with inverted operands."""
        either = isinstance(test.op, ast.Or)
        yes: Cond = (self.world.full, ())
        platform = False
        fails: list[Cond] = []
        saved = frame.cond
        for part in test.values:
            truth = self.truth(part, frame)
            truth = truth.inverse() if either else truth
            platform = platform or truth.platform
            if truth.no[0] & yes[0]:
                fails.append((truth.no[0] & yes[0], truth.no[1]))
            guards = (*yes[1], *(g for g in truth.yes[1] if g not in yes[1]))
            yes = (yes[0] & truth.yes[0], guards)
            if not yes[0]:
                break
            side = yes if not either else (yes[0], guards)
            if saved is not None:
                frame.cond = (saved[0] & side[0], (*saved[1], *(g for g in guards if g not in saved[1])))
        frame.cond = saved
        no = _least(fails)
        made = Truth(yes if yes[0] else (0, ()), no, platform)
        return made.inverse() if either else made

    def _over(self, alts: Alts, test: ast.expr) -> Truth:
        """The truth of alternatives together."""
        yes: list[Cond] = []
        no: list[Cond] = []
        for cond, value in alts:
            truth = self.truth_of(value, test)
            for side, out in ((truth.yes, yes), (truth.no, no)):
                both = conj(cond, side) if side[0] else None
                if both is not None:
                    out.append(both)
        return Truth(_least(yes), _least(no))

    def truth_of(self, value: Any, test: ast.expr | None = None) -> Truth:
        """The truth of one value."""
        if isinstance(value, Const):
            return self.always(bool(value.value))
        if isinstance(value, (ClassV, FuncV, ModV, Obj)):
            return self.always(True)
        if isinstance(value, ExtV):
            return self.always(not self.world.absent(value.name)) if "." not in value.name else self.always(True)
        if isinstance(value, SeqV):
            return self.always(bool(value.items))
        if isinstance(value, DictV) and not value.open:
            return self.always(bool(value.items))
        full = self.world.full
        if isinstance(value, Sym) and value.kind != DATA:
            text = value.text if value.kind == CONFIG else name_text(test) if test is not None else value.text
            guard = Guard(text or "?", True, value.kind)
            return Truth((full, (guard,)), (full, (guard.inverse(),)))
        assert isinstance(value, (Sym, ManyV, DictV)) or value is not None
        return Truth((full, ()), (full, ()))


def _least(sides: list[Cond]) -> Cond:
    """Any of several conditions."""
    mask = 0
    for side in sides:
        mask |= side[0]
    if not mask:
        return 0, ()
    guards = sides[0][1]
    for side in sides[1:]:
        guards = either(guards, side[1])
    return mask, guards
