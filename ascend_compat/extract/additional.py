"""Keys that the plugin reads from ``--additional-config``, with the keys of their sections."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.scan import last_name, literal_text, mentioning
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

WORD = "additional_config"
Entry = dict[str, Any]
#: Key, its default expression where the read gives one, and the node that reads it.
Read = tuple[str, ast.expr | None, ast.AST]


def extract_additional_config(trees: Trees) -> dict[str, Entry]:
    """``{key: {"at", "default"?, "keys"?}}``; ``keys`` holds the entries of a section that a class or a read opens."""
    found: dict[str, Entry] = {}
    for module in mentioning(trees, trees.vllm_ascend, WORD):
        for scope in ast.walk(module.tree):
            if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
                _scope(trees, module, scope, found)
    if not found:
        trees.unfollowed.append(f"{WORD}: no read found")
    for entry in found.values():
        if "keys" in entry:
            entry["keys"] = dict(sorted(entry["keys"].items()))
    return dict(sorted(found.items()))


def _scope(trees: Trees, module: Module, scope: ast.AST, found: dict[str, Entry]) -> None:
    aliases = {WORD}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _whole(node.value):
            aliases.add(node.targets[0].id)
    sections: dict[str, str] = {}
    for key, default, at in _reads(trees, module, scope, aliases):
        entry = found.setdefault(key, {"at": module.at(at)})
        _add_default(trees, module, entry, default)
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and node.value is at and isinstance(node.targets[0], ast.Name):
                sections[node.targets[0].id] = key
    for name, key in sections.items():
        nested = [*_nodes(trees, module, _reads(trees, module, scope, {name})), *_classes(trees, module, scope, name)]
        _merge(found[key], nested)
    for key, outer in _direct(trees, module, scope, aliases):
        _merge(found[key], _nodes(trees, module, [outer]))


def _whole(value: ast.expr) -> bool:
    """Whether an expression is the whole configuration: ``x.additional_config``, with a fallback or a condition."""
    if isinstance(value, ast.IfExp):
        return _whole(value.body)
    if isinstance(value, ast.BoolOp):
        return _whole(value.values[0])
    if isinstance(value, ast.Call) and last_name(value.func) == "getattr" and len(value.args) > 1:
        return isinstance(value.args[1], ast.Constant) and value.args[1].value == WORD
    return last_name(value) == WORD


def _reads(trees: Trees, module: Module, scope: ast.AST, owners: set[str]) -> Iterator[Read]:
    """``owner.get(key, default)``, ``owner[key]``, ``key in owner``, and helpers called with owner and key."""
    for node in ast.walk(scope):
        key: ast.expr | None = None
        default: ast.expr | None = None
        if isinstance(node, ast.Call):
            func = node.func
            if isinstance(func, ast.Attribute) and func.attr == "get" and last_name(func.value) in owners and node.args:
                key, default = node.args[0], node.args[1] if len(node.args) > 1 else None
            else:
                key = next((b for a, b in zip(node.args, node.args[1:], strict=False) if last_name(a) in owners), None)
                key = key if isinstance(key, ast.Constant) else None
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and last_name(node.value) in owners:
            key = node.slice
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            key = node.left if last_name(node.comparators[0]) in owners else None
        name = literal_text(trees, module, key) if key is not None else None
        if name is not None:
            yield name, default, node


def _direct(trees: Trees, module: Module, scope: ast.AST, owners: set[str]) -> Iterator[tuple[str, Read]]:
    """``owner.get(section, {}).get(key, default)``."""
    outer = {node: key for key, _, node in _reads(trees, module, scope, owners)}
    for node in ast.walk(scope):
        func = node.func if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and isinstance(func, ast.Attribute) and func.attr == "get" and node.args:
            key = literal_text(trees, module, node.args[0]) if func.value in outer else None
            if key is not None:
                yield outer[func.value], (key, node.args[1] if len(node.args) > 1 else None, node)


def _classes(trees: Trees, module: Module, scope: ast.AST, name: str) -> Iterator[tuple[str, Entry]]:
    """What the class that takes a section reads: keyword parameters, or reads of its parameter."""
    for call in ast.walk(scope):
        if not isinstance(call, ast.Call):
            continue
        spread = any(word.arg is None and last_name(word.value) == name for word in call.keywords)
        place = next((i for i, arg in enumerate(call.args) if last_name(arg) == name), None)
        resolved = trees.resolve(module, last_name(call.func)) if spread or place is not None else None
        if resolved is None or resolved.module is None or not isinstance(resolved.node, ast.ClassDef):
            continue
        for init in resolved.node.body:
            if isinstance(init, ast.FunctionDef) and init.name == "__init__":
                if spread:
                    yield from _keywords(trees, resolved.module, init)
                elif place is not None and len(init.args.args) > place + 1:
                    parameter = init.args.args[place + 1].arg
                    yield from _parameter(trees, resolved.module, resolved.node, init, parameter)


def _keywords(trees: Trees, module: Module, init: ast.FunctionDef) -> Iterator[tuple[str, Entry]]:
    args, defaults = init.args.args[1:], init.args.defaults
    pairs = [*zip(args[len(args) - len(defaults) :], defaults, strict=True)]
    pairs += [(arg, value) for arg, value in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True) if value]
    yield from _nodes(trees, module, [(arg.arg, value, arg) for arg, value in pairs])
    if init.args.kwarg:
        yield from _nodes(trees, module, _reads(trees, module, init, {init.args.kwarg.arg}))


def _parameter(
    trees: Trees, module: Module, cls: ast.ClassDef, init: ast.FunctionDef, name: str
) -> Iterator[tuple[str, Entry]]:
    yield from _nodes(trees, module, _reads(trees, module, init, {name}))
    if not any(
        isinstance(n, ast.Attribute) and n.attr == "items" and last_name(n.value) == name for n in ast.walk(init)
    ):
        return
    # A section that is looped over is checked against a table of the class.
    for table, value in assignments(cls.body):
        if isinstance(value, ast.Dict) and "default" in table.lower():
            rows = [(literal_text(trees, module, k), v, k) for k, v in zip(value.keys, value.values, strict=True)]
            yield from _nodes(
                trees, module, [(k, v, node) for k, v, node in rows if k is not None and node is not None]
            )


def _nodes(trees: Trees, module: Module, reads: Iterator[Read] | list[Read]) -> Iterator[tuple[str, Entry]]:
    for key, default, node in reads:
        entry: Entry = {"at": module.at(node)}
        _add_default(trees, module, entry, default)
        yield key, entry


def _merge(entry: Entry, nested: Iterator[tuple[str, Entry]] | list[tuple[str, Entry]]) -> None:
    for key, inner in nested:
        entry.setdefault("keys", {}).setdefault(key, inner)


def _add_default(trees: Trees, module: Module, entry: Entry, default: ast.expr | None) -> None:
    if default is None or "default" in entry:
        return
    try:
        value = trees.constant(module, default)
    except NotConstant:
        return
    if value is None or isinstance(value, (bool, int, float, str)):
        entry["default"] = value
