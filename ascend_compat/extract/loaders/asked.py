"""Which attributes loading reads off modules, and so which part of each constructor matters."""

from __future__ import annotations

import ast

from ascend_compat.extract.loaders.slices import sliced
from ascend_compat.extract.statements import every, own
from ascend_compat.extract.tree import Trees

INIT = "__init__"
#: Attributes that loaders read off modules other than themselves.
COMMON = frozenset({"config", "quant_config"})
#: Methods of modules, of text and of containers: nothing a constructor sets.
METHODS = frozenset(
    "named_parameters parameters load_weights weight config items keys values append add get copy_ data named_children "
    "dtype update device shape pop extend".split()
)


class AskedAttributes:
    """Attributes of ``self`` that methods read, by class, and those read off modules below (``self.model.x``)."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.reads: dict[str, set[str]] = {}
        #: Read off a module below another: any constructor may set them.
        self.inner: set[str] = set()
        self.changed = False
        self._lineages: dict[str, list[str]] = {}
        self._stored: dict[int, frozenset[str]] = {}
        self._found: dict[int, tuple[set[str], set[str]]] = {}
        self._parts: dict[tuple[int, frozenset[str]], ast.FunctionDef | None] = {}

    def note(self, item: ast.stmt, fqn: str) -> None:
        """Note what a member of a class reads, for the class and its bases: their constructors may set it."""
        if id(item) not in self._found:
            self._found[id(item)] = _reads(item)
        found, deep = self._found[id(item)]
        self.changed = self.changed or not deep <= self.inner
        self.inner |= deep
        for cls in self.lineage(fqn):
            known = self.reads.setdefault(cls, set())
            self.changed = self.changed or not found <= known
            known |= found

    def ask(self, name: str) -> None:
        """Note what is asked of some object by name (``getattr``): any module's constructor may set it."""
        if name not in METHODS and name not in self.inner:
            self.inner.add(name)
            self.changed = True

    def part(self, init: ast.FunctionDef, fqn: str) -> ast.FunctionDef | None:
        """The part of a constructor that sets what the class, its heirs or its bases read; ``None`` for none."""
        wanted = COMMON.union(self.inner, *(self.reads.get(cls, set()) for cls in self.lineage(fqn)))
        key = (id(init), wanted & self.stored(init))
        if key not in self._parts:
            self._parts[key] = sliced(init, set(key[1])) if key[1] else None
        return self._parts[key]

    def sets(self, node: ast.ClassDef) -> bool:
        """Whether the constructor of a class sets what is read off modules below others."""
        inits = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == INIT]
        return any(self.inner & self.stored(init) for init in inits)

    def stored(self, init: ast.FunctionDef) -> frozenset[str]:
        """Attributes of ``self`` that a constructor sets."""
        if id(init) not in self._stored:
            nodes = (n for n in every(init) if isinstance(n, ast.Attribute) and own(n))
            self._stored[id(init)] = frozenset(n.attr for n in nodes)
        return self._stored[id(init)]

    def lineage(self, fqn: str) -> list[str]:
        """A class and its bases in the trees."""
        if fqn not in self._lineages:
            self._lineages[fqn] = [name for name in self.trees.lineage(fqn) if ":" in name]
        return self._lineages[fqn]


def _reads(item: ast.stmt) -> tuple[set[str], set[str]]:
    nodes = [n for n in every(item) if isinstance(n, ast.Attribute)]
    found = {n.attr for n in nodes if isinstance(n.ctx, ast.Load) and own(n)}
    deep = {n.attr for n in nodes if isinstance(n.value, ast.Attribute) and own(n.value)}
    return found, deep - METHODS
