"""Names of modules and members of classes as a running server sees them: guards evaluated, patches applied."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.extract.tree import Binding, Module, absolute
from ascend_compat.extract.walk.values import Alts, Code, Cond, Truth, conj
from ascend_compat.extract.walk.world import World

#: Errors that an import raises.
IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "", "AttributeError"})
Bound = list[tuple[Cond, Binding]]
#: What ``from x import *`` binds in a namespace: this and the module.
STAR = "*"


@dataclass(slots=True)
class Frame:
    """One function (or a module's top level) while it is read."""

    module: Module
    env: dict[str, Alts]
    cond: Cond | None
    code: Code
    #: Where edges, sinks and results go.
    summary: Any
    self_: Any = None
    #: Inside ``try`` with handlers: what raises here is caught.
    caught: int = 0
    #: Tests of the platform that the current path depends on.
    platform: int = 0
    #: Tests of values that the current path depends on.
    data: int = 0
    #: Branches around the current statement that values decide: what is stored here may not be.
    maybe: int = 0
    globals_: set[str] = field(default_factory=set)


class Names:
    """Namespaces of modules and classes."""

    world: World

    def __init__(self) -> None:
        self._spaces: dict[str, dict[str, Bound]] = {}
        self._members: dict[str, dict[str, ast.AST]] = {}
        self._lineages: dict[str, list[str]] = {}
        #: The file whose own patches are not there yet: it keeps what it replaces under a name of its own.
        self.before: str | None = None

    def truth(self, test: ast.expr, frame: Frame) -> Truth:
        """Overridden by the interpreter."""
        raise NotImplementedError

    def module_frame(self, module: Module) -> Frame:
        """A frame of a module's top level."""
        raise NotImplementedError

    # modules -----------------------------------------------------------------------------------------------------

    def space(self, module: Module) -> dict[str, Bound]:
        """Module-level names with the conditions each binding stands under, the last binding first."""
        known = self._spaces.get(module.name)
        if known is None:
            known = self._spaces[module.name] = {}
            self._fill(module, module.tree.body, (self.world.full, ()), known)
        return known

    def _fill(self, module: Module, body: list[ast.stmt], cond: Cond, space: dict[str, Bound]) -> bool:
        """Statements in order; whether an import among them fails on an NPU."""
        for node in body:
            if isinstance(node, ast.If):
                truth = self.truth(node.test, self.module_frame(module))
                for part, side in ((node.body, truth.yes), (node.orelse, truth.no)):
                    under = conj(cond, side) if side[0] else None
                    if under is not None and part and self._fill(module, part, under, space):
                        return True
            elif isinstance(node, ast.Try):
                failed = self._fill(module, node.body, cond, space)
                for handler in node.handlers if failed else ():
                    self._fill(module, handler.body, cond, space)
                if not failed:
                    self._fill(module, node.orelse, cond, space)
                self._fill(module, node.finalbody, cond, space)
            elif isinstance(node, ast.With):
                self._fill(module, node.body, cond, space)
            else:
                if self._fails(module, node):
                    return True
                for name, binding in _bindings(module, node):
                    space[name] = [(cond, binding), *_without(space.get(name, []), cond)]
        return False

    def _fails(self, module: Module, node: ast.stmt) -> bool:
        if isinstance(node, ast.Import):
            return any(self.world.absent(alias.name) for alias in node.names)
        return isinstance(node, ast.ImportFrom) and self.world.absent(absolute(module, node))

    # classes -----------------------------------------------------------------------------------------------------

    def lineage(self, fqn: str) -> list[str]:
        """A class and its bases, nearest first."""
        known = self._lineages.get(fqn)
        if known is None:
            self._lineages[fqn] = [fqn]  # a class that is its own base
            parts = [[base.fqn, *self.lineage(base.fqn)[1:]] for base in self.world.trees.bases(fqn)]
            known = self._lineages[fqn] = [fqn, *_linear([*parts, [part[0] for part in parts]])]
        return known

    def inherits(self, fqn: str, *names: str) -> bool:
        """Whether a class or a base of it has one of these names."""
        return any(_last(base) in names for base in self.lineage(fqn))

    def members(self, fqn: str) -> dict[str, ast.AST]:
        """Definitions in a class body, the last one of each name; ``if`` and ``try`` are looked into."""
        known = self._members.get(fqn)
        if known is None:
            known = self._members[fqn] = {}
            found = self.world.trees.find_class(fqn)
            if found is not None:
                for node in _flat(found[1].body):
                    for name in _defined(node):
                        known[name] = node
        return known

    def find_member(self, fqn: str, name: str, after: str | None = None) -> Iterator[tuple[int, str, ast.AST | str]]:
        """``(devices, class, definition)`` of a member; a patch gives the dotted name of what stands there instead."""
        lineage = self.lineage(fqn)
        start = lineage.index(after) + 1 if after in lineage else 0
        left = self.world.full
        for cls in lineage[start:]:
            for row in self.patched(f"{cls.replace(':', '.')}.{name}"):
                mask = self.patch_mask(row) & left
                if mask:
                    yield mask, cls, row["replacement"]
                    left &= ~mask
            node = self.members(cls).get(name)
            if node is not None and left:
                yield left, cls, node
                return

    def patched(self, name: str) -> list[dict[str, Any]]:
        """Patches of a dotted name."""
        rows = self.world.patches.get(name, [])
        return rows if self.before is None else [r for r in rows if r["at"].rpartition(":")[0] != self.before]

    def patch_mask(self, row: dict[str, Any]) -> int:
        """Devices a patch is applied on; a guard that nobody decides counts as holding."""
        if "mask" not in row:
            mask = self.world.mask(row.get("soc"))
            if "guard" in row:
                module = self.world.trees.module(row["at"].rpartition(":")[0].removesuffix(".py").replace("/", "."))
                test = ast.parse(row["guard"], mode="eval").body
                if module is not None:
                    mask &= self.truth(test, self.module_frame(module)).yes[0]
            row["mask"] = mask
        return int(row["mask"])


def _bindings(module: Module, node: ast.stmt) -> Iterator[tuple[str, Binding]]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        if not any("overload" in ast.unparse(d) for d in node.decorator_list):
            yield node.name, Binding("class" if isinstance(node, ast.ClassDef) else "function", node)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, Binding("import", node, alias.name if alias.asname else name)
    elif isinstance(node, ast.ImportFrom):
        source = absolute(module, node)
        for alias in node.names:
            star = alias.name == "*"
            name = STAR + source if star else alias.asname or alias.name
            yield name, Binding("import", node, source if star else f"{source}.{alias.name}")
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield target.id, Binding("assign", node)


def _without(known: Bound, cond: Cond) -> Bound:
    """What is left of earlier bindings after one under a condition."""
    if not cond[1]:
        return [((old[0] & ~cond[0], old[1]), b) for old, b in known if old[0] & ~cond[0]]
    inverse = (cond[0], (cond[1][0].inverse(),)) if len(cond[1]) == 1 else (cond[0], ())
    return [(both, b) for old, b in known if (both := conj(old, inverse)) is not None]


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            yield from _flat([*node.orelse, *node.body])
        elif isinstance(node, ast.Try):
            yield from _flat(node.body)
        else:
            yield node


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        marks = [ast.unparse(d) for d in node.decorator_list]
        return [] if any(m.endswith((".setter", "overload", ".deleter")) for m in marks) else [node.name]
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else []


def _linear(parts: list[list[str]]) -> list[str]:
    """Python's order of bases (C3); bases that contradict each other come as they are written."""
    out: list[str] = []
    parts = [part for part in parts if part]
    while parts:
        tails = {name for part in parts for name in part[1:]}
        head = next((part[0] for part in parts if part[0] not in tails), parts[0][0])
        out.append(head)
        parts = [rest for part in parts if (rest := [name for name in part if name != head])]
    return out


def _last(fqn: str) -> str:
    return fqn.rpartition(":")[2].rpartition(".")[2]
