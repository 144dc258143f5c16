"""Patch modules of the plugin that replace a decision: they belong to the code that is replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ascend_compat.extract.entries import ENTRY_PACKAGES, OVERRIDES_ONLY, PARTIAL

HOMES = (*ENTRY_PACKAGES, OVERRIDES_ONLY, "vllm.platforms")
#: Methods that decide: those of the entry classes, and of every quantization configuration.
DECISIVE = frozenset({"override_quantization_method", "get_quant_method", "from_config"}).union(*PARTIAL.values())


def patching(patches: Iterable[Mapping[str, Any]]) -> dict[str, set[int]]:
    """``{module: lines}`` of the assignments that replace a deciding method of the engine or the platform.

    ``patches`` are the pack's.
    """
    out: dict[str, set[int]] = {}
    for row in patches:
        path, _, line = row["at"].rpartition(":")
        if row["target"].startswith(HOMES) and row["target"].rpartition(".")[2] in DECISIVE:
            module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            out.setdefault(module, set()).add(int(line))
    return out
