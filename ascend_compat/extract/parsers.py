"""Names of the tool and reasoning parsers that a release registers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.scan import last_name, literal_text, mentioning
from ascend_compat.extract.statements import nodes
from ascend_compat.extract.tree import Module, Trees, assignments

Table = dict[str, dict[str, Any]]


def extract_parsers(trees: Trees) -> tuple[Table, Table]:
    """Tool parsers and reasoning parsers: ``{name: {"at": ...}}`` each.

    Three forms count: a module-level table ``{name: (file, class)}``, ``Manager.register_lazy_module(name, ...)`` and
    ``Manager.register_module(name)`` as a call or a decorator. The package or the manager's name tells the kind.
    """
    tool: Table = {}
    reasoning: Table = {}
    for tree in reversed(trees.trees):
        for module in mentioning(trees, tree, "ToolParserManager", "ReasoningParserManager"):
            for manager, name, at in (*_tables(module), *_calls(trees, module)):
                (reasoning if "reason" in manager.lower() else tool).setdefault(name, {"at": at})
    for label, table in (("tool", tool), ("reasoning", reasoning)):
        if not table:
            trees.unfollowed.append(f"{label} parsers: no registration found")
    return dict(sorted(tool.items())), dict(sorted(reasoning.items()))


def _tables(module: Module) -> Iterator[tuple[str, str, str]]:
    """Rows of module-level tables whose values are all (file, class) pairs."""
    for name, value in assignments(module.tree.body):
        if not isinstance(value, ast.Dict) or not value.keys:
            continue
        if not all(isinstance(item, ast.Tuple) and len(item.elts) == 2 for item in value.values):
            continue
        for key in value.keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield f"{module.name}.{name}", key.value, module.at(key)


def _calls(trees: Trees, module: Module) -> Iterator[tuple[str, str, str]]:
    for node in nodes(module.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        manager = last_name(node.func.value)
        if node.func.attr not in {"register_module", "register_lazy_module"} or not manager.endswith("ParserManager"):
            continue
        first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "name"), None)
        for item in first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]:
            name = literal_text(trees, module, item)
            if name is not None:
                yield manager, name, module.at(node)
