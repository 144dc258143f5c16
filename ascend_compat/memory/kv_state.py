"""States of recurrent layers, and the block that hybrid models align their attention to."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import LATENT, RECURRENT, Case, cdiv
from ascend_compat.memory.kv_tokens import token_bytes

_STATE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_STATE_FLAG = "--mamba-ssm-cache-dtype"


@dataclass(frozen=True, slots=True)
class HybridBlock:
    """The attention block of a hybrid model: ``tokens``, the padded ``page_bytes``, and both sides of the start-up
    assertion ``key_bytes == state_bytes``. ``least`` is the block the engine computes, ``tokens`` the one it uses."""

    tokens: int
    page_bytes: int
    key_bytes: int
    state_bytes: int
    least: int

    @property
    def aligned(self) -> bool:
        """Whether the engine starts: the keys of a block must fill the recurrent state exactly."""
        return self.key_bytes == self.state_bytes


def hybrid_block(case: Case, tp: int) -> HybridBlock | None:
    """The block of a model that mixes recurrent and attention layers, ``None`` when it does not or sizes are unknown.

    Source: A 0.18.0 vllm_ascend/patch/platform/patch_mamba_config.py:36; before and after that rule a block of tokens
    holds all states (A 0.13.0 the same file, V 0.30.0 vllm/platforms/interface.py:778).
    """
    state = next((group for group in case.profile.attention if group.kind in RECURRENT), None)
    attention = case.attending
    if state is None or attention is None or attention.kind is AttentionKind.DSA:
        return None
    sizes = state_sizes(case, state, tp)
    per_token = token_bytes(case, attention, tp)
    if sizes is None or per_token is None:
        return None
    kernel = case.rules.integer("kernel_block")
    if not case.switch("hybrid_state_aligned"):
        least = kernel * cdiv(sum(sizes), kernel * per_token)
        tokens = max(least, case.block_size)
        return HybridBlock(tokens, tokens * per_token, sizes[-1], sizes[-1], least)
    keys = per_token // 2
    if attention.kind in LATENT:
        whole = not case.switch("hybrid_latent_keys")
        keys = per_token if whole else (attention.kv_lora_rank or 0) * case.element_bytes
        per_token = 2 * keys if whole else per_token
    convolution = min(sizes) if len(sizes) > 1 else 0
    least = kernel * cdiv(max(sizes), kernel * keys)
    tokens = max(least, case.block_size)
    return HybridBlock(tokens, tokens * per_token + convolution, keys * least, max(sizes), least)


def state_sizes(case: Case, group: AttentionGroup, tp: int) -> tuple[int, ...] | None:
    """Bytes of every state that one recurrent layer keeps for one sequence on one rank, the recurrence last.

    Source: V 0.23.0 vllm/model_executor/layers/mamba/mamba_utils.py. Gated delta: convolution over queries, keys and
    values. Mamba2: over the inner width and both groups, which are replicated until tp divides them. Kimi delta: three
    convolutions of one projection each, one tensor from 0.23. Plain linear attention keeps the recurrence alone.
    """
    kind, heads, dim, other = group.kind, group.heads, group.head_dim, group.v_head_dim
    if not (heads and dim):
        return None
    if kind is AttentionKind.LINEAR:
        return (cdiv(heads, tp) * dim * dim * case.element_bytes,)
    if not (group.conv_kernel and group.kv_heads and other):
        return None
    recurrence = cdiv(heads, tp) * dim * other * _width(case, group)
    row = (group.conv_kernel - 1 + case.spec_tokens) * case.element_bytes
    if kind is AttentionKind.MAMBA:
        groups = group.kv_heads if group.kv_heads % tp == 0 else tp
        return row * cdiv(heads * dim + 2 * groups * other, tp), recurrence
    channels = cdiv(2 * group.kv_heads * dim + heads * other, tp)
    if kind is AttentionKind.KDA and case.switch("split_delta_convolution"):
        return (*(3 * [row * cdiv(heads * dim, tp)]), recurrence)
    return row * channels, recurrence


def _width(case: Case, group: AttentionGroup) -> int:
    """Bytes of an element of the recurrence: the flag, the configuration, else float32 for Kimi delta attention."""
    asked = (case.launch.flags or {}).get(_STATE_FLAG) or "auto"
    named = group.state_dtype if asked == "auto" else asked
    default = 4 if group.kind is AttentionKind.KDA else case.element_bytes
    return _STATE_BYTES.get((named or "").removeprefix("torch."), default)
