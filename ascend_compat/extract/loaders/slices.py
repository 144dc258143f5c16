"""The part of a constructor that sets the attributes a loader reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ascend_compat.extract.statements import every

#: Functions that build modules.
MAKERS = frozenset({"make_layers", "init_vllm_registered_model", "get_rope", "get_act_fn", "get_model"})
#: What classes are called whose objects are no modules.
PLAIN = ("Config", "Mapper")
#: Statements that hold other statements.
_COMPOUND = (ast.If, ast.For, ast.With, ast.Try)


def sliced(init: ast.FunctionDef, wanted: set[str]) -> ast.FunctionDef | None:
    """``init`` with the assignments to ``self.X`` for ``X`` in ``wanted`` and to the names those are computed from.

    ``None`` when it sets none of them. Statements keep their lines, order and the tests they stand under.
    """
    needed = set(wanted)
    names: set[str] = set()
    while True:
        body = list(_kept(init.body, needed, names))
        more = {n.id for s in body for n in every(s) if isinstance(n, ast.Name)} - names
        if not more:
            break
        names |= more
    if not any(_own(t) for s in body for n in every(s) for t in _targets(n)):
        return None
    return ast.copy_location(ast.FunctionDef(init.name, init.args, body, [], None), init)


def _kept(body: list[ast.stmt], wanted: set[str], names: set[str]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            inner, other = list(_kept(node.body, wanted, names)), list(_kept(node.orelse, wanted, names))
            if inner or other:
                yield ast.copy_location(ast.If(node.test, inner or [ast.copy_location(ast.Pass(), node)], other), node)
        elif isinstance(node, ast.With):
            yield from _kept(node.body, wanted, names)
        elif isinstance(node, _COMPOUND):
            continue
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            if names & {a.asname or a.name for a in node.names}:
                yield node
        elif any(_is_wanted(target, wanted, names) for target in _targets(node)) and not _builds(node):
            yield node


def _builds(node: ast.stmt) -> bool:
    """Whether a statement builds a module: the module tree knows those."""
    value = getattr(node, "value", None)
    calls = [n for n in every(value) if isinstance(n, ast.Call)] if isinstance(value, ast.AST) else []
    called = [ast.unparse(call.func).rpartition(".")[2] for call in calls]
    return any(name in MAKERS or (name[:1].isupper() and not name.endswith(PLAIN)) for name in called)


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        found: list[ast.expr] = []
        for target in node.targets:
            found.extend(target.elts if isinstance(target, ast.Tuple) else [target])
        return found
    return [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else []


def _own(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"


def _is_wanted(target: ast.expr, wanted: set[str], names: set[str]) -> bool:
    if isinstance(target, ast.Name):
        return target.id in names
    if isinstance(target, ast.Subscript):
        return _is_wanted(target.value, wanted, names)
    return _own(target) and isinstance(target, ast.Attribute) and target.attr in wanted
