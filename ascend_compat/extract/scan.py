"""Modules of a tree whose text mentions a word: a cheap filter before parsing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ascend_compat.extract.tree import Module, NotConstant, SourceTree, Trees


def texts(tree: SourceTree, *words: str) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the modules of one tree that contain any of the words, by name."""
    wanted = [word.encode() for word in words]
    root = tree.root / tree.package
    for path in sorted(root.rglob("*.py")):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if any(word in data for word in wanted):
            parts = list(path.relative_to(tree.root).with_suffix("").parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), data


def mentioning(trees: Trees, tree: SourceTree, *words: str) -> Iterator[Module]:
    """Modules of one tree that contain any of the words, by name; what can't be parsed is left out."""
    for name, _ in texts(tree, *words):
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
