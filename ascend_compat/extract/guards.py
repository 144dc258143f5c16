"""Conditions of a source tree, decided per SoC where the tree itself decides them: device types, vllm versions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from ascend_compat.extract.hardware import Hardware
from ascend_compat.extract.tree import Module, NotConstant, Resolved, Trees
from ascend_compat.extract.versions import extract_versions

HOME = "vllm_ascend.utils"
#: Predicates that are decided by their name: old releases compute them from a build-time string.
NAMED = {"is_310p": "310P"}
OLD_CHIP = "310P"
#: Every device but the old chip, in a tree that does not enumerate devices.
OTHER = ""
#: Functions without arguments whose result is the device type of the running chip.
DEVICE_TYPE = frozenset({"get_ascend_device_type", "get_ascend_soc_version"})
DEPTH = 8

#: A test and whether it must hold.
Condition = tuple[ast.expr, bool]


class Guards:
    """Three-valued truth of conditions, for each SoC the plugin's device enumeration knows."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees

    @cached_property
    def socs(self) -> tuple[str, ...]:
        """Names of the device types: members of the enumeration that the plugin's utilities define or import.

        A tree without one knows the old chip by its predicate, and everything else as ``OTHER``.
        """
        module = self.trees.module(HOME)
        names: list[str] = []
        for name in module.bindings if module else ():
            found = self.trees.resolve(module, name) if module and name.startswith("Ascend") else None
            if found is not None and isinstance(found.node, ast.ClassDef) and _is_enum(found.node):
                for item in found.node.body:
                    if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
                        names.append(item.targets[0].id.lstrip("_"))
        return tuple(sorted({*(names or (OTHER,)), OLD_CHIP} - {"UNDEFINED"}))

    @cached_property
    def hardware(self) -> Hardware:
        """What the tree says of each device."""
        return Hardware(self.trees, self.socs)

    @cached_property
    def _vllm(self) -> str | None:
        found = extract_versions(self.trees).get("vllm")
        return found["value"] if found else None

    def limits(self, module: Module, conditions: tuple[Condition, ...]) -> dict[str, Any] | None:
        """What remains of conditions: ``{}`` always, ``None`` never, else ``soc`` (list) and ``guard`` (text)."""
        socs = list(self.socs)
        open_ones = []
        for test, wanted in conditions:
            truths = {soc: self.truth(module, test, soc) for soc in self.socs}
            held = [soc for soc in socs if truths[soc] in (None, wanted)]
            unnamed = held == [OTHER] != socs
            if None in truths.values() or unnamed:
                open_ones.append(_text(test, wanted))
            socs = held
        if not socs:
            return None
        out: dict[str, Any] = {}
        if len(socs) < len(self.socs) and OTHER not in socs:
            out["soc"] = socs
        if open_ones:
            out["guard"] = " and ".join(open_ones)
        return out

    def text_limits(self, modules: Sequence[Module], text: str) -> dict[str, Any] | None:
        """:meth:`limits` of a condition given as text; its names belong to the first of the modules that decides it."""
        test = ast.parse(text, mode="eval").body
        parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
        out: dict[str, Any] | None = {}
        for part in parts:
            answers = [self.limits(module, ((part, True),)) for module in modules]
            out = both(out, next((a for a in answers if a is None or "guard" not in a), answers[0]))
        return out

    def truth(self, module: Module, node: ast.expr, soc: str, depth: int = 0) -> bool | None:
        """Whether an expression holds on a SoC; ``None`` when the trees don't say."""
        if depth > DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return bool(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            value = self.truth(module, node.operand, soc, depth + 1)
            return None if value is None else not value
        if isinstance(node, ast.BoolOp):
            values = [self.truth(module, item, soc, depth + 1) for item in node.values]
            decisive = isinstance(node.op, ast.Or)
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._compare(module, node, soc)
        if isinstance(node, ast.Call):
            platform = self.trees.decided(node)
            return self._call(module, node, soc, depth) if platform is None else platform
        if isinstance(node, ast.Name):
            return False if node.id == "TYPE_CHECKING" else self._name(module, node.id, soc, depth)
        return None

    def _call(self, module: Module, node: ast.Call, soc: str, depth: int) -> bool | None:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in NAMED:
            return soc == NAMED[name]
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call) and len(node.args) == 1:
            return self._supports(module, node.func, node.args[0], soc)
        if name == "vllm_version_is" and node.args and self._vllm:
            try:
                return str(self.trees.constant(module, node.args[0])) == self._vllm
            except NotConstant:
                return None
        found = self.trees.resolve(module, ast.unparse(node.func)) if not node.args and not node.keywords else None
        if found and found.module and isinstance(found.node, ast.FunctionDef):
            returned = _only_return(found.node)
            return self.truth(found.module, returned, soc, depth + 1) if returned is not None else None
        return None

    def _supports(self, module: Module, func: ast.Attribute, asked: ast.expr, soc: str) -> bool | None:
        """``profile().method(MEMBER)``: whether a set of the device's profile has a member."""
        home, profile = self._profile(module, func.value, soc)
        method = self.hardware.method(home, func.attr) if home is not None else None
        values = profile.get(method[1]) if method else None
        return self.hardware.member(module, asked) in values if isinstance(values, frozenset) else None

    def _profile(self, module: Module, node: ast.expr, soc: str) -> tuple[Resolved | None, dict[str, Any]]:
        """The function that a call names, and what it gives for a device."""
        plain = isinstance(node, ast.Call) and not node.args and not node.keywords
        home = self.trees.resolve(module, ast.unparse(node.func)) if plain and isinstance(node, ast.Call) else None
        return home, (self.hardware.current(home) or {}).get(soc, {})

    def _compare(self, module: Module, node: ast.Compare, soc: str) -> bool | None:
        if isinstance(node.left, ast.Attribute) and isinstance(node.left.value, ast.Call):
            value = self._profile(module, node.left.value, soc)[1].get(node.left.attr)
            if isinstance(value, tuple):
                same = self.hardware.member(module, node.comparators[0])
                equal = value in same if isinstance(same, frozenset) else value == same
                return equal if isinstance(node.ops[0], (ast.Eq, ast.Is, ast.In)) else not equal
        left, right = self._device(module, node.left, soc), self._devices(module, node.comparators[0], soc)
        if left is None or right is None:
            return None
        if isinstance(node.ops[0], (ast.Eq, ast.Is, ast.In)):
            return left in right
        return left not in right if isinstance(node.ops[0], (ast.NotEq, ast.IsNot, ast.NotIn)) else None

    def _devices(self, module: Module, node: ast.expr, soc: str) -> list[str] | None:
        items = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
        found = [self._device(module, item, soc) for item in items]
        return [name for name in found if name is not None] if None not in found else None

    def _device(self, module: Module, node: ast.expr, soc: str) -> str | None:
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in DEVICE_TYPE:
            return soc
        name = node.attr.lstrip("_") if isinstance(node, ast.Attribute) else None
        return name if name in self.socs else None

    def _name(self, module: Module, name: str, soc: str, depth: int) -> bool | None:
        """A module-level flag: the value of the one assignment whose own conditions hold."""
        values = []
        for statement, conditions in flow(module.tree.body):
            if isinstance(statement, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name
                                                         for t in statement.targets):  # fmt: skip
                held = [self.truth(module, test, soc, depth + 1) is wanted for test, wanted in conditions]
                unknown = [self.truth(module, test, soc, depth + 1) is None for test, _ in conditions]
                if all(held):
                    values.append(self.truth(module, statement.value, soc, depth + 1))
                elif any(unknown):
                    values.append(None)
        return values[0] if len(values) == 1 else None


