"""KV cache pages: pages of each kind of layer, grouping of mixed layers, pages a request needs, what the room holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ascend_compat.core.plan import KvPlan, Layout
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import RECURRENT, Case, cdiv, draft_case
from ascend_compat.memory.kv_state import HybridBlock, hybrid_block, state_sizes
from ascend_compat.memory.kv_tokens import token_bytes
from ascend_compat.memory.spread import sparse_attention

INDEXER = ".indexer."
_UNCACHED = (AttentionKind.ENCODER, AttentionKind.CROSS)


@dataclass(frozen=True, slots=True)
class PageKind:
    """Layers with the same page: bytes and tokens of one page of one layer, and pages of a full-length request.

    ``slots`` tells kinds apart that need different numbers of token slots; kinds of the same slots share one group.
    """

    layers: int
    page_bytes: int
    page_tokens: int
    request_pages: int
    token_bytes: int
    recurrent: bool = False
    slots: str = "full"


def page_kinds(case: Case, layout: Layout, layers: range, draft: bool) -> list[PageKind] | None:
    """Page kinds of the layers of one stage; ``draft`` adds the MTP layers. ``None`` when a size is unknown."""
    block = hybrid_block(case, layout.tp)
    kinds: list[PageKind] = []
    drafted = False
    for group in _by_indexer(case):
        count = sum(layer in layers for layer in group.layers)
        if group.kind in _UNCACHED:
            continue
        if draft and not drafted and group.kind not in RECURRENT:
            count, drafted = count + case.draft_layers, True
        make = _recurrent_kind if group.kind in RECURRENT else _kind
        kind = make(case, group, count, layout, block)
        if kind is None:
            return None
        if count:
            kinds.append(kind)
    own = _drafter_kinds(case, layout, block) if draft else []
    return None if own is None else _unified([*kinds, *own])


def _drafter_kinds(case: Case, layout: Layout, block: HybridBlock | None) -> list[PageKind] | None:
    """Layers of a separate draft model, which keep keys of their own; ``None`` when a size is unknown."""
    draft = draft_case(case)
    if draft is None or case.drafter is None:
        return []
    alone = replace(layout, tp=case.drafter.tp or layout.tp, pp=1)
    groups = (group for group in draft.profile.attention if group.kind not in (*_UNCACHED, *RECURRENT))
    kinds = [_kind(draft, group, len(group.layers), alone, block) for group in groups]
    return None if None in kinds else [kind for kind in kinds if kind is not None]


def _by_indexer(case: Case) -> Iterator[AttentionGroup]:
    """Attention groups, sparse ones split into layers that own an indexer and layers that reuse the top-k of another.

    Only the first cache an indexer key (A 0.23.0 vllm_ascend/worker/model_runner_v1.py:4960).
    """
    if not sparse_attention(case):
        yield from case.profile.attention
        return
    own = {n for group in case.facts.tensors if INDEXER in group.template for n in group.layers}
    for group in case.profile.attention:
        shared = tuple(n for n in group.layers if n not in own)
        if group.kind is not AttentionKind.DSA or not own or not shared:
            yield group
            continue
        yield replace(group, layers=tuple(n for n in group.layers if n in own))
        yield replace(group, layers=shared, index_head_dim=None)


def _recurrent_kind(
    case: Case, group: AttentionGroup, count: int, layout: Layout, block: HybridBlock | None
) -> PageKind | None:
    """Pages of states: one a request and one a speculative token, one more when states are kept at block borders.

    A model without attention pads nothing. Source: V 0.23.0 vllm/v1/kv_cache_interface.py:627.
    """
    sizes = state_sizes(case, group, layout.tp)
    if sizes is None or (block is None and case.attending is not None):
        return None
    mode = _state_mode(case)
    extra = 1 if mode == "align" else 0
    pages = 1 + extra + case.spec_tokens
    if mode == "all":
        pages = cdiv(case.max_model_len, block.tokens if block else case.block_size) + case.spec_tokens
    return PageKind(
        count, block.page_bytes if block else sum(sizes), case.max_model_len, pages, 0, recurrent=True, slots="state"
    )


def _state_mode(case: Case) -> str:
    """``--mamba-cache-mode`` as given; with prefix caching alone states are kept at block borders."""
    asked = (case.launch.flags or {}).get("--mamba-cache-mode")
    return asked or ("align" if case.launch.enable_prefix_caching else "none")


def _kind(case: Case, group: AttentionGroup, count: int, layout: Layout, block: HybridBlock | None) -> PageKind | None:
    per_token = token_bytes(case, group, layout.tp, layout.dcp)
    if per_token is None:
        return None
    tokens, length, slots = block.tokens if block else case.block_size, case.max_model_len, "full"
    share = cdiv(length, layout.dcp * layout.pcp)
    pages = cdiv(share, tokens)
    if group.window and case.switch("sliding_window_pages"):
        pages = cdiv(min(group.window - 1 + case.batched_tokens, length), tokens) + 1
        slots = f"window {group.window}"
    return PageKind(count, block.page_bytes if block else tokens * per_token, tokens, pages, per_token, slots=slots)


def _unified(kinds: list[PageKind]) -> list[PageKind]:
    """One page size for kinds that differ in slots: a smaller page takes more tokens where it divides, else padding.

    Kinds of the same slots form one group with pages of their own (V 0.23.0 vllm/v1/core/kv_cache_utils.py
    ``UniformTypeKVCacheSpecs``).
    """
    kinds = _merged(kinds)
    if len({kind.slots for kind in kinds}) < 2:
        return kinds
    largest = max(kind.page_bytes for kind in kinds)
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
    close = max(counts) < case.switch("grouping_threshold") * min(counts)
    return max(counts) if close else min(counts)


def _private(case: Case, kinds: list[PageKind]) -> bool:
    """Whether every layer has a buffer of its own, so that groups do not share blocks (recurrent models still do).

    Source: A 0.29.0rc1 vllm_ascend/worker/worker.py:650 scales the room by the pages of one group over those of all.
    """
    return bool(case.switch("kv_private_layers")) and not any(kind.recurrent for kind in kinds)


def plan_kv(case: Case, kinds: list[PageKind], available: int) -> KvPlan:
    """Blocks, requests and tokens that ``available`` bytes hold; a negative amount holds nothing.

    ``page_bytes`` is one block over all layers that share it. ``tokens`` is ``requests * max_model_len``.
    """
    length = case.max_model_len
    if not kinds:
        return KvPlan(0, case.block_size, 0, 0, 0, case.num_seqs, case.num_seqs * length, length, 0)
    if len({kind.slots for kind in kinds}) == 1:
        page, per_request = sum(kind.layers * kind.page_bytes for kind in kinds), kinds[0].request_pages
    else:
        size = group_size(case, kinds)
        page = kinds[0].page_bytes * (sum(kind.layers for kind in kinds) if _private(case, kinds) else size)
        per_request = sum(cdiv(kind.layers, size) * kind.request_pages for kind in kinds)
    pages = max(0, available) // page if page else 0
    requests = pages // per_request if per_request else 0
    tokens = min((kind.page_tokens for kind in kinds if not kind.recurrent), default=case.block_size)
    per_token = sum(kind.layers * kind.token_bytes for kind in kinds)
    return KvPlan(
        per_token, tokens, page, pages, per_request, requests, requests * length, length,
        logged_tokens(case, pages, per_request, tokens, _groups(kinds, case)), _copies(case, kinds),
    )  # fmt: skip


def logged_tokens(case: Case, pages: int, per_request: int, block: int, groups: int) -> int:
    """The engine's "GPU KV cache size" in tokens: by blocks a group, later by requests of ``max_model_len``.

    Source: V 0.18.0 vllm/v1/core/kv_cache_utils.py:1299, V 0.20.2 :1706.
    """
    if case.switch("kv_log_by_request"):
        return pages * case.max_model_len // per_request if per_request else 0
    return pages // groups * block * (case.launch.dcp or 1) * (case.launch.pcp or 1)


def _groups(kinds: list[PageKind], case: Case) -> int:
    """KV cache groups of the engine: layers of one kind, or of kinds with the same blocks, are one."""
    if len({kind.slots for kind in kinds}) == 1:
        return 1
    size = group_size(case, kinds)
    return sum(cdiv(kind.layers, size) for kind in kinds)


def _copies(case: Case, kinds: list[PageKind]) -> int:
    """How often the planned cache is allocated: a switch of the release, for models with recurrent layers."""
    if not any(kind.recurrent for kind in kinds):
        return 1
    return int(case.switch("hybrid_kv_copies")) or _groups(kinds, case)
