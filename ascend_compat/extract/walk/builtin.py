"""Builtins, methods of constants and containers, and methods of the configuration."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ascend_compat.extract.walk.binding import Args, Words
from ascend_compat.extract.walk.containers import Containers
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.values import (
    CONFIG,
    DATA,
    NOBODY,
    NONE,
    TENSOR,
    Alts,
    ClassV,
    Const,
    DictV,
    ExtV,
    FuncV,
    ManyV,
    ModV,
    Obj,
    SeqV,
    Sym,
    combined,
    merged,
    name_text,
    offers,
    text_of,
)

FOLDED: dict[str, Callable[..., Any]] = {
    "bool": bool,
    "int": int,
    "str": str,
    "len": len,
    "min": min,
    "max": max,
    "abs": abs,
}
#: What only a quantization method gives a layer; the walk is of a start without one (``VllmConfig.quant_config``).
SCALE = "weight_scale"
TYPES = {"str": ("str",), "int": ("int", "bool"), "bool": ("bool",), "float": ("float",)}


class Builtins(Containers):
    """Builtin functions and methods."""

    def builtin(self, name: str, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """A builtin function."""
        known = getattr(self, f"_b_{name}", None)
        if known is not None and args:
            return known(args, frame, node)  # type: ignore[no-any-return]  # all of them give alternatives
        if name == "dict":
            return self.one(DictV(tuple((Const.of(k), v) for k, v in words.items()))) if not args else args[0]
        if name in ("list", "tuple", "set", "frozenset") and not args:
            return self.one(SeqV(()))
        if name == "tuple" and (every := _every(args[0], node)) is not None:
            return self.one(every)
        if name in ("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "next", "cast") and args:
            return self.elements(args[-1]) if name == "next" else args[-1]
        if name in ("print", "setattr", "delattr"):
            return self.one(NONE)
        if name in FOLDED and args:
            return self._folded(name, args)
        return self.one(TENSOR)

    def _folded(self, name: str, args: Args) -> Alts:
        out: list[Any] = []
        for cond, values in self.each(args):
            if all(isinstance(v, Const) for v in values):
                try:
                    out.append((cond, Const.of(FOLDED[name](*(v.value for v in values)))))
                    continue
                except (TypeError, ValueError):
                    pass
            if name == "len" and isinstance(values[0], (SeqV, DictV)):
                out.append((cond, Const.of(len(values[0].items))))
            elif name == "bool" and isinstance(values[0], (Obj, FuncV, ClassV)):
                out.append((cond, Const.of(True)))
            else:
                out.append((cond, combined(values, lambda t: f"{name}({', '.join(t)})", name)))
        return merged(out)

    # functions by name -------------------------------------------------------------------------------------------

    def _b_getattr(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        out: list[Any] = []
        for cond, (owner, key) in self.each(args[:2]):
            default = args[2] if len(args) > 2 else None
            if not isinstance(key, Const) or not isinstance(key.value, str):
                out.append((cond, NOBODY if not isinstance(owner, Sym) or owner.kind != DATA else TENSOR))
                continue
            for more, value in self._got(owner, key.value, default, frame, node):
                out.append(((cond[0] & more[0], (*cond[1], *(g for g in more[1] if g not in cond[1]))), value))
        return merged((c, v) for c, v in out if c[0])

    def _got(self, owner: Any, name: str, default: Alts | None, frame: Frame, node: ast.AST) -> Alts:
        if isinstance(owner, Sym) and owner.kind == CONFIG:
            if default is None:
                return self.one(Sym(CONFIG, f"{owner.text}.{name}"))
            out = []
            for cond, value in default:
                text = text_of(value)
                made = Sym(CONFIG, f"getattr({owner.text}, '{name}', {text})") if text is not None else TENSOR
                out.append((cond, made))
            return tuple(out)
        if isinstance(owner, (Obj, ClassV, ModV)):
            there = self.has(owner, name, frame)
            if there is False and default is not None:
                return default
            found = self.attribute(owner, name, frame, node)
            if there is None and default is not None:
                return merged([*found, *default])
            return found
        if default is not None and isinstance(owner, (Const, SeqV, DictV)) and not offers(owner, name):
            return default
        return self.one(owner if isinstance(owner, Sym) and owner.kind == DATA else NOBODY)

    def has(self, owner: Any, name: str, frame: Frame | None) -> bool | None:
        """Whether something has an attribute; ``None`` when classes outside the trees may give it."""
        if isinstance(owner, Obj):
            if name in owner.attrs or (owner.settings and owner.cls.endswith(":ModelConfig")):
                return True
            cls = owner.cls
        elif isinstance(owner, ClassV):
            cls = owner.fqn
        else:
            module = self.world.trees.module(owner.name)
            return module is not None and name in self.space(module)
        if next(self.find_member(cls, name), None) is not None:
            return True
        return None if isinstance(owner, Obj) and owner.settings else False

    def _b_hasattr(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        out: list[Any] = []
        for cond, (owner, key) in self.each(args[:2]):
            if isinstance(key, Const) and str(key.value).endswith(SCALE):
                out.append((cond, Const.of(False)))
            elif isinstance(owner, (Obj, ClassV, ModV)) and isinstance(key, Const):
                there = self.has(owner, str(key.value), frame)
                out.append((cond, TENSOR if there is None else Const.of(there)))
            elif isinstance(owner, ExtV) and isinstance(key, Const):
                out.append((cond, Const.of(False) if owner.name.startswith("torch.ops._") else TENSOR))
            else:
                out.append((cond, combined([owner, key], lambda t: f"hasattr({t[0]}, {t[1]})", name_text(node))))
        return merged(out)

    def _b_isinstance(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        out: list[Any] = []
        for cond, value in args[0]:
            answers = [self._is(value, cls) for _, cls in self.flat_classes(args[1])]
            if True in answers:
                out.append((cond, Const.of(True)))
            elif answers and all(a is False for a in answers):
                out.append((cond, Const.of(False)))
            else:
                kinds = [c.name.removeprefix("builtins.") for _, c in self.flat_classes(args[1]) if isinstance(c, ExtV)]
                known = combined([value], _one_of(kinds), name_text(node))
                decidable = kinds or not isinstance(value, Sym) or value.kind != CONFIG
                out.append((cond, known if decidable else NOBODY))
        return merged(out)

    def flat_classes(self, alts: Alts) -> list[Any]:
        """Classes of the second argument of ``isinstance``."""
        out: list[Any] = []
        for cond, value in alts:
            if isinstance(value, SeqV):
                out.extend(a for item in value.items for a in item)
            elif isinstance(value, ManyV):
                out.extend(value.items)
            else:
                out.append((cond, value))
        return out

    def _is(self, value: Any, cls: Any) -> bool | None:
        if isinstance(value, Obj):
            if isinstance(cls, ClassV):
                return cls.fqn in self.lineage(value.cls)
            if isinstance(cls, ExtV):
                last = cls.name.rpartition(".")[2]
                return any(base.rpartition(".")[2].rpartition(":")[2] == last for base in self.lineage(value.cls))
        if isinstance(value, Const) and isinstance(cls, ExtV):
            return value.kind in TYPES.get(cls.name.removeprefix("builtins."), ())
        if isinstance(value, Const):
            return False
        if isinstance(value, (SeqV, ManyV, DictV)):
            name = cls.name.removeprefix("builtins.") if isinstance(cls, ExtV) else ""
            if name in ("list", "tuple", "dict", "Mapping", "Sequence"):
                return (name == "dict") == isinstance(value, DictV)
            return False
        if isinstance(value, (ClassV, FuncV)):
            return isinstance(cls, ExtV) and cls.name == "builtins.type" and isinstance(value, ClassV)
        return None

    def _b_issubclass(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        out: list[Any] = []
        for cond, value in args[0]:
            others = [c for _, c in self.flat_classes(args[1])] if len(args) > 1 else []
            if isinstance(value, ClassV) and all(isinstance(c, (ClassV, ExtV)) for c in others):
                names = self.lineage(value.fqn)
                hit = any((c.fqn if isinstance(c, ClassV) else c.name) in names for c in others)
                out.append((cond, Const.of(hit)))
            else:
                out.append((cond, NOBODY))
        return merged(out)

    def _b_type(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        return tuple((c, ClassV(v.cls) if isinstance(v, Obj) else NOBODY) for c, v in args[0])

    def _b_all(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        return self._quantified(args[0], "and")

    def _b_any(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        return self._quantified(args[0], "or")

    def _quantified(self, alts: Alts, word: str) -> Alts:
        """``all`` and ``any`` of items that are known one by one."""
        out: list[Any] = []
        for cond, value in alts:
            items = (
                value.items
                if isinstance(value, ManyV)
                else [a for i in value.items for a in i]
                if isinstance(value, SeqV)
                else None
            )
            if items is None or any(c[1] for c, _ in items):
                out.append((cond, TENSOR))
            elif all(isinstance(v, Const) for _, v in items):
                truths = [bool(v.value) for _, v in items]
                out.append((cond, Const.of(all(truths) if word == "and" else any(truths))))
            else:
                out.append((cond, combined([v for _, v in items], lambda t: "(" + f" {word} ".join(t) + ")", word)))
        return merged(out)

    def _b_range(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        return self.one(ManyV(self.one(TENSOR)))

    def _b_enumerate(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        return self.one(ManyV(self.one(SeqV((self.one(TENSOR), self.elements(args[0]))))))

    def _b_zip(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        return self.one(ManyV(self.one(SeqV(tuple(self.elements(a) for a in args)))))

    def _b_map(self, args: Args, frame: Frame, node: ast.AST) -> Alts:
        out: list[Any] = []
        for cond, func in args[0]:
            out.extend(
                (cond, v) for _, v in self.call(func, [self.elements(a) for a in args[1:]], {}, frame, node, cond)
            )
        return self.one(ManyV(merged(out)))


def _one_of(kinds: list[str]) -> Callable[[list[str]], str]:
    """The text of ``isinstance`` for these types."""
    return lambda texts: f"isinstance({texts[0]}, ({', '.join(kinds)},))"


def _every(alts: Alts, node: ast.AST) -> Sym | None:
    """A tuple of what a comprehension makes of each element of something that config.json holds."""
    made = alts[0][1] if len(alts) == 1 else None
    given = node.args[0] if isinstance(node, ast.Call) and node.args else None
    plain = isinstance(given, (ast.ListComp, ast.GeneratorExp)) and not any(g.ifs for g in given.generators)
    if not plain or not isinstance(made, ManyV) or len(made.items) != 1 or made.items[0][0][1]:
        return None
    text = text_of(made.items[0][1]) or ""
    return Sym(CONFIG, f"every({text})") if text.count("each(") == 1 else None
