"""Draft models that the engine may pick for some checkpoints: those its speculative configuration names for them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ascend_compat.core.class_names import CAUSAL, plain
from ascend_compat.extract.scan import last_name
from ascend_compat.extract.statements import every, nodes
from ascend_compat.extract.tree import Trees

#: The class with the method that puts a draft's architecture in the place of a model's.
CLASS, METHOD = "vllm.config.SpeculativeConfig", "hf_config_override"
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def drafters(trees: Trees, patches: Iterable[Mapping[str, Any]], names: Collection[str]) -> set[str]:
    """Words that picking a draft may come across for checkpoints of these plain ``names``, architectures among them.

    Too many rather than too few: a branch is left out when every word of its test is another name, and what a branch
    names may be asked for by the next one.
    """
    picking = _picking(trees, patches)
    own = {name.removesuffix(CAUSAL) for name in names} - {""}
    found: set[str] = set()
    while True:
        known = own | {plain(word) for word in found}
        more = set(_named(picking, partial(_like, known, own)))
        if more == found:
            return found
        found = more


def _picking(trees: Trees, patches: Iterable[Mapping[str, Any]]) -> list[ast.AST]:
    """The method, what patches of the class put there, and functions beside them that these mention."""
    cls = trees.locate(CLASS)
    replaced = cls.fqn.replace(":", ".")
    places = [cls.fqn.partition(":")[0]]
    pending = [METHOD]
    for row in patches:
        if row["target"] in (replaced, f"{replaced}.{METHOD}"):
            places += [row["at"].rpartition(":")[0].removesuffix(".py").replace("/", "."), row["replacement"]]
            pending.append(row["replacement"].rpartition(".")[2])
    homes = {module.name: module for place in places if (module := trees.locate(place).module) is not None}
    there: dict[str, list[ast.AST]] = {}
    for node in (node for module in homes.values() for node in nodes(module.tree)):
        if isinstance(node, Function):
            there.setdefault(node.name, []).append(node)
    found: list[ast.AST] = []
    for name in pending:  # grows by what is mentioned
        new = there.pop(name, [])
        found.extend(new)
        pending.extend(last_name(node) for function in new for node in every(function))
    return found


def _like(known: Collection[str], own: Collection[str], asked: str) -> bool:
    """Whether a word may be meant for a name: it is a part of one, or one of the checkpoint's is a part of it."""
    return any(asked in name for name in known) or any(name in asked for name in own)


def _named(body: Iterable[ast.AST], may_be: Callable[[str], bool]) -> Iterator[str]:
    """Words of the branches that may be taken."""
    for node in body:
        if isinstance(node, ast.If):
            if _may_hold(node.test, may_be):
                yield from _named(node.body, may_be)
            yield from _named(node.orelse, may_be)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        else:
            yield from _named(ast.iter_child_nodes(node), may_be)


def _may_hold(test: ast.expr, may_be: Callable[[str], bool]) -> bool:
    """Whether a test may hold: not when it asks for one of some names, and all of them are others'."""
    if isinstance(test, ast.BoolOp):
        parts = (_may_hold(part, may_be) for part in test.values)
        return all(parts) if isinstance(test.op, ast.And) else any(parts)
    if not isinstance(test, ast.Compare) or not all(isinstance(op, (ast.Eq, ast.In)) for op in test.ops):
        return True
    texts = (n.value for n in every(test) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    asked = {plain(text) for text in texts} - {""}
    return not asked or any(map(may_be, asked))
