"""Operators the plugin replaces, and the replaceable layers of vLLM with what each can fall back to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from ascend_compat.extract.guards import Guards, flow
from ascend_compat.extract.registered import registered
from ascend_compat.extract.statements import attributes, every, nodes
from ascend_compat.extract.tree import Trees

HOME = "vllm_ascend.utils"
TABLE = "REGISTERED_ASCEND_OPS"
FUNCTION = "register_ascend_customop"
BASES = frozenset({"CustomOp", "PluggableLayer"})


def extract_custom_ops(trees: Trees) -> dict[str, Any]:
    """``{name: [{class, at, soc?, guard?}]}``: the first entry that holds on a SoC is the one that counts there.

    ``soc`` is absent where every SoC gets the entry; ``guard`` keeps the conditions that the tree does not decide. An
    operator that the table drops again on a SoC has no entry for it.
    """
    module = trees.module(HOME)
    function = (
        next((n for n in nodes(module.tree) if isinstance(n, ast.FunctionDef) and n.name == FUNCTION), None)
        if module
        else None
    )
    if module is None or function is None:
        trees.unfollowed.append(f"{HOME}.{FUNCTION}: not found")
        return {}
    guards = Guards(trees)
    local = _local_imports(function)
    found: dict[str, list[dict[str, Any]]] = {}
    for statement, conditions in flow(function.body):
        limits = guards.limits(module, conditions)
        if limits is None:
            continue
        for key, value in _added(statement):
            text = ast.unparse(value)
            resolved = trees.locate(local[text]) if text in local else trees.resolve(module, text)
            entry = {"class": resolved.fqn if resolved else text, "at": module.at(key), **limits}
            found.setdefault(str(key.value), []).insert(0, entry)
        dropped = _dropped(statement)
        if dropped in found and "guard" not in limits:
            found[dropped] = _without(found[dropped], guards.socs, limits.get("soc", guards.socs))
    return {name: entries for name, entries in sorted(found.items()) if entries}


def _local_imports(function: ast.FunctionDef) -> dict[str, str]:
    out: dict[str, str] = {}
    for node in every(function):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            out.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
    return out


def _added(node: ast.stmt) -> Iterator[tuple[ast.Constant, ast.expr]]:
    """What a statement puts into the table: a new dictionary, ``table[name] = cls``, ``table.update({...})``."""
    table: ast.expr | None = None
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == TABLE and node.value is not None:
            if isinstance(target.slice, ast.Constant):
                yield target.slice, node.value
            return
        table = node.value if ast.unparse(target) == TABLE else None
    elif _method(node, "update"):
        table = node.value.args[0]  # type: ignore[attr-defined]  # _method checks that it is a call with arguments
    if isinstance(table, ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key, value


def _dropped(node: ast.stmt) -> str:
    """The name a ``table.pop(name)`` takes out of the table, empty for any other statement."""
    if not _method(node, "pop"):
        return ""
    name = node.value.args[0]  # type: ignore[attr-defined]  # as above
    return str(name.value) if isinstance(name, ast.Constant) else ""


def _method(node: ast.stmt, name: str) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) == f"{TABLE}.{name}" and bool(call.args)


def _without(entries: list[dict[str, Any]], every: Sequence[str], gone: Sequence[str]) -> list[dict[str, Any]]:
    """Entries limited to the SoCs that are left."""
    out = []
    for entry in entries:
        left = [soc for soc in entry.get("soc", every) if soc not in gone]
        if left:
            out.append({**entry, "soc": left})
    return out


def layer_class(trees: Trees, fqn: str) -> dict[str, Any]:
    """What is known of a layer class: its bases, whether it is a replaceable op, which ``forward_*`` it has.

    A factory function has the module classes it names, and their bases, in place of bases; ``layer`` is the one of them
    whose weights a quantization method creates.
    """
    factory = _factory(trees, fqn)
    if factory is not None:
        return factory
    lineage = trees.lineage(fqn)
    out: dict[str, Any] = {}
    if len(lineage) > 1:
        out["bases"] = lineage[1:]
    found = trees.find_class(fqn)
    if found is None:
        return out
    module, node = found
    out["at"] = module.at(node)
    out.update(registered(trees, fqn))
    names = {name.rpartition(":")[2].rpartition(".")[2] for name in lineage}
    if names & BASES:
        out["custom_op"] = True
        has = sorted({method for name in lineage for method in _forwards(trees, name)})
        if has:
            out["has"] = has
    return out


def _factory(trees: Trees, fqn: str) -> dict[str, Any] | None:
    home, _, name = fqn.partition(":")
    module = trees.module(home) if name else None
    binding = module.bindings.get(name) if module else None
    if module is None or binding is None or not isinstance(binding.node, ast.FunctionDef):
        return None
    bases: list[str] = []
    for node in every(binding.node):
        made = trees.resolve(module, node.id) if isinstance(node, ast.Name) else None
        if made is not None and isinstance(made.node, ast.ClassDef):
            lineage = trees.lineage(made.fqn)
            if any(base.endswith("nn.Module") for base in lineage):
                bases.extend(base for base in lineage if base not in bases)
    out: dict[str, Any] = {"bases": bases, "at": module.at(binding.node)}
    asking = next((base for base in bases if creates_weights(trees, base)), None)
    if asking is not None:
        out["layer"] = asking
        out.update(_around(trees, bases, asking))
    return out


def _around(trees: Trees, bases: Sequence[str], layer: str) -> dict[str, Any]:
    """``{outer: [class, attribute]}`` where the factory gives a module that holds the layer under an attribute."""
    name = layer.rpartition(":")[2]
    for base in bases:
        found = trees.find_class(base) if base != layer else None
        for init in found[1].body if found else ():
            if isinstance(init, ast.FunctionDef) and init.name == "__init__":
                args = (*init.args.args, *init.args.kwonlyargs)
                held = {a.arg for a in args if a.annotation is not None and name in ast.unparse(a.annotation)}
                for attr, value in (pair for node in init.body for pair in attributes(node)):
                    if isinstance(value, ast.Name) and value.id in held:
                        return {"outer": [base, attr]}
    return {}


def creates_weights(trees: Trees, fqn: str) -> bool:
    """Whether a class lets its quantization method create its weights."""
    found = trees.find_class(fqn)
    within = nodes(found[1]) if found else ()
    return any(isinstance(node, ast.Attribute) and node.attr == "create_weights" for node in within)


def _forwards(trees: Trees, fqn: str) -> list[str]:
    found = trees.find_class(fqn)
    if found is None or fqn.rpartition(":")[2] in BASES:
        return []
    return [n.name for n in found[1].body if isinstance(n, ast.FunctionDef) and n.name.startswith("forward_")]
