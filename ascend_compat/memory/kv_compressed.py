"""KV pages of compressed attention (DeepSeek-V4): full, windowed and state caches that draw from one pool of blocks.

Source: A 0.23.0 vllm_ascend/patch/platform/patch_kv_cache_utils.py:150-346, models/layer/attention/layer.py:33,
models/deepseek_v4.py:121-205, core/kv_cache_interface.py:241.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.plan import KvPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import Case, cdiv


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the two pages of a block, and the tokens of a block of plain keys."""

    page: int
    index_page: int
    tokens: int


def is_compressed(case: Case) -> bool:
    """Whether any layer adds keys that stand for several tokens."""
    return any(group.kind is AttentionKind.COMPRESSED for group in case.profile.attention)


def compressed_plan(case: Case, layers: range, draft: bool, room: int) -> KvPlan | None:
    """Blocks and requests that ``room`` bytes hold on a stage with ``layers``; ``None`` when a size is unknown.

    A block is one page of keys and one of index keys for every tuple of layers; ``draft`` adds the MTP layers, which
    keep a window only. A request takes blocks of every group: its tokens over ratio x block for compressed keys, the
    window and the profiled batch for plain keys and for the states of the compressors.
    """
    groups = [group for group in case.profile.attention if group.kind is AttentionKind.COMPRESSED]
    ratios = {group.compress_ratio or 0: sum(n in layers for n in group.layers) for group in groups}
    ratios = {ratio: count for ratio, count in sorted(ratios.items()) if count}
    sizes = _sizes(case, groups)
    window = next((group.window for group in case.profile.attention if group.window), None)
    if sizes is None or not ratios or 0 in ratios or window is None:
        return None
    more = case.draft_layers if draft else 0
    windows = [(len(layers) + more, sizes.tokens, window)]
    windows += [(count, *_state(case, sizes, ratio)) for ratio, count in ratios.items()]
    tuples = _tuples([*ratios.values(), *(count for count, _, _ in windows)], next(iter(ratios.values())))
    split = [cdiv(count, tuples) for count, _, _ in windows]
    longest = max(*ratios.values(), *(cdiv(row[0], parts) for row, parts in zip(windows, split, strict=True)))
    block = (sizes.page + sizes.index_page) * (longest + more)
    length = case.max_model_len
    per_request = sum(cdiv(length, sizes.tokens * ratio) for ratio in ratios)
    for (_, tokens, reach), parts in zip(windows, split, strict=True):
        per_request += parts * (cdiv(min(reach - 1 + case.batched_tokens, length), tokens) + 1)
    pages = max(0, room) // block
    requests = pages // per_request
    per_token = sum(count * sizes.page // (sizes.tokens * ratio) for ratio, count in ratios.items())
    logged = pages * length // per_request
    return KvPlan(per_token, sizes.tokens, block, pages, per_request, requests, requests * length, length, logged)


def _sizes(case: Case, groups: list[AttentionGroup]) -> Sizes | None:
    """A5 caches in 8 bits with 128 more columns and 4-byte scales, the others in the model dtype and 2-byte scales."""
    first = groups[0] if groups else None
    if first is None or not first.head_dim:
        return None
    newest = case.target.soc.device_type == "A5"
    tokens = case.block_size
    row = (
        first.head_dim + case.rules.integer("compressed_scale_columns")
        if newest
        else first.head_dim * case.element_bytes
    )
    index = (first.index_head_dim or 0) + (4 if newest else 2)
    return Sizes(tokens * row, tokens * index, tokens)


def _state(case: Case, sizes: Sizes, ratio: int) -> tuple[int, int]:
    """Tokens of a page of the compressor's state and the window it keeps; overlapping compressors keep two."""
    overlapped = ratio == case.rules.integer("compressed_overlap_ratio")
    share = case.switch("compressed_state_share_overlapped" if overlapped else "compressed_state_share")
    return max(1, sizes.tokens // int(share)), ratio * (2 if overlapped else 1)


def _tuples(counts: list[int], least: int) -> int:
    """Layers of a tuple: the number from ``least`` on that pads the groups least, the larger of equals.

    Source: V 0.23.0 vllm/v1/core/kv_cache_utils.py:1469.
    """
    known = [count for count in counts if count]
    sizes = range(least, max(known) + 1)
    return min(sizes, key=lambda size: (sum(-count % size for count in known), -size), default=least)
