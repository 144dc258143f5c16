"""The memory answer: the studied layout, the smallest card count, and what was assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Message
from ascend_compat.core.plan import Attempt, Layout, MemoryPlan
from ascend_compat.core.profile import AttentionKind, ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.units import gib
from ascend_compat.memory.attempt import byte_params, judge, worst_stage
from ascend_compat.memory.case import RULE_FILE, Case, make_case
from ascend_compat.memory.overhead import chunk_bytes, sampler_bytes, vision_bytes
from ascend_compat.memory.pieces import UNRECOGNISED, Piece, make_pieces
from ascend_compat.memory.rules import MemoryRules
from ascend_compat.memory.search import make_layout, search


def make_plan(
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    launch: LaunchProfile,
    rules: MemoryRules,
    release: Mapping[str, Any],
) -> MemoryPlan:
    """Bytes per rank, KV pages and the minimum card count of a checkpoint on a target.

    ``release`` is the ``defaults`` section of the release's pack (``{"gpu_memory_utilization": {"value": 0.9, "at":
    "vllm/config/cache.py:41"}}``); what it lacks comes from the curated rules. Without tensors, or without the sizes
    the arithmetic needs, ``studied`` is ``None`` and ``unknown`` says what is missing.
    """
    return plan_case(make_case(facts, profile, target, launch, rules, release))


def plan_case(case: Case) -> MemoryPlan:
    """The plan of a case whose settings are resolved; its evidence begins with the case's own."""
    missing = _missing(case)
    if missing:
        return MemoryPlan(None, None, None, (), (), case.evidence, missing)
    pieces = make_pieces(case)
    found = search(case, pieces)
    asked = asked_layout(case)
    studied = judge(case, pieces, asked) if asked else found.best
    breakdown = worst_stage(case, pieces, studied.layout)[2] if studied and studied.rank else ()
    return MemoryPlan(
        studied, found.best.layout if found.best else None, found.recommended, found.tried, breakdown,
        (*case.evidence, _device_evidence(case)), (*case.unknown, *_doubts(case, pieces, studied)),
    )  # fmt: skip


def asked_layout(case: Case) -> Layout | None:
    """The layout the launch profile names, sizes it leaves out being 1; ``None`` when it names none."""
    launch = case.launch
    if launch.tp is None and launch.dp is None and launch.pp is None:
        return None
    tp, dp, pp = launch.tp or 1, launch.dp or 1, launch.pp or 1
    ep = launch.ep if launch.ep is not None else case.profile.moe is not None and tp * dp > 1
    return make_layout(case, tp, dp, pp, ep)


def _missing(case: Case) -> tuple[Message, ...]:
    """Facts without which no byte can be counted."""
    if not case.facts.has_weights or not case.facts.tensors:
        return (Message("AC409.tensors", {"model": case.facts.spec}),)
    profile, reasons = case.profile, dict(case.profile.unknown)
    for name in ("hidden_size", "layers", "vocab_size"):
        if getattr(profile, name) is None:
            return (Message("AC409.size", {"size": name, "reason": reasons.get(name, "not in config.json")}),)
    if not profile.attention or any(group.kind is AttentionKind.UNKNOWN for group in profile.attention):
        return (Message("AC409.attention", {"reason": reasons.get("attention", "its kind is not recognised")}),)
    return ()


def _doubts(case: Case, pieces: tuple[Piece, ...], studied: Attempt | None) -> tuple[Message, ...]:
    """What the numbers leave open."""
    doubts = []
    if studied is not None and studied.rank is not None:
        if studied.kv is None:
            doubts.append(Message("AC409.kv", {}))
        chunk = chunk_bytes(case, studied.layout)
        room = studied.rank.device - studied.rank.budget - studied.rank.graph - sampler_bytes(case)
        left = studied.rank.kv_cache
        if studied.fits and left < case.rules.number("tight_margin_fraction") * studied.rank.device:
            sizes = {"room": left, "room_gib": round(gib(left), 2), "device_gib": round(gib(studied.rank.device), 2)}
            doubts.append(Message("AC402.room", sizes))
        if studied.fits and chunk > max(0, room):
            doubts.append(Message("AC403.chunk", byte_params(chunk, max(0, room), studied.rank.device)))
    if vision_bytes(case):
        doubts.append(Message("AC409.vision", {"bytes": vision_bytes(case), "gib": round(gib(vision_bytes(case)), 2)}))
    names = sum(piece.name == UNRECOGNISED for piece in pieces)
    if names:
        doubts.append(Message("AC409.modules", {"groups": names}))
    return tuple(doubts)


def _device_evidence(case: Case) -> Evidence:
    soc = case.target.soc
    detail = f"{soc.name}: {soc.memory_bytes} bytes, {soc.npus_per_node} a node"
    return Evidence(EvidenceKind.RULE, RULE_FILE.replace("memory.toml", "soc.toml"), None, detail)
