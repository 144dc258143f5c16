"""Builtins, methods of constants and containers, and methods of the configuration."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.walk.calls import Args, Calls, Words
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.resolve import ROOT, TEXT
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
    Guard,
    ManyV,
    ModV,
    Obj,
    SeqV,
    SuperV,
    Sym,
    combined,
    merged,
    name_text,
    text_of,
)

STRING = frozenset({"lower", "upper", "strip", "startswith", "endswith", "replace", "removeprefix", "removesuffix"})
FOLDED = {"bool": bool, "int": int, "str": str, "len": len, "min": min, "max": max, "abs": abs}
TYPES = {"str": ("str",), "int": ("int", "bool"), "bool": ("bool",), "float": ("float",)}


class Builtins(Calls):
    """Builtin functions and methods."""

    def syntax(self, node: ast.Call, args: Args, frame: Frame) -> Alts | None:
        """``super()``, and methods of containers, which need to know their owner."""
        if isinstance(node.func, ast.Name) and node.func.id == "super" and frame.code.cls:
            first = frame.code.node.args.args if hasattr(frame.code.node, "args") else []
            own = frame.env.get(first[0].arg) if first else None
            cls = frame.code.cls
            if len(node.args) == 2 and isinstance(args[0][0][1], ClassV):
                cls = args[0][0][1].fqn
            return tuple((c, SuperV(cls, v)) for c, v in own or ()) or self.one(NOBODY)
        if not isinstance(node.func, ast.Attribute):
            return None
        method = node.func.attr
        if method in ("append", "extend", "insert", "add", "update", "get", "items", "values", "keys", "pop", "copy") or method in STRING:
            owner = self.value(node.func.value, frame)
            if any(isinstance(v, (DictV, SeqV, ManyV, Const)) for _, v in owner):
                return self._method(owner, method, args, node, frame)
        return None

    def _method(self, owner: Alts, method: str, args: Args, node: ast.Call, frame: Frame) -> Alts | None:
        out: list[Any] = []
        for cond, value in owner:
            if isinstance(value, DictV):
                found = self._of_dict(value, method, args)
            elif isinstance(value, (SeqV, ManyV)):
                found = self._of_sequence(value, method, args, node, frame)
            elif isinstance(value, Const):
                found = self._of_constant(value, method, args)
            else:
                func = self.attribute(value, method, frame, node)
                found = merged(a for c, f in func for a in self.call(f, args, {}, frame, node, c))
            out.extend(((cond[0] & c[0], (*cond[1], *(g for g in c[1] if g not in cond[1]))), v)
                       for c, v in found if cond[0] & c[0])  # fmt: skip
        return merged(out) or self.one(NOBODY)

    def _of_dict(self, table: DictV, method: str, args: Args) -> Alts:
        if method in ("get", "pop"):
            default = args[1] if len(args) > 1 else self.one(NONE)
            if args and isinstance(args[0][0][1], (Const, ClassV, ExtV)) and len(args[0]) == 1:
                key = args[0][0][1]
                for known, alts in table.items:
                    if known == key:
                        return alts  # type: ignore[no-any-return]  # values are alternatives
                return default if not table.open else merged([*default, *self.one(TENSOR)])
            return self._chosen(table, args[0][0][1] if args else NOBODY, default)
        if method == "items":
            rows = tuple(((self.world.full, ()), SeqV((self.one(k), v))) for k, v in table.items)
            return self.one(ManyV(rows))
        if method == "values":
            return self.one(ManyV(tuple(a for _, alts in table.items for a in alts)))
        if method == "keys":
            return self.one(SeqV(tuple(self.one(k) for k, _ in table.items)))
        return self.one(table if method == "copy" else NONE)

    def _chosen(self, table: DictV, key: Any, default: Alts) -> Alts:
        """What a key that config.json holds finds: each value under the keys that lead to it."""
        text = text_of(key) if isinstance(key, Sym) else None
        groups: dict[Alts, list[str]] = {}
        for known, alts in table.items:
            groups.setdefault(alts, []).append(text_of(known) or "?")
        if text is None or any("?" in names for names in groups.values()):
            return merged([*default, *(a for alts in groups for a in alts)])
        out: list[Any] = []
        for alts, names in groups.items():
            guard = Guard(f"{text} in ({', '.join(names)},)", True, CONFIG)
            out.extend(((c[0], (*c[1], guard)), v) for c, v in alts)
        every = Guard(f"{text} in ({', '.join(n for names in groups.values() for n in names)},)", False, CONFIG)
        first = [((c[0], (*c[1], every) if groups else c[1]), v) for c, v in default]
        return merged([*first, *out])

    def _of_sequence(self, value: Any, method: str, args: Args, node: ast.Call, frame: Frame) -> Alts:
        if method in ("append", "extend", "insert", "add", "update") and args:
            new = args[-1] if method in ("append", "insert", "add") else self.elements(args[-1])
            kept = value.items if isinstance(value, ManyV) else tuple(a for item in value.items for a in item)
            made = self.one(ManyV(merged([*kept, *new])))
            assert isinstance(node.func, ast.Attribute)
            if isinstance(node.func.value, (ast.Name, ast.Attribute)):
                self.assign(node.func.value, made, frame)
            return self.one(NONE)
        if method == "pop":
            return self.elements(self.one(value))
        return self.one(value if method == "copy" else TENSOR)

    def _of_constant(self, value: Const, method: str, args: Args) -> Alts:
        given = [a[0][1] for a in args]
        if method in STRING and isinstance(value.value, str) and all(isinstance(g, Const) for g in given):
            try:
                return self.one(Const.of(getattr(value.value, method)(*(g.value for g in given))))
            except (TypeError, AttributeError):
                pass
        return self.one(NOBODY)

    def config_call(self, func: Sym, args: Args, node: ast.AST) -> Alts:
        """Methods of the configuration."""
        owner, _, method = func.text.rpartition(".")
        if method == "get_text_config":
            return self.one(Sym(CONFIG, TEXT if owner == ROOT else owner))
        if method in ("to_dict", "copy"):
            return self.one(Sym(CONFIG, owner))
        if method in ("get", "startswith", "endswith", "lower", "items", "keys", "values") and len(args) <= 2:
            values = [a[0][1] if len(a) == 1 else NOBODY for a in args]
            return self.one(combined([Sym(CONFIG, func.text), *values], lambda t: f"{t[0]}({', '.join(t[1:])})", func.text))
        return self.one(NOBODY)

    def builtin(self, name: str, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """A builtin function."""
        known = getattr(self, f"_b_{name}", None)
        if known is not None and args:
            return known(args, frame, node)  # type: ignore[no-any-return]  # all of them give alternatives
        if name == "dict":
            return self.one(DictV(tuple((Const.of(k), v) for k, v in words.items()))) if not args else args[0]
        if name in ("list", "tuple", "set", "frozenset") and not args:
            return self.one(SeqV(()))
        if name in ("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "next", "cast") and args:
            return self.elements(args[-1]) if name == "next" else args[-1]
        if name in ("print", "setattr", "delattr"):
            return self.one(NONE)
        if name in FOLDED and args:
            return self._folded(name, args)
        return self.one(TENSOR)

    def _folded(self, name: str, args: Args) -> Alts:
        out = []
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
            if isinstance(owner, (Obj, ClassV, ModV)) and isinstance(key, Const):
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
                text = f"isinstance({{}}, ({', '.join(kinds)},))"
                out.append((cond, combined([value], lambda t, s=text: s.format(t[0]), name_text(node)) if kinds else
                            combined([value], lambda t: "", name_text(node)) if not isinstance(value, Sym) or value.kind != CONFIG
                            else NOBODY))  # fmt: skip
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
            items = value.items if isinstance(value, ManyV) else [a for i in value.items for a in i] if isinstance(value, SeqV) else None
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
            out.extend((cond, v) for _, v in self.call(func, [self.elements(a) for a in args[1:]], {}, frame, node, cond))
        return self.one(ManyV(merged(out)))