def flow(
    body: list[ast.stmt], conditions: tuple[Condition, ...] = ()
) -> Iterator[tuple[ast.stmt, tuple[Condition, ...]]]:
    """Simple statements and definitions in order, with the conditions they stand under."""
    for node in body:
        if isinstance(node, ast.If):
            yield from flow(node.body, (*conditions, (node.test, True)))
            yield from flow(node.orelse, (*conditions, (node.test, False)))
        elif isinstance(node, ast.Try):
            for part in (node.body, node.orelse, node.finalbody):
                yield from flow(part, conditions)
        elif isinstance(node, (ast.With, ast.While)):
            yield from flow(node.body, conditions)
        else:
            yield node, conditions


def both(first: dict[str, Any] | None, second: dict[str, Any] | None) -> dict[str, Any] | None:
    """What two limits leave together; ``None`` for never."""
    if first is None or second is None:
        return None
    out: dict[str, Any] = {}
    socs = [limit["soc"] for limit in (first, second) if "soc" in limit]
    if socs:
        out["soc"] = [soc for soc in socs[0] if soc in socs[-1]]
        if not out["soc"]:
            return None
    texts = list(dict.fromkeys(limit["guard"] for limit in (first, second) if "guard" in limit))
    if any(f"not {text}" in texts for text in texts):
        return None
    if texts:
        out["guard"] = " and ".join(texts)
    return out


def _text(test: ast.expr, wanted: bool) -> str:
    return ast.unparse(test if wanted else ast.UnaryOp(ast.Not(), test))


def _is_enum(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] in ("Enum", "IntEnum") for base in node.bases)


def _only_return(node: ast.FunctionDef) -> ast.expr | None:
    """The expression of a function that does nothing but return it."""
    rest = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    only = rest[0] if len(rest) == 1 else None
    return only.value if isinstance(only, ast.Return) else None
