"""The number of logical weights: stored elements without scales, packed ones counted as what they hold."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_compat.classify.quant.stored import is_companion, is_weight, values_per_element
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import QuantArgs, QuantProfile


def parameters(facts: CheckpointFacts, profile: QuantProfile, unknown: dict[str, str]) -> int | None:
    """All tensors that are not scales, offsets or other helpers of quantized weights, MTP and towers included.

    ``None`` with a reason in ``unknown`` without tensors, or when a packed weight's width is not declared.
    """
    if not facts.tensors:
        unknown["parameters"] = "no tensor was read"
        return None
    arguments: dict[str, QuantArgs | None] = {name: g.weights for g in profile.groups for name in g.modules}
    packed_bytes = _packs_int4(facts.quant_description)
    total = 0
    for group in facts.tensors:
        if profile.method is not None and is_companion(group):
            continue
        weights = arguments.get(group.module) or arguments.get(group.template)
        held = values_per_element(group, weights, packed_bytes) if is_weight(group) else 1
        if held is None:
            unknown["parameters"] = f"{group.template} is stored as {group.dtype} and its width is not declared"
            return None
        total += group.elements * held
    return total


def _packs_int4(description: Mapping[str, object] | None) -> bool:
    """ModelSlim packs int4 pairs from description version 1.0.0. Source: vllm-ascend, methods/w4a8.py."""
    return description is not None and description.get("version") == "1.0.0"
