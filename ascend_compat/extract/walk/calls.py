"""Calls of the walk: functions are read once for each set of values they are given, instances once for their class."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.walk.binding import REST, Args, Binding, Words
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.summary import Summary
from ascend_compat.extract.walk.values import (
    CONFIG,
    DATA,
    NOBODY,
    TENSOR,
    Alts,
    ClassV,
    Code,
    Cond,
    Const,
    DictV,
    ExtV,
    FuncV,
    ManyV,
    Obj,
    SeqV,
    Sym,
    conj,
    merged,
)

DEPTH = 70
LAYER = "$layer"


class Calls(Binding):
    """Calls functions and makes instances."""

    def __init__(self) -> None:
        super().__init__()
        self._summaries: dict[Any, Summary] = {}
        self._objects: dict[Any, Obj] = {}
        self._depth = 0

    def native(self, name: str, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts | None:
        """Overridden by natives: a call of something outside the trees."""
        raise NotImplementedError

    def native_function(self, func: FuncV, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts | None:
        """Overridden by natives: functions of the trees whose meaning the walk knows."""
        raise NotImplementedError

    def made(self, cls: str, frame: Frame, node: ast.AST) -> list[tuple[int, str]]:
        """Overridden by natives: classes that are made where one is named, by device."""
        raise NotImplementedError

    # recording ---------------------------------------------------------------------------------------------------

    # expressions -------------------------------------------------------------------------------------------------

    def call_expression(self, node: ast.Call, frame: Frame) -> Alts:
        """A call as it is written."""
        args: Args = []
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                for _, value in self.value(arg.value, frame):
                    args.extend(value.items if isinstance(value, SeqV) else ())
            else:
                args.append(self.value(arg, frame))
        words: Words = {}
        for word in node.keywords:
            if word.arg is not None:
                words[word.arg] = self.value(word.value, frame)
                continue
            for _, value in self.value(word.value, frame):
                if isinstance(value, DictV):
                    words.update({str(k.value): v for k, v in value.items if isinstance(k, Const)})
                    if value.open:
                        words[REST] = self.one(TENSOR)
        special = self.syntax(node, args, frame)
        if special is not None:
            return special
        out: list[tuple[Cond, Any]] = []
        saved = frame.cond
        for cond, func in self.value(node.func, frame):
            under = conj(saved, cond) if saved is not None else None
            if under is None:
                continue
            frame.cond = under
            found = self.call(func, args, words, frame, node)
            out.extend((both, v) for c, v in found if (both := conj(cond, c)) is not None)
        frame.cond = saved
        return merged(out) or self.one(NOBODY)

    def syntax(self, node: ast.Call, args: Args, frame: Frame) -> Alts | None:
        """Overridden by natives: calls that need the frame (``super()``)."""
        raise NotImplementedError

    def call(self, func: Any, args: Args, keywords: Words, frame: Frame, node: ast.AST, under: Any = None) -> Alts:
        """The result of calling one value."""
        if isinstance(func, FuncV):
            return self.function(func, args, keywords, frame, node)
        if isinstance(func, ClassV):
            return self.instance(func, args, keywords, frame, node)
        if isinstance(func, Obj):
            return self.invoke(func, args, keywords, frame, node)
        if isinstance(func, ExtV):
            found = self.native(func.name, args, keywords, frame, node)
            return found if found is not None else self.one(TENSOR)
        if isinstance(func, Sym) and func.kind == CONFIG:
            return self.config_call(func, args, node)
        if isinstance(func, Sym) and func.kind == DATA:
            return self.passed(args)
        known = self.passed(args)
        return known if known != self.one(TENSOR) else self.one(NOBODY)

    def passed(self, args: Args) -> Alts:
        """What an unknown wrapper gives: the module that it is given, else data."""
        for arg in args:
            for _, value in arg:
                if isinstance(value, (Obj, FuncV)) and not (isinstance(value, Obj) and value.settings):
                    return arg
                if isinstance(value, ManyV) and any(isinstance(v, Obj) for _, v in value.items):
                    return arg
        return self.one(TENSOR)

    def config_call(self, func: Sym, args: Args, node: ast.AST) -> Alts:
        """Overridden by natives: methods of the configuration."""
        raise NotImplementedError

    def invoke(self, owner: Obj, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """An instance that is called: ``__call__`` of the trees, else ``forward``."""
        for name in ("__call__", "forward"):
            found = self.attribute(owner, name, frame, node)
            if any(isinstance(v, FuncV) for _, v in found):
                out: list[tuple[Cond, Any]] = []
                saved = frame.cond
                for cond, value in found:
                    frame.cond = conj(saved, cond) if saved is not None else None
                    if isinstance(value, FuncV) and frame.cond is not None:
                        made = self.function(value, args, words, frame, node)
                        out.extend((both, v) for c, v in made if (both := conj(cond, c)) is not None)
                frame.cond = saved
                return merged(out)
        if "items" in owner.attrs:  # a Sequential
            for cond, value in self.elements(owner.attrs["items"]):
                saved, frame.cond = frame.cond, conj(frame.cond, cond) if frame.cond is not None else None
                if frame.cond is not None and isinstance(value, (Obj, FuncV)):
                    self.call(value, args, words, frame, node)
                frame.cond = saved
        return self.one(TENSOR)

    # functions ---------------------------------------------------------------------------------------------------

    def function(self, func: FuncV, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """Call a function of the trees."""
        words = {**dict(func.given), **words} if func.given else words
        code = func.code
        if self.is_kernel(code):
            self.kernel(code, frame, node)
            return self.one(TENSOR)
        special = self.native_function(func, args, words, frame, node)
        if special is not None:
            return special
        if isinstance(code.node, ast.ClassDef):
            return self.one(TENSOR)
        module = self.world.trees.module(code.module)
        if module is None or self._depth > DEPTH:
            return self.one(NOBODY)
        layer = frame.env.get(LAYER, ())
        env = self.bind(func, args, words, module)
        if layer and func.bound is None:
            env[LAYER] = layer
        summary = self.read(code, func.bound, env, module)
        full = (self.world.full, ())
        self.follow(summary, full, frame, node)
        if not summary.done or summary.result is None:
            return self.one(NOBODY)
        return summary.result

    def read(self, code: Code, bound: Any, env: dict[str, Alts], module: Any) -> Summary:
        """The summary of a function for these values; read once."""
        key = (code, bound, tuple(sorted(env.items(), key=lambda i: i[0])), self.versions.get(code.module))
        known = self._summaries.get(key)
        if known is not None:
            return known
        summary = Summary(code.fqn, module.at(code.node))
        self._summaries[key] = summary
        inner = Frame(
            module, dict(env), (self.world.full, ()), code, summary, bound if isinstance(bound, Obj) else None
        )
        self._depth += 1
        if isinstance(code.node, ast.Lambda):
            summary.result = self.value(code.node.body, inner)
        else:
            inner.globals_ = {n for s in code.node.body if isinstance(s, ast.Global) for n in s.names}
            self.block(code.node.body, inner)
            summary.result = merged(summary.returns) or self.one(Const.of(None))
        self._depth -= 1
        summary.done = True
        return summary

    # instances ---------------------------------------------------------------------------------------------------

    def instance(self, cls: ClassV, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """Make an instance, of the class that the plugin puts in place of this one."""
        if self.inherits(cls.fqn, "Exception", "BaseException", "ValueError", "RuntimeError"):
            return self.one(TENSOR)
        if self.inherits(cls.fqn, "Enum", "IntEnum", "Flag", "TypedDict"):
            return self.one(NOBODY)
        out: list[tuple[Cond, Any]] = []
        saved = frame.cond
        for mask, fqn in self.made(cls.fqn, frame, node):
            frame.cond = conj(saved, (mask, ())) if saved is not None else None
            if frame.cond is not None:
                out.append(((mask, ()), self.object(fqn, args, words, frame, node)))
        frame.cond = saved
        return merged(out) or self.one(NOBODY)

    def object(self, fqn: str, args: Args, words: Words, frame: Frame, node: ast.AST) -> Obj:
        """The instance of a class made with these values; its ``__init__`` is read once."""
        inits = [(m, c, d) for m, c, d in self.find_member(fqn, "__init__")]
        funcs: list[tuple[int, FuncV]] = []
        for mask, home, definition in inits:
            funcs.extend((mask & c[0], v) for c, v in self._held(None, home, "__init__", definition, frame, node)
                         if isinstance(v, FuncV) and mask & c[0])  # fmt: skip
        binds = []
        for mask, func in funcs:
            module = self.world.trees.module(func.code.module)
            if module is None:
                continue
            env = self.bind(FuncV(func.code, NOBODY, func.given), args, words, module)
            env.pop(func.code.node.args.args[0].arg, None) if func.code.node.args.args else None
            binds.append((mask, func, module, env))
        given = tuple(sorted((k, self.coarse(v, None, k)) for k, v in words.items())) if not binds else ()
        key = (fqn, given, tuple((m, f.code, tuple(sorted(e.items(), key=lambda i: i[0]))) for m, f, _, e in binds))
        known = self._objects.get(key)
        fresh = known is None
        if known is None:
            known = self._objects[key] = self.fresh(fqn)
            if not binds:
                self._given(known, args, words)
        for mask, func, module, env in binds:
            if self._depth <= DEPTH:
                first = func.code.node.args.args[0].arg
                summary = self.read(func.code, known, {first: self.one(known), **env}, module)
                self.follow(summary, (mask, ()), frame, node)
        if fresh:
            self.born(known, frame, node)
        return known

    def born(self, made: Obj, frame: Frame, node: ast.AST) -> None:
        """Overridden by natives: an instance is complete."""

    def _given(self, made: Obj, args: Args, words: Words) -> None:
        """Fields of a class without ``__init__``: a dataclass."""
        names = [n for cls in reversed(self.lineage(made.cls)) for n, d in self.members(cls).items()
                 if isinstance(d, ast.AnnAssign)]  # fmt: skip
        for name, value in [*zip(names, args, strict=False), *words.items()]:
            if name in names:
                made.attrs[name] = self.coarse(value, None, name)
