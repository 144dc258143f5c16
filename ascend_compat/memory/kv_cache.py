"""KV cache pages: bytes of a page per attention kind, grouping of mixed layers, pages a request needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ascend_compat.core.plan import KvPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import LATENT, RECURRENT, Case, cdiv

_STATE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_INT8_CACHES = ("int8", "c8", "faquant", "fa_quant")
_UNCACHED = (AttentionKind.ENCODER, AttentionKind.CROSS)


@dataclass(frozen=True, slots=True)
class PageKind:
    """Layers with the same page: bytes and tokens of one page of one layer, and pages of a full-length request."""

    layers: int
    page_bytes: int
    page_tokens: int
    request_pages: int
    token_bytes: int
    recurrent: bool = False


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


def token_bytes(case: Case, group: AttentionGroup, tp: int) -> int | None:
    """KV bytes per token of one layer on one rank; ``None`` when a size is unknown.

    GQA: (key + value dim) x local KV heads (at least one); MLA: latent + rope, whole on every rank; DSA adds the
    indexer key. Source: A 0.23.0 vllm_ascend/core/kv_cache_interface.py, attention/attention_v1.py.
    """
    size, stored = case.element_bytes, _stored_bytes(case)
    if group.kind in LATENT:
        if not group.kv_lora_rank or group.qk_rope_head_dim is None:
            return None
        if group.kind is AttentionKind.MLA:
            return group.kv_lora_rank * stored + group.qk_rope_head_dim * size
        return _sparse_bytes(case, group.kv_lora_rank + group.qk_rope_head_dim, group.index_head_dim or 0)
    if not group.head_dim or not group.kv_heads:
        return None
    width = group.head_dim + (group.v_head_dim or group.head_dim)
    return max(1, cdiv(group.kv_heads, tp)) * width * stored


def _stored_bytes(case: Case) -> int:
    """Bytes per cached element: 1 for a checkpoint with int8 KV (C8, FAQuant), else the model dtype."""
    declared = (case.profile.quantization.kv_cache or "").lower()
    return 1 if any(name in declared for name in _INT8_CACHES) else case.element_bytes


def _sparse_bytes(case: Case, latent: int, index: int) -> int:
    """Sparse attention: the latent page and the indexer key, int8 with a 2-byte scale when the option is on."""
    if not case.switch("dsa_packed_page"):
        return 2 * latent * case.element_bytes
    compact = case.option("enable_sparse_c8") or case.option("enable_sparse_li_c8")
    return latent * case.element_bytes + (index + 2 if compact and index else index * case.element_bytes)


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


def page_kinds(case: Case, tp: int, layers: range, draft: bool) -> list[PageKind] | None:
    """Page kinds of the layers of one stage; ``draft`` adds the MTP layers. ``None`` when a size is unknown."""
    block = hybrid_block(case, tp)
    kinds: list[PageKind] = []
    for group in case.profile.attention:
        count = sum(layer in layers for layer in group.layers)
        if group.kind in _UNCACHED:
            continue
        if draft and group is case.attending:
            count += case.draft_layers
        kind = _recurrent_kind(case, count, block) if group.kind in RECURRENT else _kind(case, group, count, tp, block)
        if kind is None:
            return None
        if count:
            kinds.append(kind)
    return _unified(kinds)


def _recurrent_kind(case: Case, count: int, block: HybridBlock | None) -> PageKind | None:
    if block is None:
        return None
    cached = 1 if case.launch.enable_prefix_caching else 0
    pages = 1 + cached + case.spec_tokens
    return PageKind(count, block.page_bytes, case.max_model_len, pages, 0, recurrent=True)


def _kind(case: Case, group: AttentionGroup, count: int, tp: int, block: HybridBlock | None) -> PageKind | None:
    per_token = token_bytes(case, group, tp)
    if per_token is None:
        return None
    tokens = block.tokens if block else case.block_size
    pages = cdiv(case.max_model_len, tokens)
    if group.window and case.switch("sliding_window_pages"):
        pages = cdiv(min(group.window - 1 + case.batched_tokens, case.max_model_len), tokens) + 1
    return PageKind(count, block.page_bytes if block else tokens * per_token, tokens, pages, per_token)


def _unified(kinds: list[PageKind]) -> list[PageKind]:
    """Raise every page to the largest: a smaller one takes more tokens where it divides, else it is padded."""
    largest = max((kind.page_bytes for kind in kinds), default=0)
    unified = []
    for kind in kinds:
        ratio = largest // kind.page_bytes if not kind.recurrent and largest % kind.page_bytes == 0 else 1
        pages = cdiv(kind.request_pages, ratio)
        unified.append(replace(kind, page_bytes=largest, page_tokens=kind.page_tokens * ratio, request_pages=pages))
    return _merged(unified)


def _merged(kinds: Iterable[PageKind]) -> list[PageKind]:
    """Join kinds that differ only in their layer count."""
    joined: dict[PageKind, int] = {}
    for kind in kinds:
        key = replace(kind, layers=0)
        joined[key] = joined.get(key, 0) + kind.layers
    return [replace(key, layers=count) for key, count in joined.items()]


def group_size(case: Case, kinds: list[PageKind]) -> int:
    """Layers that share one block: the fewest of a kind, or the most when the counts are close.

    Source: V 0.23.0 vllm/v1/core/kv_cache_utils.py:1074 and :1161.
    """
    counts = [kind.layers for kind in kinds]
    close = max(counts) < case.rules.number("grouping_threshold") * min(counts)
    return max(counts) if close else min(counts)


def plan_kv(case: Case, kinds: list[PageKind], available: int) -> KvPlan:
    """Blocks, requests and tokens that ``available`` bytes hold; a negative amount holds nothing.

    ``page_bytes`` is one block over all layers that share it. ``tokens`` is ``requests * max_model_len``.
    """
    if not kinds:
        return KvPlan(
            0, case.block_size, 0, 0, 0, case.num_seqs, case.num_seqs * case.max_model_len, case.max_model_len
        )
    size = group_size(case, kinds)
    recurrent = any(kind.recurrent for kind in kinds)
    page = kinds[0].page_bytes * size * (int(case.switch("hybrid_kv_factor")) if recurrent else 1)
    pages = max(0, available) // page
    per_request = sum(cdiv(kind.layers, size) * kind.request_pages for kind in kinds)
    requests = pages // per_request
    tokens = min((kind.page_tokens for kind in kinds if not kind.recurrent), default=case.block_size)
    per_token = sum(kind.layers * kind.token_bytes for kind in kinds)
    return KvPlan(
        per_token, tokens, page, pages, per_request, requests, requests * case.max_model_len, case.max_model_len
    )
