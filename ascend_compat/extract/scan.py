"""Modules of a tree whose text mentions a word: a cheap filter before parsing."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator

from ascend_compat.extract.source_tree import SourceTree
from ascend_compat.extract.tree import Module, NotConstant, Trees


def texts(tree: SourceTree, *words: str) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the modules of one tree that contain any of the words, by name."""
    wanted = [word.encode() for word in words]
    return ((name, data) for name, data in tree.texts if any(word in data for word in wanted))


def mentioning(trees: Trees, tree: SourceTree, *words: str) -> Iterator[Module]:
    """Modules of one tree that contain any of the words, by name; what can't be parsed is left out."""
    for name, _ in texts(tree, *words):
        module = trees.module(name)
        if module is not None:
            yield module


def around(tree: ast.AST, lines: Collection[int]) -> Iterator[ast.AST]:
    """Nodes that span one of the lines, in the order of the text."""
    yield tree
    known = sorted(lines)
    for child in ast.iter_child_nodes(tree):
        first, last = getattr(child, "lineno", None), getattr(child, "end_lineno", None)
        if first is None or last is None:
            yield from around(child, known)
        elif within := known[bisect_left(known, first) : bisect_right(known, last)]:
            yield from around(child, within)


def lines_with(data: bytes, word: str) -> list[int]:
    """Numbers of the lines that contain a word."""
    return [number for number, line in enumerate(data.split(b"\n"), 1) if word.encode() in line]


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
