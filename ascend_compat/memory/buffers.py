"""Buffers a model allocates while it is loaded, sized by the batched tokens and whole on every rank."""

from __future__ import annotations

from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.case import Case, stream_count, text_config
from ascend_compat.memory.vision import deepstack_levels

_INDEX_BYTES = 4
#: Values of the switch of the buffer of residual streams; 0 where there is none.
_ALWAYS, _DRAFTED = 1, 2


def load_buffers(case: Case, last: bool) -> int:
    """Bytes of the buffers on one rank of a stage; ``last`` is the stage that holds the MTP layers."""
    return _deepstack(case) + _indices(case, last) + _streams(case, last)


def _deepstack(case: Case) -> int:
    """One row of hidden states a token for every level of the encoder (V 0.18.0 models/qwen3_vl.py:1425)."""
    width = deepstack_levels(case) * (case.profile.hidden_size or 0)
    return case.batched_tokens * width * case.element_bytes


def _indices(case: Case, last: bool) -> int:
    """The chosen positions of sparse attention, shared by the layers (V 0.30.0 models/deepseek_v2.py:1438).

    An MTP layer has one of its own (V 0.30.0 models/deepseek_mtp.py:89).
    """
    chosen = text_config(case.facts, case.profile).get("index_topk")
    kinds = {group.kind for group in case.profile.attention}
    if not isinstance(chosen, int) or not kinds & {AttentionKind.DSA, AttentionKind.COMPRESSED}:
        return 0
    count = (1 + (case.draft_layers if last else 0)) * int(case.switch("index_buffers"))
    return count * case.batched_tokens * chosen * _INDEX_BYTES


def _streams(case: Case, last: bool) -> int:
    """The residual streams of compressed attention, kept for the draft (A 0.23.0rc1 models/deepseek_v4.py:1082)."""
    when = int(case.switch("stream_buffer"))
    drafted = last and case.draft_layers > 0
    if stream_count(case) == 1 or not (when == _ALWAYS or (when == _DRAFTED and drafted)):
        return 0
    return case.batched_tokens * stream_count(case) * (case.profile.hidden_size or 0) * case.element_bytes
