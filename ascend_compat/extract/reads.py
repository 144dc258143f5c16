"""What a quantization scheme really computes with: parameters it reads, and dtypes only some devices have.

What is never read may stay uninitialised. A parameter counts as read when ``apply`` uses it, or when
``process_weights_after_loading`` makes something else of it; a new shape or layout of itself does not count, nor does
the use of one that was given another value before.
"""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, Trees

HOMES = ("vllm_ascend.quantization.", "vllm_ascend._310p.quantization.")
#: Beginnings of dtype names that not every device computes with.
NARROW = ("float8_", "float4_", "hifloat")
RUNS, PREPARES = "apply", "process_weights_after_loading"


def extract_reads(trees: Trees) -> dict[str, Any]:
    """``{scheme class: {reads, dtypes?, at}}``: classes with an ``apply`` in the plugin's quantization packages."""
    out: dict[str, Any] = {}
    for name in trees.vllm_ascend.names():
        module = trees.module(name) if name.startswith(HOMES) else None
        for node in module.tree.body if module else ():
            if isinstance(node, ast.ClassDef):
                methods = _methods(trees, f"{name}:{node.name}")
                if RUNS in methods:
                    read = _layer_attributes(methods[RUNS])
                    if PREPARES in methods:
                        read = (read - _replaced(methods[PREPARES])) | _made_of(methods[PREPARES])
                    out[node.name] = {"reads": sorted(read), "at": module.at(node) if module else name}
                    dtypes = _dtypes(trees, module, methods[RUNS])
                    if dtypes:
                        out[node.name]["dtypes"] = dtypes
    return dict(sorted(out.items()))


def _dtypes(trees: Trees, module: Module | None, method: ast.FunctionDef) -> list[str]:
    """Narrow dtypes that a method names, directly or through a constant of a module."""
    found: set[str] = set()
    pending: list[tuple[Module | None, ast.AST]] = [(module, method)]
    while pending:
        home, root = pending.pop()
        for node in every(root):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
            if isinstance(name, str) and name.startswith(NARROW):
                found.add(name)
            elif isinstance(node, ast.Name) and node.id.isupper() and home is not None and root is method:
                constant = trees.resolve(home, node.id)
                if constant is not None and isinstance(constant.node, (ast.Assign, ast.AnnAssign)):
                    pending.append((constant.module, constant.node))
    return sorted(found)


def _methods(trees: Trees, fqn: str) -> dict[str, ast.FunctionDef]:
    """Methods of a class, its own before those of its bases."""
    out: dict[str, ast.FunctionDef] = {}
    for name in trees.lineage(fqn):
        found = trees.find_class(name)
        for item in found[1].body if found else ():
            if isinstance(item, ast.FunctionDef):
                out.setdefault(item.name, item)
    return out


def _layer_attributes(node: ast.AST) -> set[str]:
    """``layer.name`` (``layer.name.data`` too), and names asked for with ``getattr(layer, "name")``."""
    found = set()
    for item in every(node):
        if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id == "layer":
            found.add(item.attr)
        elif isinstance(item, ast.Call) and ast.unparse(item.func) == "getattr" and len(item.args) > 1:
            name = item.args[1]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                found.add(name.value)
    return found


def _replaced(method: ast.FunctionDef) -> set[str]:
    """Attributes that get a value made of others, whatever the branch."""
    found: set[str] = set()
    for statement in method.body:
        if isinstance(statement, ast.Assign):
            whole = [target for target in statement.targets if isinstance(target, ast.Attribute)]
            targets = {name for target in whole for name in _layer_attributes(target)}
            found |= targets - _layer_attributes(statement.value)
    return found


def _made_of(method: ast.FunctionDef) -> set[str]:
    """Attributes that go into another attribute, a local value or a call; not those that only replace themselves."""
    found: set[str] = set()
    for statement in every(method):
        if isinstance(statement, ast.Assign):
            targets = {name for target in statement.targets for name in _layer_attributes(target)}
            found |= _layer_attributes(statement.value) - targets
        elif isinstance(statement, (ast.Return, ast.Expr, ast.AugAssign)):
            found |= _layer_attributes(statement)
    return found
