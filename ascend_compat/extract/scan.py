"""Modules of a tree whose text mentions a word: a cheap filter before parsing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ascend_compat.extract.tree import Module, NotConstant, SourceTree, Trees


def mentioning(trees: Trees, tree: SourceTree, *words: str) -> Iterator[Module]:
    """Modules of one tree that contain any of the words, by name; what can't be parsed is left out."""
    for name in tree.names():
        found = tree.find(name)
        if found is None or not any(word in found[0].read_text(encoding="utf-8", errors="replace") for word in words):
            continue
        module = trees.module(name)
        if module is not None:
            yield module


def last_name(node: ast.AST | None) -> str:
    """The last part of a name or attribute chain, empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def literal_text(trees: Trees, module: Module, node: ast.expr | None) -> str | None:
    """A constant string, ``None`` when the expression is not one."""
    try:
        value = trees.constant(module, node)
    except NotConstant:
        return None
    return value if isinstance(value, str) else None
