"""Parameters of a function and what a call gives for them."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.statements import nodes
from ascend_compat.extract.walk.recording import Recording
from ascend_compat.extract.walk.values import (
    NOBODY,
    TENSOR,
    UNKNOWN,
    Alts,
    Const,
    DictV,
    FuncV,
    SeqV,
    Sym,
    merged,
    name_text,
)

#: Parameters that never decide anything.
IDLE = frozenset({"prefix", "layer_name"})
NUMBERS = frozenset({"int", "float", "Tensor", "torch.Tensor"})
Args = list[Alts]
Words = dict[str, Alts]
#: Where a module's tree keeps the names that are compared with constants.
COMPARED = "compared"
#: Keyword arguments that a call may give besides those it names.
REST = "**"


def _annotation(param: ast.arg) -> str:
    if param.annotation is None:
        return ""
    text = name_text(param.annotation).strip("'\"")
    return text.removesuffix(" | None").removeprefix("Optional[").removesuffix("]")


def compared(module: Any) -> frozenset[str]:
    """Names and attributes of a module that are compared with a constant somewhere in it; kept with its tree."""
    known: frozenset[str] | None = module.tree.__dict__.get(COMPARED)
    if known is None:
        found: set[str] = set()
        for node in nodes(module.tree):
            if isinstance(node, ast.Compare) and any(isinstance(c, ast.Constant) for c in node.comparators):
                found.add(node.left.attr if isinstance(node.left, ast.Attribute) else getattr(node.left, "id", ""))
        known = module.tree.__dict__[COMPARED] = frozenset(found)
    return known


class Binding(Recording):
    """Binds arguments."""

    def bind(self, func: FuncV, args: Args, words: Words, module: Any) -> dict[str, Alts]:
        """Parameters and what the call gives for them."""
        spec = func.code.node.args
        env: dict[str, Alts] = {}
        names = [*spec.posonlyargs, *spec.args]
        defaults = [None] * (len(names) - len(spec.defaults)) + list(spec.defaults)
        given = list(args)
        if func.bound is not None:
            given.insert(0, self.one(func.bound))
        for index, (param, default) in enumerate(zip(names, defaults, strict=True)):
            if index < len(given):
                env[param.arg] = self.coarse(given[index], param, module=module)
            elif param.arg in words:
                env[param.arg] = self.coarse(words[param.arg], param, module=module)
            else:
                env[param.arg] = self.missing(param, default, module)
                if REST in words and default is not None:
                    env[param.arg] = merged([*env[param.arg], *self.one(TENSOR)])
        for param, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            given_here = param.arg in words
            env[param.arg] = (
                self.coarse(words[param.arg], param) if given_here else self.missing(param, default, module)
            )
            if REST in words and default is not None and not given_here:
                env[param.arg] = merged([*env[param.arg], *self.one(TENSOR)])
        if spec.vararg is not None:
            rest = given[len(names) :]
            env[spec.vararg.arg] = self.one(SeqV(tuple(self.coarse(a, None) for a in rest)))
        if spec.kwarg is not None:
            known = {p.arg for p in (*names, *spec.kwonlyargs)}
            rest_words = sorted((k, self.coarse(v, None, k)) for k, v in words.items() if k not in known | {REST})
            env[spec.kwarg.arg] = self.one(DictV(tuple((Const.of(k), v) for k, v in rest_words), REST in words))
        return env

    def missing(self, param: ast.arg, default: ast.expr | None, module: Any) -> Alts:
        """A parameter that the call leaves out."""
        if default is not None:
            return self.coarse(self.value(default, self.module_frame(module)), param)
        return self.annotated(param.annotation, module)

    def coarse(self, alts: Alts, param: ast.arg | None, name: str = "", module: Any = None) -> Alts:
        """A value without what decides nothing, so that calls which differ in sizes are one.

        A number that ``module`` compares with a constant does decide.
        """
        name = param.arg if param is not None else name
        if name in IDLE:
            return self.one(TENSOR)
        plain = param is not None and _annotation(param) in NUMBERS and not (module and name in compared(module))
        out = []
        for cond, value in alts:
            if isinstance(value, Sym):
                if value.kind == UNKNOWN:
                    value = NOBODY
                elif plain:
                    value = TENSOR
            elif plain and isinstance(value, Const) and value.kind in ("float",):
                value = TENSOR
            out.append((cond, value))
        if plain and all(v == TENSOR or (isinstance(v, Const) and v.kind in ("int", "float")) for _, v in out):
            return self.one(out[0][1]) if len(out) == 1 else self.one(TENSOR)
        return merged(out)
