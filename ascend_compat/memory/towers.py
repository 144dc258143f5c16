"""Which towers a launch builds: not those whose inputs it limits to none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.core.json_flag import read_json
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.memory.rules import MemoryRules

#: No tower is built (V 0.18.0 vllm/model_executor/models/interfaces.py:244, config/multimodal.py:258).
TEXT_ONLY = "--language-model-only"
LIMIT = "--limit-mm-per-prompt"
#: Stands for every tower among the prefixes of those that are left out.
EVERY = ""
_INPUTS = ("image", "video", "audio")


def left_out(profile: ModelProfile, launch: LaunchProfile, rules: MemoryRules, target: Target) -> tuple[str, ...]:
    """Module prefixes of the towers that are not built, ``EVERY`` for all.

    A tower is left out when each of its inputs is limited to zero: images and videos of a vision tower, since most
    classes mark theirs for both (V 0.15.0 vllm/model_executor/models/interfaces.py, ``_mark_tower_model``).
    """
    flags = launch.flags or {}
    if TEXT_ONLY in flags:
        return (EVERY,)
    if not rules.switch("limits_leave_towers_out", target).value:
        return ()
    limits = _limits(flags)
    none = {name for name in _INPUTS if limits.get(name) == 0}
    if none == set(_INPUTS):
        return (EVERY,)
    out = [tower for tower in profile.towers if _inputs(tower.modality) <= none]
    return (EVERY,) if out and len(out) == len(profile.towers) else tuple(tower.prefix for tower in out)


def _inputs(modality: str) -> set[str]:
    return {"audio"} if modality == "audio" else {"image", "video"}


def _limits(flags: Mapping[str, str | None]) -> dict[str, Any]:
    """Largest number of inputs of a prompt by modality; what can't be read is not limited."""
    found = read_json(flags.get(LIMIT))
    limits = dict(found) if isinstance(found, dict) else {}
    for flag, value in flags.items():
        name, dot, modality = flag.partition(".")
        if name == LIMIT and dot:
            limits[modality] = read_json(value)
    counts = {name: value.get("count") if isinstance(value, dict) else value for name, value in limits.items()}
    return {name: count for name, count in counts.items() if type(count) is int}
