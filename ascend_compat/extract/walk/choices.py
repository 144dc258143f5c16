"""Choices of the platform: attention backends, device types, architectures of inner models."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.tree import Module, Resolved
from ascend_compat.extract.walk.binding import Args, Words
from ascend_compat.extract.walk.builtin import Builtins
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.summary import Met
from ascend_compat.extract.walk.values import (
    NOBODY,
    Alts,
    Const,
    FuncV,
    SeqV,
    conj,
    merged,
)


def matches(key: Any, wanted: dict[str, bool | None]) -> bool:
    """Whether a row of the platform's table is for what is asked; what is not known fits either."""
    return all(bool(key.get(name, False)) is value for name, value in wanted.items() if value is not None)


class Choices(Builtins):
    """What the plugin decides by device."""

    def __init__(self) -> None:
        super().__init__()
        self._profiles: dict[str, Alts] = {}

    def by_device(self, answers: list[Any]) -> Alts:
        """One constant for each device."""
        masks: dict[Any, int] = {}
        for index, answer in enumerate(answers):
            masks[Const.of(answer)] = masks.get(Const.of(answer), 0) | 1 << index
        return tuple(((mask, ()), value) for value, mask in masks.items())

    def devices(self, name: str) -> Alts:
        """The device type of the running chip."""
        enum = "AscendDeviceType" if "device" in name else "AscendSocVersion"
        return tuple(((1 << i, ()), Const((enum, soc.lstrip("_")), "enum")) for i, soc in enumerate(self.world.socs))

    def profile(self, func: FuncV) -> Alts | None:
        """What a function gives that asks the tree's table of devices for the running chip; ``None`` for any other."""
        code, known = func.code, self._profiles.get(func.code.fqn)
        module = self.world.trees.module(code.module)
        if known is None and module is not None and isinstance(code.node, ast.FunctionDef):
            table = self.world.guards.hardware.current(Resolved(code.fqn, module, code.node))
            known = self._profiles[code.fqn] = self._made(module, code.node, table) if table else ()
        return known or None

    def _made(self, module: Module, node: ast.FunctionDef, table: dict[str, dict[str, Any]]) -> Alts:
        cls = self.world.trees.resolve(module, ast.unparse(node.returns)) if node.returns is not None else None
        made: list[Any] = []
        for index, soc in enumerate(self.world.socs):
            profile = self.fresh(cls.fqn if cls is not None else "")
            profile.attrs.update({name: self._field_value(value) for name, value in table[soc].items()})
            made.append(((1 << index, ()), profile))
        return tuple(made)

    def _field_value(self, value: Any) -> Alts:
        if isinstance(value, frozenset):
            return self.one(SeqV(tuple(self._field_value(v) for v in sorted(value, key=str))))
        if isinstance(value, tuple):
            return self.one(Const(value, "enum"))
        return self.one(Const.of(value) if value is not None else NOBODY)

    def backend(self, func: FuncV, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """The platform's attention backend for what a layer asks for."""
        names = [a.arg for a in func.code.node.args.args]
        given = dict(zip(names, args, strict=False)) | words
        asked = {key: self.decided(given.get(f"use_{key}", ())) for key in ("mla", "sparse", "compress")}
        at = self.place(frame, node)
        out: list[Any] = []
        for cond, values in self.each(list(asked.values())):
            wanted = {k: bool(v.value) if isinstance(v, Const) else None for k, v in zip(asked, values, strict=True)}
            left = cond[0]
            own = 0  # devices that have a table of their own do not look into the general one
            for row in self.world.backends:
                own |= self.world.mask(row["soc"]) if "soc" in row else 0
            for row in self.world.backends:
                mask = (self.world.mask(row["soc"]) if "soc" in row else self.world.full & ~own) & left
                if not mask or not matches(row.get("key", {}), wanted):
                    continue
                kind = ", ".join(k for k, v in wanted.items() if v) or "plain"
                saved = frame.cond
                frame.cond = conj(saved, cond) if saved is not None else None
                self.meet(Met("backend", kind, at, row["backend"], row["at"]), frame, mask)
                frame.cond = saved
                out.extend(((mask & c[0], (*cond[1], *c[1])), v) for c, v in self.dotted(row["backend"]) if mask & c[0])
                left &= ~mask
                if not left:
                    break
            if left and None not in wanted.values() and self.world.backends:
                kind = ", ".join(k for k, v in wanted.items() if v) or "plain"
                where = self.world.backends[0]["at"]
                saved = frame.cond
                frame.cond = conj(saved, cond) if saved is not None else None
                self.meet(Met("no-backend", kind, at, by_at=where), frame, left)
                frame.cond = saved
        return tuple(out) or self.one(NOBODY)

    def decided(self, alts: Alts) -> Alts:
        """A flag as yes or no, each under what decides it."""
        out: list[Any] = []
        for cond, value in alts or self.one(Const.of(False)):
            truth = self.truth_of(value)
            for side, answer in ((truth.yes, True), (truth.no, False)):
                both = conj(cond, side) if side[0] else None
                if both is not None:
                    out.append((both, Const.of(answer)))
        return merged(out)

    def _nested(self, args: Args, words: Words, frame: Frame, node: ast.AST) -> None:
        """A language model that is made by its architecture."""
        config = next((v.text for _, v in words.get("hf_config", ()) if getattr(v, "kind", "") == "C"), "")
        found = False
        for cond, names in words.get("architectures", ()):
            for _, name in names.items[0] if isinstance(names, SeqV) and names.items else ():
                if isinstance(name, Const) and isinstance(name.value, str):
                    saved = frame.cond
                    frame.cond = (saved[0] & cond[0], (*saved[1], *cond[1])) if saved else None
                    self.meet(Met("model", name.value, self.place(frame, node), note=config), frame)
                    frame.cond = saved
                    found = True
        if not found:
            self.meet(Met("model", "", self.place(frame, node), note=config or "config"), frame)
