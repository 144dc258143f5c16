"""Methods of containers, constants and the configuration."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ascend_compat.extract.walk.binding import Args
from ascend_compat.extract.walk.calls import Calls
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.settings import ROOT, TEXT
from ascend_compat.extract.walk.values import (
    CONFIG,
    NOBODY,
    NONE,
    TENSOR,
    UNKNOWN,
    Alts,
    ClassV,
    Cond,
    Const,
    DictV,
    ExtV,
    Guard,
    ManyV,
    SeqV,
    SuperV,
    Sym,
    combined,
    conj,
    merged,
    plain_tuple,
    text_of,
)

STRING = frozenset({"lower", "upper", "strip", "startswith", "endswith", "replace", "removeprefix", "removesuffix"})
METHODS = STRING | {"append", "extend", "insert", "add", "update", "get", "items", "values", "keys", "pop", "copy"}
#: Classes in a table that are told apart by a key of config.json; of more, heirs of the default, it is taken itself.
FEW = 4


class Containers(Calls):
    """Calls that need to know their owner."""

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
        if (
            method in ("append", "extend", "insert", "add", "update", "get", "items", "values", "keys", "pop", "copy")
            or method in STRING
        ):
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
            keys = args[0] if args else self.one(NOBODY)
            return merged((both, v) for cond, key in self._spread(keys)
                          for c, v in self._got_from(table, key, default)
                          if (both := conj(cond, c)) is not None)  # fmt: skip
        if method == "items":
            rows = tuple(((self.world.full, ()), SeqV((self.one(k), v))) for k, v in table.items)
            return self.one(ManyV(rows))
        if method == "values":
            return self.one(ManyV(tuple(a for _, alts in table.items for a in alts)))
        if method == "keys":
            return self.one(SeqV(tuple(self.one(k) for k, _ in table.items)))
        return self.one(table if method == "copy" else NONE)

    def _spread(self, keys: Alts) -> Alts:
        """A tuple of alternatives as alternative tuples."""
        out: list[tuple[Cond, Any]] = []
        for cond, key in keys:
            if not isinstance(key, SeqV):
                out.append((cond, key))
                continue
            for under, values in self.each(list(key.items)):
                both = conj(cond, under)
                if both is not None:
                    out.append((both, SeqV(tuple(self.one(v) for v in values))))
        return merged(out)

    def _got_from(self, table: DictV, key: Any, default: Alts) -> Alts:
        if not isinstance(key, (Const, ClassV, ExtV)) and not plain_tuple(key):
            return self._chosen(table, key, default)
        for known, alts in table.items:
            if known == key:
                return alts  # type: ignore[no-any-return]  # values are alternatives
        return default if not table.open else merged([*default, *self.one(TENSOR)])

    def _chosen(self, table: DictV, key: Any, default: Alts) -> Alts:
        """What a key that config.json holds finds: each value under the keys that lead to it."""
        text = text_of(key) if isinstance(key, (Sym, SeqV)) else None
        groups: dict[Alts, list[str]] = {}
        for known, alts in table.items:
            groups.setdefault(alts, []).append(text_of(known) or "?")
        if text is None or any("?" in names for names in groups.values()):
            return merged([*default, *self._undecided(groups)])
        if len(groups) > FEW and all(self._heirs(alts, default) for alts in groups):
            return default
        out: list[Any] = []
        for alts, names in groups.items():
            guard = Guard(f"{text} in ({', '.join(names)},)", True, CONFIG)
            out.extend(((c[0], (*c[1], guard)), v) for c, v in alts)
        every = Guard(f"{text} in ({', '.join(n for names in groups.values() for n in names)},)", False, CONFIG)
        first = [((c[0], (*c[1], every) if groups else c[1]), v) for c, v in default]
        return merged([*first, *out])

    def _undecided(self, groups: Mapping[Alts, list[str]]) -> list[tuple[Cond, Any]]:
        """Values of a table whose key is known at run time only: of several, none is certain to be the one."""
        if len(groups) == 1:
            return [a for alts in groups for a in alts]
        return [
            ((c[0], (*c[1], Guard(f"the key at run time in ({', '.join(names)},)", True, UNKNOWN))), v)
            for alts, names in groups.items()
            for c, v in alts
        ]

    def _heirs(self, alts: Alts, default: Alts) -> bool:
        """Whether the values are classes that derive from the one class that is the default."""
        base = default[0][1] if len(default) == 1 else None
        return isinstance(base, ClassV) and all(isinstance(v, ClassV) and base.fqn in self.lineage(v.fqn)
                                                for _, v in alts)  # fmt: skip

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
        if method in ("get", "startswith", "endswith", "lower", "items", "keys", "values", "split") and len(args) <= 2:
            values = [a[0][1] if len(a) == 1 else NOBODY for a in args]
            return self.one(
                combined([Sym(CONFIG, func.text), *values], lambda t: f"{t[0]}({', '.join(t[1:])})", func.text)
            )
        # What a method of a configuration class computes is in nobody's config.json, but it is the configuration's.
        return self.one(Sym(CONFIG, f"{func.text}()"))
