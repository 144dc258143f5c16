"""Layouts known not to fit: what a row says in words only, and the published launch it is a form of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from published import rows, same_launch

_KV = "kv-cache-memory-bytes"
_WORKS = re.compile(r"(\d+[MG])(?: explicit KV)? works")
_FAILS = re.compile(r"KV cache >= (\d+[MG])")
_AUTOMATIC = re.compile(r"auto-profiled KV .*?at (0\.\d+)")


def negatives(strengths: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The rows of these strengths as launches that can be judged."""
    return [_dated(_form({**row, **_worded(row)})) for row in rows("negatives") if row["strength"] in strengths]


def _dated(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of no release at that of the deployment which is the same launch."""
    other = None if row.get("release") else same_launch(row)
    return {**row, "release": other["release"]} if other else row


def _worded(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says in words only: the redundant experts that ran out of memory, and the fall-back to BF16."""
    why = str(row["why"])
    changes: dict[str, Any] = {"ep": "experts" in why or row["npus"] > 1}
    if "init_redundancy_expert" in why:
        count = int(why.partition("init_redundancy_expert=")[2].split(";")[0])
        changes["extra"] = {"additional_config": f'{{"dynamic_eplb": true, "init_redundancy_expert": {count}}}'}
        changes["max_num_batched_tokens"] = row["max_model_len"]
    if "fall back to BF16" in why:
        changes["precision"] = "bf16"
    if "32GB" in why:
        changes["mem_per_npu_gib"] = 32
    return changes


def _form(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row on the size of the KV cache: the published launch whose size it says works, with the size that does not."""
    why = str(row["why"])
    works, fails, automatic = _WORKS.search(why), _FAILS.search(why), _AUTOMATIC.search(why)
    if works is None or not (fails or automatic):
        return row
    for other in rows("deployments"):
        extra = other.get("extra") or {}
        if other["base_model"] == row["base_model"] and extra.get(_KV) == works.group(1):
            kept = {key: value for key, value in extra.items() if key != _KV}
            changes = {"extra": {**kept, _KV: fails.group(1)} if fails else kept}
            if automatic:
                changes["gpu_memory_utilization"] = float(automatic.group(1))
            return {**other, "id": row["id"], **changes}
    return row
