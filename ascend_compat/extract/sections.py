"""A mapping inside a function: which expressions are it, which calls pass it on, and to whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ascend_compat.extract.scan import last_name
from ascend_compat.extract.statements import nodes
from ascend_compat.extract.tree import Module, Resolved, Trees, absolute

Function = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Key, its default expression where the read gives one, and the node that reads it.
Read = tuple[str, ast.expr | None, ast.AST]


@dataclass(frozen=True)
class Scope:
    """A function, or a class without ``__init__``, and where it is; ``cls`` is the class a method belongs to."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    cls: ast.ClassDef | None = None
    #: Parameters that the call does not name: ``self`` and ``cls``.
    skip: int = 0
    #: Defined inside the caller, whose names it sees.
    nested: bool = False

    def nodes(self) -> list[ast.AST]:
        """Every node of the function, those of functions inside it too."""
        return nodes(self.node)

    def inner(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions that are defined inside it."""
        return _inner(self.node)

    def mentions(self, word: str) -> bool:
        """Whether a name, an attribute or a literal of it is the word."""
        return any(last_name(n) == word or (isinstance(n, ast.Constant) and n.value == word) for n in self.nodes())

    def parameter(self, index: int) -> str | None:
        """The name of the parameter that takes a positional argument."""
        names = self._names()
        return names[index] if index < len(names) else None

    def bound(self, call: ast.Call) -> dict[str, ast.expr]:
        """Parameters and the expressions a call gives for them."""
        out = dict(zip(self._names(), call.args, strict=False))
        out.update({word.arg: word.value for word in call.keywords if word.arg})
        return out

    def _names(self) -> list[str]:
        if isinstance(self.node, ast.ClassDef):
            return []
        return [arg.arg for arg in (*self.node.args.posonlyargs, *self.node.args.args)][self.skip :]


@lru_cache(maxsize=64)
def _inner(node: ast.AST) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {inner.name: inner for inner in nodes(node) if isinstance(inner, Function) and inner is not node}


@dataclass(frozen=True)
class Section:
    """What stands for the mapping: local names, one node, and (for the whole configuration) an attribute's name."""

    names: frozenset[str]
    node: ast.AST | None = None
    attribute: str = ""
    #: Keys that a comprehension leaves out.
    hidden: set[str] = field(default_factory=set)

    def is_(self, value: ast.AST | None) -> bool:
        """Whether an expression is the mapping, with a fallback, a condition or a copy around it."""
        return whole(self, value)

    def grown(self, scope: Scope) -> Section:
        """With the names that the function binds to it."""
        section = self
        for _ in range(4):
            names, hidden = set(section.names), set(section.hidden)
            for node in scope.nodes():
                target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
                if isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
                    target = node.target
                value = getattr(node, "value", None)
                if isinstance(target, ast.Name) and section.is_(value):
                    names.add(target.id)
                    hidden |= _left_out(scope, value)
            if names == section.names:
                break
            section = replace(section, names=frozenset(names), hidden=hidden)
        return section

    def used(self, scope: Scope) -> bool:
        """Whether anything is done with the node besides reading it as a plain value."""
        return any(
            self.is_(getattr(node, "value", None)) or (isinstance(node, ast.Call) and self._passed(node))
            for node in scope.nodes()
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Attribute, ast.Subscript, ast.Call))
        )

    def _passed(self, call: ast.Call) -> bool:
        return any(self.is_(arg) for arg in call.args) or any(self.is_(word.value) for word in call.keywords)


def whole(section: Section, value: ast.AST | None) -> bool:
    """Whether an expression is the mapping."""
    if value is None:
        return False
    if value is section.node:
        return True
    if isinstance(value, ast.Name):
        return value.id in section.names
    if isinstance(value, ast.Attribute):
        return bool(section.attribute) and value.attr == section.attribute
    if isinstance(value, ast.IfExp):
        return whole(section, value.body)
    if isinstance(value, ast.BoolOp):
        return whole(section, value.values[0])
    if isinstance(value, ast.DictComp):
        items = value.generators[0].iter
        func = items.func if isinstance(items, ast.Call) else None
        return isinstance(func, ast.Attribute) and func.attr == "items" and whole(section, func.value)
    if isinstance(value, ast.Call):
        return _copied(section, value)
    return False


