"""One layout judged: bytes on every pipeline stage, the first constraint that fails, the worst rank."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_compat.core.finding import Message, Param
from ascend_compat.core.plan import Attempt, KvPlan, Layout, RankMemory, WeightItem
from ascend_compat.core.units import gib
from ascend_compat.memory.case import Case
from ascend_compat.memory.kv_cache import page_kinds, plan_kv
from ascend_compat.memory.overhead import activation_bytes, graph_bytes, non_torch_bytes, sampler_bytes
from ascend_compat.memory.pieces import Piece
from ascend_compat.memory.validity import failures
from ascend_compat.memory.weights import stage_layers, stage_weights


def judge(case: Case, pieces: Sequence[Piece], layout: Layout) -> Attempt:
    """Static validity first, then memory on the worst stage; an invalid layout has no numbers."""
    invalid = failures(case, layout)
    if invalid:
        return Attempt(layout, False, invalid[0], None, None)
    rank, kv, _ = worst_stage(case, pieces, layout)
    failure = memory_failure(case, rank, kv)
    return Attempt(layout, failure is None, failure, rank, kv)


def worst_stage(
    case: Case, pieces: Sequence[Piece], layout: Layout
) -> tuple[RankMemory, KvPlan | None, tuple[WeightItem, ...]]:
    """Rank memory, KV plan (``None`` when a KV size is unknown) and weights of the stage with the fewest KV pages."""
    stages = [_stage(case, pieces, layout, stage) for stage in range(layout.pp)]
    return min(stages, key=lambda part: (part[1].pages if part[1] else 0, part[0].kv_cache))


def _stage(
    case: Case, pieces: Sequence[Piece], layout: Layout, stage: int
) -> tuple[RankMemory, KvPlan | None, tuple[WeightItem, ...]]:
    items = stage_weights(case, pieces, layout, stage)
    weights = sum(item.bytes for item in items)
    activation = activation_bytes(case, pieces, layout)
    non_torch = non_torch_bytes(case, layout)
    asked = case.launch.kv_cache_memory_bytes
    left = case.budget - weights - activation - non_torch if asked is None else asked
    if left > 0 and asked is None:
        left = int(left * case.switch("kv_share"))
    rank = RankMemory(
        weights, activation, non_torch, left, graph_bytes(case), case.budget, case.target.soc.memory_bytes
    )
    layers = stage_layers(case.profile.layers or 0, layout.pp)[stage]
    kinds = page_kinds(case, layout.tp, layers, draft=stage == layout.pp - 1)
    return rank, None if kinds is None else plan_kv(case, kinds, left), items


def memory_failure(case: Case, rank: RankMemory, kv: KvPlan | None) -> Message | None:
    """The first memory constraint that fails, ``None`` when the layout fits.

    Budget: weights, activation and non-torch within ``util * device`` (or, with a fixed KV size, all of it within the
    device); KV: one request of ``max_model_len``; tail: graph and sampler within what the budget leaves.
    """
    if case.launch.kv_cache_memory_bytes is None:
        if rank.kv_cache < 0:
            return _numbers("AC401.budget", rank.total, rank.budget, rank.device, rank)
    elif rank.total + rank.kv_cache > rank.device:
        return _numbers("AC401.device", rank.total + rank.kv_cache, rank.device, rank.device, rank)
    if kv is not None and kv.requests < 1:
        need = kv.pages_per_request * kv.page_bytes
        return _numbers("AC401.kv", need, max(0, rank.kv_cache), rank.device, rank, tokens=case.max_model_len)
    tail = rank.graph + sampler_bytes(case)
    if case.launch.kv_cache_memory_bytes is None and tail > rank.device - rank.budget:
        return _numbers("AC401.tail", tail, rank.device - rank.budget, rank.device, rank)
    return None


def _numbers(code: str, required: int, limit: int, available: int, rank: RankMemory, **more: int) -> Message:
    params = byte_params(required, limit, available)
    parts = {"weights_gib": round(gib(rank.weights), 2), "activation_gib": round(gib(rank.activation), 2)}
    return Message(code, {**params, **parts, **more})


def byte_params(required: int, limit: int, available: int) -> dict[str, Param]:
    """``required``, ``limit`` and ``available`` in bytes and, for the reader, in GiB."""
    sizes = {"required": required, "limit": limit, "available": available}
    return {**sizes, **{f"{name}_gib": round(gib(size), 2) for name, size in sizes.items()}}
