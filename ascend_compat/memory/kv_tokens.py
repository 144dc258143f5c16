"""Bytes a token takes in the KV cache of one layer, per attention kind and release."""

from __future__ import annotations

from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import LATENT, Case, cdiv

_INT8_CACHES = ("int8", "c8", "faquant", "fa_quant", "fp8")


def token_bytes(case: Case, group: AttentionGroup, tp: int, dcp: int = 1) -> int | None:
    """KV bytes per token of one layer on one rank; ``None`` when a size is unknown.

    GQA: (key + value dim) x local KV heads (at least one); MLA, windowed or not: latent + rope, whole on every rank;
    DSA adds the indexer key, block-sparse attention one key of its indexer in the dtype of the cache
    (A 0.30.0rc2 vllm_ascend/models/minimax_m3/msa_m3.py:223). Source: A 0.23.0 vllm_ascend/core/kv_cache_interface.py,
    attention/attention_v1.py.
    """
    size, stored = case.element_bytes, stored_bytes(case)
    if group.kind in LATENT or group.kv_lora_rank:
        if not group.kv_lora_rank or group.qk_rope_head_dim is None:
            return None
        if group.kind is not AttentionKind.DSA:
            return group.kv_lora_rank * stored + group.qk_rope_head_dim * size
        return _sparse_bytes(case, group.kv_lora_rank, group.qk_rope_head_dim, group.index_head_dim or 0, dcp)
    if not group.head_dim or not group.kv_heads:
        return None
    width = group.head_dim + (group.v_head_dim or group.head_dim)
    index = group.index_head_dim or 0 if group.kind is AttentionKind.BLOCK_SPARSE else 0
    return max(1, cdiv(group.kv_heads, tp)) * width * stored + index * stored


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