def _copied(section: Section, call: ast.Call) -> bool:
    """``getattr(x, "name")`` of the attribute, and copies: ``dict(x)``, ``copy(x)``, ``x.copy()``."""
    name = last_name(call.func)
    if name == "getattr" and len(call.args) > 1:
        word = call.args[1]
        return bool(section.attribute) and isinstance(word, ast.Constant) and word.value == section.attribute
    if name in ("dict", "copy", "deepcopy") and len(call.args) == 1:
        return whole(section, call.args[0])
    return isinstance(call.func, ast.Attribute) and name == "copy" and whole(section, call.func.value)


def _left_out(scope: Scope, value: ast.AST | None) -> set[str]:
    """Keys that ``{... if key not in NAMES}`` drops, where the names are literal."""
    if not isinstance(value, ast.DictComp):
        return set()
    out: set[str] = set()
    for test in value.generators[0].ifs:
        if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.NotIn):
            continue
        names: ast.AST = test.comparators[0]
        if isinstance(names, ast.Name):
            wanted = names.id
            names = next((n.value for n in scope.nodes() if isinstance(n, ast.Assign)
                          and last_name(n.targets[0]) == wanted), names)  # fmt: skip
        if isinstance(names, (ast.Set, ast.Tuple, ast.List)):
            out |= {n.value for n in names.elts if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return out


def scopes(module: Module) -> Iterator[Scope]:
    """Functions of a module and methods of its classes."""
    for node in module.tree.body:
        if isinstance(node, Function):
            yield Scope(module, node)
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Function):
                    yield _method(module, node, inner)


def _method(module: Module, cls: ast.ClassDef, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Scope:
    static = any(last_name(mark) == "staticmethod" for mark in node.decorator_list)
    return Scope(module, node, cls, 0 if static else 1)


def callee(trees: Trees, scope: Scope, func: ast.expr) -> Scope | None:
    """What a call calls: a function, a class's ``__init__``, or a class without one; ``None`` outside the trees."""
    if isinstance(func, ast.Name) and func.id in scope.inner():
        return Scope(scope.module, scope.inner()[func.id], scope.cls, nested=True)
    parts = ast.unparse(func).split(".") if isinstance(func, (ast.Name, ast.Attribute)) else []
    if parts and parts[0] in ("self", "cls") and scope.cls is not None:
        if len(parts) == 1:
            return _constructor(scope.module, scope.cls)
        return _member(scope.module, scope.cls, parts[1]) if len(parts) == 2 else None
    found = _resolve(trees, scope, ".".join(parts)) if parts else None
    if found is None or (found.module is None and len(parts) > 1):
        found = None
    if found is not None and found.module is not None:
        if isinstance(found.node, Function):
            return Scope(found.module, found.node)
        if isinstance(found.node, ast.ClassDef) and found.fqn.endswith(f":{found.node.name}"):
            return _constructor(found.module, found.node)
        if isinstance(found.node, ast.ClassDef):
            return _member(found.module, found.node, parts[-1])
    return None


def _resolve(trees: Trees, scope: Scope, dotted: str) -> Resolved | None:
    """A name of the module, or one that the function imports itself."""
    head, _, rest = dotted.partition(".")
    for node in scope.nodes():
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == head:
                    target = f"{absolute(scope.module, node)}.{alias.name}"
                    return trees.locate(f"{target}.{rest}" if rest else target)
    return trees.resolve(scope.module, dotted)


def _constructor(module: Module, cls: ast.ClassDef) -> Scope:
    return _member(module, cls, "__init__") or Scope(module, cls)


def _member(module: Module, cls: ast.ClassDef, name: str) -> Scope | None:
    for node in cls.body:
        if isinstance(node, Function) and node.name == name:
            return _method(module, cls, node)
    return None


def keyed(function: ast.FunctionDef | ast.AsyncFunctionDef, owners: set[str]) -> Iterator[tuple[str, ast.expr | None]]:
    """Parameters that a function uses as a key of one of its mappings, with the default of the read."""
    parameters = {arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)}
    section = Section(frozenset(owners))
    for node in nodes(function):
        key: ast.expr | None = None
        default: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            if section.is_(node.func.value) and node.args:
                key, default = node.args[0], node.args[1] if len(node.args) > 1 else None
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and section.is_(node.value):
            key = node.slice
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            key = node.left if section.is_(node.comparators[0]) else None
        if isinstance(key, ast.Name) and key.id in parameters:
            yield key.id, default
