"""What an assignment changes: names, attributes of instances, entries of dictionaries."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.truths import Truths
from ascend_compat.extract.walk.values import (
    Alts,
    Cond,
    Const,
    DictV,
    Obj,
    SeqV,
    conj,
    merged,
)

#: Attributes by which the body of a registered op finds the layer it was called for.
LAYERS = frozenset({"no_compile_layers", "static_forward_context", "all_moe_layers"})


class Stores(Truths):
    """Assignments."""

    def __init__(self) -> None:
        super().__init__()
        #: The module that an instance is a part of, and the layers that registered ops look up by name.
        self.owners: dict[Obj, Obj] = {}
        self.registered: set[Obj] = set()

    def layer_of(self, made: Obj) -> Obj:
        """The registered layer that an instance is part of, or the instance."""
        seen: list[Obj] = []
        while made not in self.registered and made in self.owners and made not in seen:
            seen.append(made)
            made = self.owners[made]
        return made if made in self.registered or not seen else seen[0]

    def assign(self, target: ast.expr, alts: Alts, frame: Frame) -> None:
        """Bind a target; attributes of instances are kept on the instance."""
        if isinstance(target, ast.Name):
            frame.env[target.id] = alts
        elif isinstance(target, (ast.Tuple, ast.List)):
            for index, item in enumerate(target.elts):
                parts: list[tuple[Cond, Any]] = []
                for cond, value in alts:
                    exact = isinstance(value, SeqV) and index < len(value.items)
                    inner = value.items[index] if exact else self.elements(((cond, value),))
                    parts.extend((both, v) for c, v in inner if (both := conj(cond, c)) is not None)
                self.assign(item.value if isinstance(item, ast.Starred) else item, merged(parts), frame)
        elif isinstance(target, ast.Attribute):
            for cond, owner in self.value(target.value, frame):
                if isinstance(owner, Obj) and not owner.settings and frame.cond is not None:
                    self._store(owner, target.attr, alts, conj(frame.cond, cond), frame.maybe > 0)
        elif isinstance(target, ast.Subscript):
            self._store_item(target, alts, frame)

    def _store(self, owner: Obj, name: str, alts: Alts, cond: Cond | None, maybe: bool) -> None:
        if cond is None:
            return
        new = [(both, v) for c, v in alts if (both := conj(cond, c)) is not None]
        for _, value in new:
            if isinstance(value, Obj) and not value.settings and value is not owner:
                self.owners.setdefault(value, owner)
        old = owner.attrs.get(name, ())
        if maybe:
            kept = list(old)
        elif cond[1]:
            inverse = (cond[0], (cond[1][-1].inverse(),)) if len(cond[1]) == 1 else None
            kept = [(b, v) for c, v in old if (b := conj(c, inverse) if inverse else c) is not None]
            kept += [((c[0] & ~cond[0], c[1]), v) for c, v in old if c[0] & ~cond[0]]
        else:
            kept = [((c[0] & ~cond[0], c[1]), v) for c, v in old if c[0] & ~cond[0]]
        owner.attrs[name] = merged([*new, *kept])

    def _store_item(self, target: ast.Subscript, alts: Alts, frame: Frame) -> None:
        keys = self.value(target.slice, frame)
        if isinstance(target.value, ast.Attribute) and target.value.attr in LAYERS:
            self.registered.update(v for _, v in alts if isinstance(v, Obj))
        if not isinstance(target.value, ast.Name):
            return
        out = []
        for cond, owner in self.value(target.value, frame):
            if isinstance(owner, DictV):
                plain = len(keys) == 1 and isinstance(keys[0][1], Const)
                items = tuple((k, v) for k, v in owner.items if not plain or k != keys[0][1])
                owner = DictV((*items, (keys[0][1], alts)), owner.open) if plain else DictV(owner.items, True)
            out.append((cond, owner))
        if target.value.id not in frame.env:
            self._store_global(target.value.id, out, frame)
        if target.value.id in frame.env:
            frame.env[target.value.id] = merged(out)

    def _store_global(self, name: str, alts: list[tuple[Cond, Any]], frame: Frame) -> None:
        """A module's dictionary, grown by what a function puts into it; the conditions are those of the values."""
        known = self.tables.get((frame.module.name, name), DictV(()))
        for _, value in alts:
            if isinstance(value, DictV) and name in self.space(frame.module) and value.items != known.items:
                self.tables[frame.module.name, name] = value
                self.versions[frame.module.name] = self.versions.get(frame.module.name, 0) + 1
