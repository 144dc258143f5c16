"""Statements of the walk: paths through a function body, with what each path hangs on."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.tree import absolute
from ascend_compat.extract.walk.names import IMPORT_ERRORS, Frame
from ascend_compat.extract.walk.stores import Stores
from ascend_compat.extract.walk.values import (
    TENSOR,
    Alts,
    Code,
    Cond,
    FuncV,
    SeqV,
    conj,
    merged,
)


class Statements(Stores):
    """Runs the statements of a function once; loops once; both sides of what is open."""

    def block(self, body: list[ast.stmt], frame: Frame) -> None:
        """Statements in order until the path ends (``frame.cond`` is ``None`` then)."""
        for node in body:
            if frame.cond is None:
                return
            run = _STATEMENTS.get(type(node))
            if run is not None:
                run(self, node, frame)

    def _expression(self, node: ast.Expr, frame: Frame) -> None:
        self.value(node.value, frame)

    def _assign(self, node: ast.Assign, frame: Frame) -> None:
        found = self.value(node.value, frame)
        for target in node.targets:
            self.assign(target, found, frame)

    def _annotated(self, node: ast.AnnAssign, frame: Frame) -> None:
        if node.value is not None:
            self.assign(node.target, self.value(node.value, frame), frame)

    def _augmented(self, node: ast.AugAssign, frame: Frame) -> None:
        read = ast.BinOp(node.target, node.op, node.value)
        ast.copy_location(read, node)
        self.assign(node.target, self.value(read, frame), frame)

    # control flow ------------------------------------------------------------------------------------------------

    def _if(self, node: ast.If, frame: Frame) -> None:
        truth = self.truth(node.test, frame)
        before, start = frame.cond, frame.env
        assert before is not None
        ends: list[tuple[Cond, Cond, dict[str, Alts]]] = []
        dropped = 0
        data = bool(truth.yes[0] & truth.no[0]) and not (truth.yes[1] and truth.no[1])
        for part, side in ((node.body, truth.yes), (node.orelse, truth.no)):
            under = conj(before, side) if side[0] else None
            if under is None:
                continue
            frame.cond, frame.env = under, dict(start)
            frame.platform += truth.platform
            frame.data += data
            frame.maybe += data
            self.block(part, frame)
            frame.platform -= truth.platform
            frame.data -= data
            frame.maybe -= data
            if frame.cond is not None:
                ends.append((side, frame.cond, frame.env))
            else:
                dropped += 1
        frame.data += data and dropped > 0
        self._join(before, start, ends, dropped, frame)

    def _join(
        self, before: Cond, start: dict[str, Alts], ends: list[tuple[Cond, Cond, dict[str, Alts]]], dropped: int,
        frame: Frame,
    ) -> None:  # fmt: skip
        """What holds after the branches that go on."""
        if not ends:
            frame.cond = None
        elif len(ends) == 1:
            frame.cond, frame.env = ends[0][1], ends[0][2]
        else:
            (left, left_cond, one), (right, right_cond, two) = ends
            frame.cond = _united(before, left_cond, right_cond)
            env: dict[str, Alts] = {}
            for name in one.keys() | two.keys():
                a, b = one.get(name), two.get(name)
                if a is b and a is not None:
                    env[name] = a
                    continue
                sides = ((left, a), (right, b))
                parts = [(c, v) for side, alts in sides for old, v in alts or () if (c := conj(side, old)) is not None]
                env[name] = merged(parts)
            frame.env = env

    def _loop(self, node: Any, frame: Frame) -> None:
        items = self.value(node.iter, frame)
        if all(isinstance(v, SeqV) and not v.items for _, v in items):
            self.block(node.orelse, frame)
            return
        before, env = frame.cond, dict(frame.env)
        self.assign(node.target, self.elements(items), frame)
        self.block(node.body, frame)
        if frame.cond is None:  # left by return or raise: a loop may also run dry
            frame.env = env
        frame.cond = before
        self.block(node.orelse, frame)

    def _while(self, node: ast.While, frame: Frame) -> None:
        before, env = frame.cond, dict(frame.env)
        self.block(node.body, frame)
        if frame.cond is None:
            frame.env = env
        frame.cond = before

    def _return(self, node: ast.Return, frame: Frame) -> None:
        for cond, value in self.value(node.value, frame):
            both = conj(frame.cond, cond) if frame.cond else None
            if both is not None:
                frame.summary.returns.append((both, value))
        frame.cond = None

    def _stop(self, node: ast.stmt, frame: Frame) -> None:
        frame.cond = None

    def _raise(self, node: ast.Raise, frame: Frame) -> None:
        self.refused(node, frame)
        frame.cond = None

    def _assert(self, node: ast.Assert, frame: Frame) -> None:
        truth = self.truth(node.test, frame)
        if not truth.yes[0] & (frame.cond or truth.yes)[0]:
            frame.platform += truth.platform
            self.refused(node, frame)
            frame.platform -= truth.platform
            frame.cond = None

    def _try(self, node: ast.Try, frame: Frame) -> None:
        caught = bool(node.handlers)
        before, env = frame.cond, dict(frame.env)
        failed = any(self._import_fails(item, frame) for item in node.body)
        if not failed:
            frame.caught += caught
            self.block(node.body, frame)
            frame.caught -= caught
            self.block(node.orelse, frame)
            if frame.cond is None and not any(isinstance(n, ast.Return) for n in ast.walk(node)):
                frame.cond, failed, env = before, True, frame.env
        if failed:
            frame.cond, frame.env = before, env
            for handler in node.handlers:
                names = "" if handler.type is None else ast.unparse(handler.type)
                if any(name in IMPORT_ERRORS or not name for name in names.strip("()").split(", ")):
                    self.block(handler.body, frame)
                    break
        after = frame.cond
        frame.cond = after or before
        self.block(node.finalbody, frame)
        frame.cond = after if frame.cond is not None else None

    def _import_fails(self, node: ast.stmt, frame: Frame) -> bool:
        if isinstance(node, ast.Import):
            return any(self.world.absent(alias.name) for alias in node.names)
        return isinstance(node, ast.ImportFrom) and self.world.absent(absolute(frame.module, node))

    def _with(self, node: Any, frame: Frame) -> None:
        for item in node.items:
            found = self.value(item.context_expr, frame)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, found, frame)
        self.block(node.body, frame)

    def _import(self, node: ast.Import, frame: Frame) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            frame.env[name] = self.dotted(alias.name if alias.asname else name)

    def _import_from(self, node: ast.ImportFrom, frame: Frame) -> None:
        source = absolute(frame.module, node)
        for alias in node.names:
            frame.env[alias.asname or alias.name] = self.dotted(f"{source}.{alias.name}")

    def _define(self, node: Any, frame: Frame) -> None:
        code = Code(f"{frame.code.fqn}.{node.name}", frame.module.name, node, frame.code.cls, self.seen(frame))
        frame.env[node.name] = self.one(FuncV(code))

    def _class(self, node: ast.ClassDef, frame: Frame) -> None:
        frame.env[node.name] = self.one(TENSOR)

    def refused(self, node: Any, frame: Frame) -> None:
        """Overridden by sinks: a ``raise`` or a failing ``assert`` on this path."""
        raise NotImplementedError


def _united(before: Cond, left: Cond, right: Cond) -> Cond:
    """The condition after two branches that both go on: guards that both need, for the devices of either."""
    shared = tuple(g for g in left[1] if g in right[1])
    inverse = [g for g in left[1] if g.inverse() in right[1]]
    kept = before[1] if inverse or not shared else shared
    return left[0] | right[0], kept


_STATEMENTS: dict[type, Any] = {
    ast.Expr: Statements._expression,
    ast.Assign: Statements._assign,
    ast.AnnAssign: Statements._annotated,
    ast.AugAssign: Statements._augmented,
    ast.If: Statements._if,
    ast.For: Statements._loop,
    ast.While: Statements._while,
    ast.Return: Statements._return,
    ast.Raise: Statements._raise,
    ast.Assert: Statements._assert,
    ast.Try: Statements._try,
    ast.With: Statements._with,
    ast.Import: Statements._import,
    ast.ImportFrom: Statements._import_from,
    ast.FunctionDef: Statements._define,
    ast.AsyncFunctionDef: Statements._define,
    ast.ClassDef: Statements._class,
    ast.Break: Statements._stop,
    ast.Continue: Statements._stop,
}
