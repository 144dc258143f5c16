"""One layout judged: bytes on every pipeline stage, the first constraint that fails, the worst rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ascend_compat.core.finding import Message, Param
from ascend_compat.core.plan import Attempt, KvPlan, Layout, RankMemory, WeightItem
from ascend_compat.core.units import gib
from ascend_compat.memory.case import Case
from ascend_compat.memory.kv_cache import page_kinds, plan_kv
from ascend_compat.memory.kv_compressed import compressed_plan, is_compressed
from ascend_compat.memory.overhead import INSIDE, OUTSIDE, Overheads, overheads, unprofiled_bytes
from ascend_compat.memory.pieces import Piece
from ascend_compat.memory.validity import failures
from ascend_compat.memory.weights import load_extra, stage_layers, stage_weights


@dataclass(frozen=True, slots=True)
class Stage:
    """One rank of a pipeline stage; ``kv`` is ``None`` when a KV size is unknown."""

    rank: RankMemory
    kv: KvPlan | None
    weights: tuple[WeightItem, ...]
    index: int


def judge(case: Case, pieces: Sequence[Piece], layout: Layout) -> Attempt:
    """Static validity first, then memory on the worst stage; an invalid layout has no numbers."""
    invalid = failures(case, layout)
    if invalid:
        return Attempt(layout, False, invalid[0], None, None)
    stage = worst_stage(case, pieces, layout)
    failure = memory_failure(case, stage.rank, stage.kv)
    return Attempt(layout, failure is None, failure, stage.rank, stage.kv)


def worst_stage(case: Case, pieces: Sequence[Piece], layout: Layout) -> Stage:
    """The stage with the fewest KV pages."""
    parts = overheads(case, pieces, layout)
    stages = [_stage(case, pieces, layout, index, parts) for index in range(layout.pp)]
    return min(stages, key=lambda stage: (stage.kv.pages if stage.kv else 0, stage.rank.kv_cache))


def _stage(case: Case, pieces: Sequence[Piece], layout: Layout, index: int, parts: Overheads) -> Stage:
    items = stage_weights(case, pieces, layout, index)
    weights = int(sum(item.bytes for item in items) * case.factors.weights)
    asked = case.launch.kv_cache_memory_bytes
    graph = parts.graph.likely
    inside = graph if parts.graph.name == INSIDE else 0
    left = case.budget - weights - parts.activation.likely - parts.non_torch.likely - inside if asked is None else asked
    if left > 0 and asked is None:
        left = int(left * case.switch("kv_share"))
    rank = RankMemory(
        weights, parts.activation.likely, parts.non_torch.likely, left, graph - inside, case.budget,
        case.target.soc.memory_bytes, weights + load_extra(case, pieces, layout, index),
        unprofiled_bytes(case, pieces, layout), (parts.activation, parts.non_torch, parts.graph), inside,
    )  # fmt: skip
    return Stage(rank, stage_kv(case, layout, index, left), items, index)


def stage_kv(case: Case, layout: Layout, index: int, room: int) -> KvPlan | None:
    """What ``room`` bytes hold on a stage; ``None`` when a KV size is unknown."""
    layers, last = stage_layers(case, layout.pp)[index], index == layout.pp - 1
    if is_compressed(case):
        return compressed_plan(case, layers, last, room)
    kinds = page_kinds(case, layout, layers, draft=last)
    return None if kinds is None else plan_kv(case, kinds, room)


def longest_context(case: Case, layout: Layout, stage: Stage) -> int | None:
    """The longest context of one request that the stage's KV room holds; ``None`` when sizes are unknown."""
    if stage.kv is None:
        return None
    low, high = 0, case.profile.max_positions or case.rules.integer("longest_search")
    while low < high:
        middle = (low + high + 1) // 2
        kv = stage_kv(replace(case, max_model_len=middle), layout, stage.index, stage.rank.kv_cache)
        if kv is not None and kv.requests >= 1:
            low = middle
        else:
            high = middle - 1
    return low


def memory_failure(case: Case, rank: RankMemory, kv: KvPlan | None) -> Message | None:
    """The first memory constraint that fails, ``None`` when the layout fits.

    Budget: weights, activation and non-torch within ``util * device`` (or, with a fixed KV size, all, what start-up
    does not measure and the margin of the release's own suggestion within the device); load: weights before they are
    packed within the device; KV: one request of ``max_model_len``; tail: graph and what start-up does not measure
    within what the budget leaves; copies: everything within the device where a release allocates the planned cache
    several times.
    """
    if case.launch.kv_cache_memory_bytes is None:
        if rank.kv_cache < 0:
            return _numbers("AC401.budget", rank.total, rank.budget, rank.device, rank)
    else:
        held = rank.total + rank.kv_cache + rank.graph + rank.unprofiled + case.rules.integer("kv_size_margin_bytes")
        if held > rank.device:
            return _numbers("AC401.device", held, rank.device, rank.device, rank)
    if rank.load_peak > rank.device:
        return _numbers("AC401.load", rank.load_peak, rank.device, rank.device, rank)
    if kv is not None and kv.requests < 1:
        need = kv.pages_per_request * kv.page_bytes
        return _numbers("AC401.kv", need, max(0, rank.kv_cache), rank.device, rank, tokens=case.max_model_len)
    tail = rank.graph + rank.unprofiled
    if case.launch.kv_cache_memory_bytes is None and tail > rank.device - rank.budget:
        return _numbers("AC401.tail", tail, rank.device - rank.budget, rank.device, rank)
    if kv is not None and kv.copies > 1:
        held = rank.total + kv.pages * kv.page_bytes * kv.copies + tail
        if held > rank.device:
            return _numbers("AC401.copies", held, rank.device, rank.device, rank, copies=kv.copies)
    return None


def at_end(case: Case, layout: Layout, stage: Stage, end: str) -> Message | None:
    """The constraint that fails when activation, non-torch and graph memory are at their ``high`` or ``low`` values."""
    rank = stage.rank
    ends: dict[str, int] = {part.name: getattr(part, end) for part in rank.estimates}
    graph = ends.get(OUTSIDE, 0) + ends.get(INSIDE, 0)
    within = graph if rank.graph_inside else 0
    more = ends["activation"] - rank.activation + ends["non_torch"] - rank.non_torch + within - rank.graph_inside
    fixed = case.launch.kv_cache_memory_bytes is not None
    left = rank.kv_cache if fixed else rank.kv_cache - more
    moved = replace(
        rank,
        activation=ends["activation"],
        non_torch=ends["non_torch"],
        graph=graph - within,
        kv_cache=left,
        graph_inside=within,
    )
    return memory_failure(case, moved, stage_kv(case, layout, stage.index, left))


def _numbers(code: str, required: int, limit: int, available: int, rank: RankMemory, **more: int) -> Message:
    params = byte_params(required, limit, available)
    parts = {"weights_gib": round(gib(rank.weights), 2), "activation_gib": round(gib(rank.activation), 2)}
    return Message(code, {**params, **parts, **more})


def byte_params(required: int, limit: int, available: int) -> dict[str, Param]:
    """``required``, ``limit``, ``available`` and what is ``short`` in bytes and, for the reader, in GiB."""
    sizes = {"required": required, "limit": limit, "available": available, "short": required - limit}
    return {**sizes, **{f"{name}_gib": round(gib(size), 2) for name, size in sizes.items()}}
