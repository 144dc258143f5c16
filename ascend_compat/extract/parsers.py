"""Tool-call and reasoning parsers by name."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.tree import Trees

#: A table's name says what it holds; a decorator's manager does.
KINDS = (("tool", ("_TOOL_PARSERS_TO_REGISTER", "ToolParserManager")),
         ("reasoning", ("_REASONING_PARSERS_TO_REGISTER", "ReasoningParserManager")))  # fmt: skip
PACKAGES = ("vllm.tool_parsers", "vllm.reasoning", "vllm.entrypoints.openai.tool_parsers")


def extract_parsers(trees: Trees) -> tuple[dict[str, Any], dict[str, Any]]:
    """``tool_parsers`` and ``reasoning_parsers``: ``{name: {at}}``."""
    found: dict[str, dict[str, Any]] = {"tool": {}, "reasoning": {}}
    for name in trees.vllm.names():
        if not name.startswith(PACKAGES):
            continue
        module = trees.module(name)
        for node in ast.walk(module.tree) if module else ():
            assert module is not None
            for kind, marks in KINDS:
                for parser, place in _registered(node, marks):
                    found[kind].setdefault(parser, {"at": module.at(place)})
    return dict(sorted(found["tool"].items())), dict(sorted(found["reasoning"].items()))


def _registered(node: ast.AST, marks: tuple[str, str]) -> list[tuple[str, ast.AST]]:
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == marks[0]:
            return [(k.value, k) for k in node.value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{marks[1]}.register_module":
        literals = [c for a in [*node.args, *(k.value for k in node.keywords)] for c in ast.walk(a)]
        return [(c.value, node) for c in literals if isinstance(c, ast.Constant) and isinstance(c.value, str)]
    return []
