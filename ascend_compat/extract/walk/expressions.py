"""Expressions of the walk: what they evaluate to, as alternatives under conditions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.operations import Operations
from ascend_compat.extract.walk.values import (
    CONFIG,
    DATA,
    NOBODY,
    NONE,
    TENSOR,
    UNKNOWN,
    Alts,
    ClassV,
    Code,
    Cond,
    Const,
    DictV,
    ExtV,
    FuncV,
    Guard,
    ManyV,
    Obj,
    SeqV,
    Sym,
    combined,
    conj,
    each,
    merged,
    name_text,
    plain_tuple,
    text_of,
)


class Expressions(Operations):
    """Evaluation of expressions; tests and calls are the interpreter's."""

    def value(self, node: ast.expr | None, frame: Frame) -> Alts:
        """The alternatives of an expression."""
        if node is None:
            return self.one(Const.of(None))
        evaluate = _EXPRESSIONS.get(type(node))
        return evaluate(self, node, frame) if evaluate else self.one(TENSOR)

    def _constant(self, node: ast.Constant, frame: Frame) -> Alts:
        return self.one(Const.of(node.value))

    def _name(self, node: ast.Name, frame: Frame) -> Alts:
        found = frame.env.get(node.id)
        if found is not None:
            return found
        if node.id in frame.globals_:
            lazy = self.initial(frame.module, node.id)
            if lazy is not None:
                return lazy
        closure = frame.code.closure
        if closure is not None and node.id in closure:
            return closure[node.id]  # type: ignore[no-any-return]  # closures hold alternatives
        named = self.named(frame.module, node.id)
        return named if named is not None else self.one(ExtV(f"builtins.{node.id}"))

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Alts:
        out: list[tuple[Cond, Any]] = []
        owners = self.value(node.value, frame)
        # Where something may be None, the code that takes an attribute of it runs only where it is not.
        some = [a for a in owners if a[1] != NONE] if len(owners) > 1 else owners
        for cond, owner in some or owners:
            for more, value in self.attribute(owner, node.attr, frame, node):
                both = conj(cond, more)
                if both is not None:
                    out.append((both, value))
        return merged(out)

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Alts:
        if isinstance(node.slice, ast.Slice):
            owner = self.value(node.value, frame)
            return merged((c, TENSOR if isinstance(v, Sym) and v.kind == DATA else ManyV(((c, NOBODY),))
                           if not isinstance(v, (SeqV, ManyV)) else v) for c, v in owner)  # fmt: skip
        out: list[tuple[Cond, Any]] = []
        for cond, (owner, key) in self.each([self.value(node.value, frame), self.value(node.slice, frame)]):
            for more, value in self.item(owner, key, node, frame):
                both = conj(cond, more)
                if both is not None:
                    out.append((both, value))
        return merged(out)

    def item(self, owner: Any, key: Any, node: ast.expr, frame: Frame) -> Alts:
        """``owner[key]``."""
        if isinstance(owner, Obj) and "factories" in owner.attrs:
            table = owner.attrs["factories"][0][1]
            made: list[tuple[Cond, Any]] = []
            for cond, factory in self.item(table, key, node, frame):
                made.extend(
                    (both, v) for c, v in self.call(factory, [], {}, frame, node, cond) if (both := conj(c, cond))
                )
            return merged(made)
        if isinstance(owner, DictV):
            return self._looked_up(owner, key)
        if isinstance(owner, SeqV):
            if isinstance(key, Const) and key.kind == "int" and -len(owner.items) <= key.value < len(owner.items):
                return owner.items[key.value]  # type: ignore[no-any-return]  # items are alternatives
            return merged(alt for item in owner.items for alt in item)
        if isinstance(owner, ManyV):
            return owner.items
        if isinstance(owner, Sym) and owner.kind == CONFIG:
            if isinstance(key, Sym) and key.kind != CONFIG:
                return self.one(each(owner))
            return self.one(combined([owner, key], lambda t: f"{t[0]}[{t[1]}]", name_text(node)))
        if isinstance(owner, (FuncV, ClassV)):
            return self.one(owner)
        if isinstance(owner, Obj):
            found = self.attribute(owner, "__getitem__", frame, node)
            if any(isinstance(v, FuncV) for _, v in found):
                return merged(alt for c, v in found if isinstance(v, FuncV)
                              for alt in self.call(v, [self.one(key)], {}, frame, node, c))  # fmt: skip
            return self.one(TENSOR)
        return self.one(TENSOR if isinstance(owner, Sym) and owner.kind == DATA else NOBODY)

    def _looked_up(self, table: DictV, key: Any) -> Alts:
        if isinstance(key, (Const, ClassV, ExtV)):
            for known, alts in table.items:
                if known == key:
                    return alts  # type: ignore[no-any-return]  # values are alternatives
            return self.one(TENSOR if table.open else NOBODY)
        text = text_of(key) if isinstance(key, Sym) else None
        out: list[tuple[Cond, Any]] = []
        for known, alts in table.items:
            right = text_of(known)
            guard = Guard(f"{text or 'a key'} == {right or '?'}", True, CONFIG if text and right else UNKNOWN)
            out.extend((both, v) for c, v in alts if (both := conj(c, (self.world.full, (guard,)))) is not None)
        return merged(out) or self.one(NOBODY)

    # operations --------------------------------------------------------------------------------------------------

    # displays ----------------------------------------------------------------------------------------------------

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Alts:
        if any(isinstance(item, ast.Starred) for item in node.elts) or len(node.elts) > 64:
            parts = [i.value if isinstance(i, ast.Starred) else i for i in node.elts[:64]]
            return self.one(ManyV(merged(a for p in parts for a in self.elements(self.value(p, frame)))))
        return self.one(SeqV(tuple(self.value(item, frame) for item in node.elts)))

    def _dict(self, node: ast.Dict, frame: Frame) -> Alts:
        items: list[tuple[Any, Any]] = []
        more = False
        for key, value in zip(node.keys, node.values, strict=True):
            known = self.value(key, frame) if key is not None else ()
            if len(known) == 1 and (isinstance(known[0][1], (ClassV, ExtV, Const)) or plain_tuple(known[0][1])):
                items.append((known[0][1], self.value(value, frame)))
            elif key is None:
                for _, inner in self.value(value, frame):
                    items.extend(inner.items if isinstance(inner, DictV) else ())
                    more = more or not isinstance(inner, DictV)
            else:
                self.value(value, frame)
                more = True
        return self.one(DictV(tuple(items), more))

    def _comprehension(self, node: Any, frame: Frame) -> Alts:
        saved, cond = dict(frame.env), frame.cond
        alive = True
        for loop in node.generators:
            self.assign(loop.target, self.elements(self.value(loop.iter, frame)), frame)
            for test in loop.ifs:
                truth = self.truth(test, frame)
                alive = alive and bool(truth.yes[0])
                frame.cond = conj(frame.cond, truth.yes) if frame.cond and alive else frame.cond
        made: Alts = ()
        if alive and isinstance(node, ast.DictComp):
            made = self.value(node.value, frame)
        elif alive:
            made = self.value(node.elt, frame)
        frame.env, frame.cond = saved, cond
        return self.one(DictV((), True) if isinstance(node, ast.DictComp) else ManyV(made))

    def elements(self, alts: Alts) -> Alts:
        """What iterating gives."""
        out: list[tuple[Cond, Any]] = []
        for cond, value in alts:
            if isinstance(value, SeqV):
                inner: Any = [a for item in value.items for a in item]
            elif isinstance(value, ManyV):
                inner = value.items
            elif isinstance(value, DictV):
                inner = [((self.world.full, ()), key) for key, _ in value.items]
                inner += self.one(TENSOR) if value.open else ()
            elif isinstance(value, Sym) and value.kind == CONFIG:
                inner = self.one(each(value))
            elif isinstance(value, Obj) and "items" in value.attrs:
                inner = self.elements(value.attrs["items"])
            else:
                inner = self.one(TENSOR)
            out.extend((both, v) for c, v in inner if (both := conj(cond, c)) is not None)
        return merged(out) or self.one(TENSOR)

    def _conditional(self, node: ast.IfExp, frame: Frame) -> Alts:
        truth = self.truth(node.test, frame)
        out: list[tuple[Cond, Any]] = []
        saved = frame.cond
        for part, side in ((node.body, truth.yes), (node.orelse, truth.no)):
            under = conj(saved, side) if side[0] and saved else None
            if under is not None:
                frame.cond = under
                out.extend((both, v) for c, v in self.value(part, frame) if (both := conj(c, side)) is not None)
        frame.cond = saved
        return merged(out)

    def _either(self, node: ast.BoolOp, frame: Frame) -> Alts:
        """``a or b``: the first true one, ``a and b``: the first false one, else the last."""
        if all(isinstance(v, (ast.Compare, ast.UnaryOp)) for v in node.values):
            return self.as_value(node, frame)
        out: list[tuple[Cond, Any]] = []
        rest: Cond | None = (self.world.full, ())
        for index, part in enumerate(node.values):
            for cond, value in self.value(part, frame):
                both = conj(rest, cond) if rest else None
                if both is None:
                    continue
                truth = self.truth_of(value)
                stop = truth.yes if isinstance(node.op, ast.Or) else truth.no
                kept = both if index == len(node.values) - 1 else conj(both, stop) if stop[0] else None
                if kept is not None:
                    out.append((kept, value))
            truth = self.truth(part, frame)
            on = truth.no if isinstance(node.op, ast.Or) else truth.yes
            rest = conj(rest, on) if rest and on[0] else None
            if rest is None and isinstance(node.op, ast.And):
                return self.one(Const.of(False))  # whatever stood before it: one part never holds
        return merged(out) or self.one(NOBODY)

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Alts:
        code = Code(f"{frame.code.fqn}.<lambda>", frame.module.name, node, frame.code.cls, self.seen(frame))
        return self.one(FuncV(code))

    def seen(self, frame: Frame) -> dict[str, Alts]:
        """Names that a function defined here sees: those of the function and of what is around it."""
        return {**(frame.code.closure or {}), **frame.env}

    def _walrus(self, node: ast.NamedExpr, frame: Frame) -> Alts:
        found = self.value(node.value, frame)
        self.assign(node.target, found, frame)
        return found

    def _inside(self, node: Any, frame: Frame) -> Alts:
        return self.value(node.value, frame)

    def _called(self, node: ast.Call, frame: Frame) -> Alts:
        return self.call_expression(node, frame)

    def _text(self, node: ast.JoinedStr, frame: Frame) -> Alts:
        return self.one(TENSOR)

    def assign(self, target: ast.expr, alts: Alts, frame: Frame) -> None:
        """Overridden by statements."""
        raise NotImplementedError

    def call_expression(self, node: ast.Call, frame: Frame) -> Alts:
        """Overridden by calls."""
        raise NotImplementedError


_EXPRESSIONS: dict[type, Callable[[Any, Any, Frame], Alts]] = {
    ast.Constant: Expressions._constant,
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute,
    ast.Subscript: Expressions._subscript,
    ast.BinOp: Expressions._operation,
    ast.UnaryOp: Expressions._unary,
    ast.Compare: Expressions.as_value,
    ast.BoolOp: Expressions._either,
    ast.List: Expressions._sequence,
    ast.Tuple: Expressions._sequence,
    ast.Set: Expressions._sequence,
    ast.Dict: Expressions._dict,
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
    ast.IfExp: Expressions._conditional,
    ast.Lambda: Expressions._lambda,
    ast.NamedExpr: Expressions._walrus,
    ast.Await: Expressions._inside,
    ast.Starred: Expressions._inside,
    ast.Call: Expressions._called,
    ast.JoinedStr: Expressions._text,
}
