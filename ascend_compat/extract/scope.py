"""Names in a module: what a statement binds, what code mentions, where an import leads."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, absolute

ANNOTATIONS = frozenset({"annotation", "returns"})
#: Where a statement keeps the names it binds.
BOUND = "_bound"


def reached(tree: ast.Module, start: frozenset[str]) -> set[str]:
    """Methods of a module's classes that the named ones use, directly or through each other."""
    bodies: dict[str, list[ast.AST]] = {}
    for cls in tree.body:
        for item in cls.body if isinstance(cls, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef):
                bodies.setdefault(item.name, []).append(item)
    found: set[str] = set()
    pending = list(start)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            nodes = [n for body in bodies.get(name, []) for n in every(body)]
            pending.extend(n.attr for n in nodes if isinstance(n, ast.Attribute) and n.attr in bodies)
    return found


def attributes(node: ast.stmt) -> set[str] | frozenset[str]:
    """Class attributes a statement of a class body defines; an annotation alone defines none but announces one."""
    if isinstance(node, (ast.If, ast.Try)):
        return {name for part in bodies(node) for item in part for name in attributes(item)}
    return binds(node)


def asked_name(call: ast.Call) -> str | None:
    """The attribute that ``getattr(x, "name", ...)`` or ``hasattr(x, "name")`` asks for; ``None`` for other calls."""
    asks = isinstance(call.func, ast.Name) and call.func.id in ("getattr", "hasattr") and len(call.args) > 1
    name = call.args[1] if asks else None
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def under(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def is_compound(node: ast.stmt) -> bool:
    return isinstance(node, (ast.If, ast.Try))


def bodies(node: ast.stmt) -> list[list[ast.stmt]]:
    if isinstance(node, ast.Try):
        return [node.body, *(h.body for h in node.handlers), node.orelse]
    return [node.body, node.orelse] if isinstance(node, ast.If) else []


def tests(node: ast.stmt) -> list[ast.expr]:
    return [node.test] if isinstance(node, ast.If) else []


def binds(node: ast.stmt) -> frozenset[str]:
    """Names a module-level statement defines; kept, as every pass over a module asks for them."""
    known: frozenset[str] | None = node.__dict__.get(BOUND)
    if known is None:
        known = node.__dict__[BOUND] = frozenset(_bound(node))
    return known


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name.partition(".")[0]) for a in node.names}
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        # ``table.update(...)`` at module level changes what ``table`` is.
        owner = node.value.func
        targets = [owner.value] if isinstance(owner, ast.Attribute) else []
    return {n.id for t in targets for n in every(t) if isinstance(n, ast.Name)}


def module_names(module: Module) -> dict[str, str | None]:
    """Module-level names; an imported module's name maps to its dotted name, everything else to ``None``."""
    if module.names is not None:
        return module.names
    found: dict[str, str | None] = {}
    module.names = found
    pending = list(module.tree.body)
    while pending:
        node = pending.pop()
        for part in bodies(node):
            pending.extend(part)
        if isinstance(node, ast.Import):
            found.update({(a.asname or a.name.partition(".")[0]): a.name for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            found.update({(a.asname or a.name): f"{absolute(module, node)}.{a.name}" for a in node.names})
        else:
            found.update(dict.fromkeys(binds(node)))
    return found


def code_nodes(root: ast.AST) -> list[ast.AST]:
    """Nodes of a piece of code without annotations, which decide nothing."""
    return every(root, ANNOTATIONS)
