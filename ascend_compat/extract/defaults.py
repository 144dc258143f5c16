"""Defaults of the engine that memory hangs on, with their line."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.tree import NotConstant, Trees

#: Class and the fields whose literal default is wanted.
WANTED = (
    ("vllm.config.cache", "CacheConfig", ("gpu_memory_utilization", "block_size", "mamba_cache_mode", "cache_dtype",
                                          "DEFAULT_BLOCK_SIZE", "enable_prefix_caching")),
    ("vllm.config.scheduler", "SchedulerConfig", ("DEFAULT_MAX_NUM_BATCHED_TOKENS", "DEFAULT_MAX_NUM_SEQS",
                                                  "enable_chunked_prefill")),
)  # fmt: skip


def extract_defaults(trees: Trees) -> dict[str, Any]:
    """``{field: {value, at}}``; a default that is not a literal is absent."""
    out: dict[str, Any] = {}
    for home, name, fields in WANTED:
        found = trees.find_class(f"{home}:{name}")
        if found is None:
            trees.unfollowed.append(f"{home}.{name}: not found")
            continue
        module, node = found
        for item in node.body:
            target = item.target if isinstance(item, ast.AnnAssign) else None
            if isinstance(target, ast.Name) and target.id in fields and isinstance(item, ast.AnnAssign) and item.value:
                try:
                    out[target.id] = {"value": trees.constant(module, _literal(item.value)), "at": module.at(item)}
                except NotConstant:
                    continue
    return dict(sorted(out.items()))


def _literal(node: ast.expr) -> ast.expr:
    """``Field(default=x, ...)`` is ``x``."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("Field", "field"):
        return next((k.value for k in node.keywords if k.arg == "default"), node)
    return node
