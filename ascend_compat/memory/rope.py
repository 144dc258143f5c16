"""Bytes of the rotary caches, whole on every rank: those of the engine, or of compressed layers."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.case import LATENT, Case, text_config

#: Cosines and sines.
_PAIR = 2


def rope_bytes(case: Case) -> int:
    """Rotary caches: copies x positions x rotary elements x model dtype; 0 when the model has no rotary attention.

    Source: A 0.23.0 vllm_ascend/ops/rotary_embedding.py:104; multi-axis caches V mrope.py:238; latent attention without
    positions builds none (V 0.23.0 models/kimi_linear.py:252).
    """
    group = case.attending
    width = case.profile.rotary_dim or (group and (group.qk_rope_head_dim or group.head_dim)) or 0
    if group is None or not case.profile.max_positions:
        return 0
    if any(known.kind is AttentionKind.COMPRESSED for known in case.profile.attention):
        return _compressed(case, width, case.profile.max_positions)
    config = text_config(case.facts, case.profile)
    if config.get("mla_use_nope") is True:
        return 0
    spaces = [config.get("rope_parameters"), config.get("rope_scaling"), dict(case.profile.rope)]
    multi = any(isinstance(space, Mapping) and "mrope_section" in space for space in spaces)
    name = "mrope_copies" if multi else "latent_rope_copies" if group.kind in LATENT else "rope_copies"
    return int(case.switch(name)) * case.profile.max_positions * width * case.element_bytes


def _compressed(case: Case, width: int, positions: int) -> int:
    """Cosines and sines of every position for each base, and of every batched token for each group of a base.

    The bases are those of plain and of compressed layers; their groups one each, and one more for every ratio
    (A 0.23.0rc1 vllm_ascend/models/deepseek_v4.py:790, ops/rope_dsv4.py:145 and :204). Drafts have groups of their own
    for every speculative token.
    """
    config = text_config(case.facts, case.profile)
    bases = len({config.get("rope_theta"), config.get("compress_rope_theta")} - {None}) or 1
    ratios = {group.compress_ratio for group in case.profile.attention if (group.compress_ratio or 0) > 1}
    steps = 1 + case.spec_tokens * int(case.switch("compressed_draft_rope"))
    rows = bases * positions + (bases + len(ratios)) * case.batched_tokens * steps
    return _PAIR * rows * width * int(case.switch("compressed_rope_bytes"))
