"""Attention backends of the platform by (MLA, sparse[, compress])."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.tree import NotConstant, Trees

HOME, FUNCTION = "vllm_ascend.platform", "get_attn_backend_cls"
KEYS = ("mla", "sparse", "compress")


def extract_backends(trees: Trees) -> list[dict[str, Any]]:
    """``{key: {mla, sparse}, backend, soc?, at}``; a table named after 310 holds on that SoC only."""
    module = trees.module(HOME)
    out: list[dict[str, Any]] = []
    functions = (
        [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef) and n.name == FUNCTION] if module else []
    )
    for node in ast.walk(functions[0]) if functions else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict) or module is None:
            continue
        table = ast.unparse(node.targets[0])
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            try:
                flags, backend = trees.constant(module, key), trees.constant(module, value)
            except NotConstant as stop:
                trees.unfollowed.append(str(stop))
                continue
            if isinstance(flags, tuple) and isinstance(backend, str) and all(isinstance(f, bool) for f in flags):
                entry = {"key": dict(zip(KEYS, flags, strict=False)), "backend": backend, "at": module.at(key or node)}
                out.append(entry | ({"soc": ["310P"]} if "310" in table else {}))
    if not out:
        trees.unfollowed.append(f"{HOME}.{FUNCTION}: no table of backends")
    return out
