"""Bytes a token or a recurrent state takes in the KV cache, per attention kind and release."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import LATENT, RECURRENT, Case, cdiv

_STATE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_INT8_CACHES = ("int8", "c8", "faquant", "fa_quant", "fp8")


@dataclass(frozen=True, slots=True)
class HybridBlock:
    """The attention block of a hybrid model: ``tokens``, the padded ``page_bytes``, and both sides of the start-up
    assertion ``key_bytes == state_bytes``."""

    tokens: int
    page_bytes: int
    key_bytes: int
    state_bytes: int

    @property
    def aligned(self) -> bool:
        """Whether the engine starts: the keys of a block must fill the recurrent state exactly."""
        return self.key_bytes == self.state_bytes


def token_bytes(case: Case, group: AttentionGroup, tp: int, dcp: int = 1) -> int | None:
    """KV bytes per token of one layer on one rank; ``None`` when a size is unknown.

    GQA: (key + value dim) x local KV heads (at least one); MLA: latent + rope, whole on every rank; DSA adds the
    indexer key. Source: A 0.23.0 vllm_ascend/core/kv_cache_interface.py, attention/attention_v1.py.
    """
    size, stored = case.element_bytes, stored_bytes(case)
    if group.kind in LATENT:
        if not group.kv_lora_rank or group.qk_rope_head_dim is None:
            return None
        if group.kind is AttentionKind.MLA:
            return group.kv_lora_rank * stored + group.qk_rope_head_dim * size
        return _sparse_bytes(case, group.kv_lora_rank, group.qk_rope_head_dim, group.index_head_dim or 0, dcp)
    if not group.head_dim or not group.kv_heads:
        return None
    width = group.head_dim + (group.v_head_dim or group.head_dim)
    return max(1, cdiv(group.kv_heads, tp)) * width * stored


def stored_bytes(case: Case) -> int:
    """Bytes per cached element: 1 for an 8-bit cache (C8, FAQuant, ``--kv-cache-dtype``), else the model dtype."""
    asked = (case.launch.flags or {}).get("--kv-cache-dtype") or "auto"
    declared = (case.profile.quantization.kv_cache or "").lower() if asked == "auto" else asked
    return 1 if any(name in declared for name in _INT8_CACHES) else case.element_bytes


def _sparse_bytes(case: Case, latent: int, rope: int, index: int, dcp: int) -> int:
    """Sparse attention: latent, rope and the indexer's key, each in 8 bits where its option is on.

    ``enable_sparse_sfa_c8`` packs the latent in one byte, the rope in two and a float32 scale for every tile;
    ``enable_sparse_li_c8`` stores the indexer's key with a 2-byte scale (4 on A5). Under decode context parallelism the
    indexer is kept for all ranks. Source: A 0.23.0 attention/utils.py:25, core/kv_cache_interface.py:85.
    """
    size = case.element_bytes
    if not case.switch("dsa_packed_page"):
        return 2 * (latent + rope) * size
    kept = (latent + rope) * size
    if case.option("enable_sparse_sfa_c8"):
        kept = latent + rope * 2 + 4 * (latent // case.rules.integer("sfa_tile"))
    if not index:
        return kept
    compact = case.option("enable_sparse_c8") or case.option("enable_sparse_li_c8")
    scale = 4 if case.target.soc.device_type == "A5" else 2
    return kept + dcp * (index + scale if compact else index * size)


def hybrid_block(case: Case, tp: int) -> HybridBlock | None:
    """The block of a model that mixes recurrent and attention layers, ``None`` when it does not or sizes are unknown.

    Source: A 0.18.0 vllm_ascend/patch/platform/patch_mamba_config.py:36.
    """
    state = next((group for group in case.profile.attention if group.kind in RECURRENT), None)
    attention = case.attending
    if state is None or attention is None:
        return None
    sizes = _state_bytes(case, state, tp)
    per_token = token_bytes(case, attention, tp)
    if sizes is None or per_token is None:
        return None
    ssm, conv = sizes
    kernel_block = case.block_size
    if not case.switch("hybrid_state_aligned"):
        tokens = kernel_block * cdiv(ssm + conv, kernel_block * per_token)
        return HybridBlock(tokens, tokens * per_token, ssm, ssm)
    latent = attention.kind in LATENT
    keys = (attention.kv_lora_rank or 0) * case.element_bytes if latent else per_token // 2
    tokens = kernel_block * cdiv(ssm, kernel_block * keys)
    return HybridBlock(tokens, tokens * 2 * keys + conv, keys * tokens, ssm)


def _state_bytes(case: Case, group: AttentionGroup, tp: int) -> tuple[int, int] | None:
    """Recurrent state and convolution state of one layer on one rank (GDN sizes)."""
    heads, keys, key_dim, value_dim = group.heads, group.kv_heads, group.head_dim, group.v_head_dim
    if not (heads and keys and key_dim and value_dim and group.conv_kernel):
        return None
    width = _STATE_BYTES.get((group.state_dtype or "").removeprefix("torch."), case.element_bytes)
    ssm = cdiv(heads, tp) * value_dim * key_dim * width
    channels = cdiv(2 * keys * key_dim + heads * value_dim, tp)
    conv = (group.conv_kernel - 1 + case.spec_tokens) * channels * case.element_bytes
    return ssm, conv
