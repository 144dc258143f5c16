"""Operators the plugin replaces, and the replaceable layers of vLLM with what each can fall back to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.tree import Trees

HOME = "vllm_ascend.utils"
TABLE = "REGISTERED_ASCEND_OPS"
FUNCTION = "register_ascend_customop"
BASES = frozenset({"CustomOp", "PluggableLayer"})


def extract_custom_ops(trees: Trees) -> dict[str, Any]:
    """``{name: [{class, at, soc?}]}``: a later entry of the same name replaces an earlier one on its SoC."""
    module = trees.module(HOME)
    function = (
        next((n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef) and n.name == FUNCTION), None)
        if module
        else None
    )
    if module is None or function is None:
        trees.unfollowed.append(f"{HOME}.{FUNCTION}: not found")
        return {}
    local = _local_imports(function)
    found: dict[str, list[dict[str, Any]]] = {}
    for table, guard in _updates(function.body, ""):
        for key, value in zip(table.keys, table.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                continue
            text = ast.unparse(value)
            dotted = local.get(text)
            target = trees.locate(dotted).fqn if dotted else text
            entry: dict[str, Any] = {"class": target, "at": module.at(key)}
            if "310p" in guard.lower() and "not" not in guard.split():
                entry["soc"] = ["310P"]
            elif guard:
                entry["guard"] = guard
            found.setdefault(key.value, []).insert(0, entry)
    return dict(sorted(found.items()))


def _local_imports(function: ast.FunctionDef) -> dict[str, str]:
    out: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            out.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
    return out


def _updates(body: list[ast.stmt], guard: str) -> Iterator[tuple[ast.Dict, str]]:
    """Dictionaries that become part of the table, with the guard they hang on."""
    for node in body:
        if isinstance(node, ast.If):
            test = ast.unparse(node.test)
            yield from _updates(node.body, test)
            yield from _updates(node.orelse, f"not ({test})")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == TABLE and isinstance(node.value, ast.Dict):
                yield node.value, guard
            elif isinstance(target, ast.Subscript) and ast.unparse(target.value) == TABLE and node.value is not None:
                yield ast.Dict(keys=[target.slice], values=[node.value]), guard
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if ast.unparse(call.func) == f"{TABLE}.update" and call.args and isinstance(call.args[0], ast.Dict):
                yield call.args[0], guard


def layer_class(trees: Trees, fqn: str) -> dict[str, Any]:
    """What is known of a layer class: its bases, whether it is a replaceable op, which ``forward_*`` it has."""
    lineage = trees.lineage(fqn)
    out: dict[str, Any] = {}
    if len(lineage) > 1:
        out["bases"] = lineage[1:]
    found = trees.find_class(fqn)
    if found is None:
        return out
    module, node = found
    out["at"] = module.at(node)
    names = {name.rpartition(":")[2].rpartition(".")[2] for name in lineage}
    if names & BASES:
        out["custom_op"] = True
        has = sorted({method for name in lineage for method in _forwards(trees, name)})
        if has:
            out["has"] = has
    return out


def _forwards(trees: Trees, fqn: str) -> list[str]:
    found = trees.find_class(fqn)
    if found is None or fqn.rpartition(":")[2] in BASES:
        return []
    return [n.name for n in found[1].body if isinstance(n, ast.FunctionDef) and n.name.startswith("forward_")]
