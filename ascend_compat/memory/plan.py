"""The memory answer: the studied layout, the smallest card count, and what was assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Message
from ascend_compat.core.plan import Attempt, Layout, MemoryPlan
from ascend_compat.core.profile import AttentionKind, ModelProfile
from ascend_compat.core.target import LONGEST, LaunchProfile, Target
from ascend_compat.core.units import gib
from ascend_compat.memory.attempt import Stage, at_end, byte_params, judge, longest_context, worst_stage
from ascend_compat.memory.calibrate import calibrate
from ascend_compat.memory.case import RULE_FILE, Case, make_case
from ascend_compat.memory.classes import Classes
from ascend_compat.memory.communication import BUFFER, asked_buffer_mib, buffer_mib, needed_buffer_mib
from ascend_compat.memory.fixes import TOO_LARGE_A_SHARE, fitting, fix
from ascend_compat.memory.overhead import chunk_bytes
from ascend_compat.memory.pieces import UNRECOGNISED, Piece, expert_bits, make_pieces
from ascend_compat.memory.rules import LAYOUTS_FILE, MemoryRules
from ascend_compat.memory.search import Found, Published, make_layout, search
from ascend_compat.memory.vision import vision_bytes


def make_plan(
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    launch: LaunchProfile,
    rules: MemoryRules,
    release: Mapping[str, Any],
    published: Sequence[Published] = (),
    classes: Classes | None = None,
) -> MemoryPlan:
    """Bytes per rank, KV pages and the minimum card count of a checkpoint on a target.

    ``release`` is the ``defaults`` section of the release's pack (``{"gpu_memory_utilization": {"value": 0.9, "at":
    "vllm/config/cache.py:41"}}``); what it lacks comes from the curated rules. Without tensors, or without the sizes
    the arithmetic needs, ``studied`` is ``None`` and ``unknown`` says what is missing. ``published`` are layouts
    upstream runs this family in, which the search tries first; ``classes`` is what the release's classes say.
    """
    return plan_case(make_case(facts, profile, target, launch, rules, release, classes), published)


def plan_case(case: Case, published: Sequence[Published] = ()) -> MemoryPlan:
    """The plan of a case whose settings are resolved; its evidence begins with the case's own."""
    missing = _missing(case)
    if missing:
        return MemoryPlan(None, None, None, (), (), case.evidence, missing)
    pieces = make_pieces(case)
    case = replace(case, expert_bits=expert_bits(pieces))
    asked = asked_layout(case)
    if case.launch.calibration is not None:
        case = calibrate(case, pieces, asked or make_layout(case, 1, 1, 1, False))
    found = search(case, pieces, published)
    if asked is None:
        found = with_smaller_share(case, pieces, found)
    studied = judge(case, pieces, asked) if asked else found.best
    stage = worst_stage(case, pieces, studied.layout) if studied and studied.rank else None
    longest = longest_context(case, studied.layout, stage) if studied and stage else None
    if case.launch.max_model_len == LONGEST and longest and studied:
        case = replace(case, max_model_len=longest)
        studied = judge(case, pieces, studied.layout)
        stage = worst_stage(case, pieces, studied.layout)
    return MemoryPlan(
        studied, found.best.layout if found.best else None, found.recommended, found.tried,
        stage.weights if stage else (),
        (*case.evidence, _device_evidence(case), *_refusal_evidence(case, studied, found)),
        (*case.unknown, *_doubts(case, pieces, studied, stage)), longest, _environment(case, found, studied),
        fix(case, pieces, studied, stage),
    )  # fmt: skip


def with_smaller_share(case: Case, pieces: Sequence[Piece], found: Found) -> Found:
    """The search, ended at the first layout that only a smaller share of the device than the default lets start.

    Such a layout stays refused, with that flag as its remedy: more cards would only buy off a default.
    """
    for number, attempt in enumerate(found.tried):
        failure = attempt.first_failure
        if failure is not None and failure.id in TOO_LARGE_A_SHARE and attempt.rank is not None:
            other = fitting(case, pieces, attempt, worst_stage(case, pieces, attempt.layout))
            if other is not None:
                return Found(attempt, search(other, pieces).recommended, found.tried[: number + 1])
    return found


def _environment(case: Case, found: Found, studied: Attempt | None) -> tuple[tuple[str, str], ...]:
    """Variables the layout to launch needs beyond the defaults."""
    attempt = found.best or studied
    if attempt is None or asked_buffer_mib(case) is not None:
        return ()
    size = buffer_mib(case, attempt.layout)
    return ((BUFFER, str(size)),) if size > case.rules.integer("hccl_buffer_mib") else ()


def asked_layout(case: Case) -> Layout | None:
    """The layout the launch profile names, sizes it leaves out being 1; ``None`` when it names none."""
    launch = case.launch
    if launch.tp is None and launch.dp is None and launch.pp is None:
        return None
    tp, dp, pp = launch.tp or 1, launch.dp or 1, launch.pp or 1
    ep = launch.ep if launch.ep is not None else case.profile.moe is not None and tp * dp * (launch.pcp or 1) > 1
    return make_layout(case, tp, dp, pp, ep)


def _counted(kind: AttentionKind) -> bool:
    """Whether the cache of a kind can be counted here."""
    return kind.counted or kind is AttentionKind.COMPRESSED


def _missing(case: Case) -> tuple[Message, ...]:
    """Facts without which no byte can be counted."""
    if not case.facts.tensors:
        return (Message("AC409.tensors", {"model": case.facts.spec}),)
    profile, reasons = case.profile, dict(case.profile.unknown)
    for name in ("hidden_size", "layers", "vocab_size"):
        if getattr(profile, name) is None:
            return (Message("AC409.size", {"size": name, "reason": reasons.get(name, "not in config.json")}),)
    if not profile.attention or any(not _counted(group.kind) for group in profile.attention):
        return (Message("AC409.attention", {"reason": reasons.get("attention", "its kind is not recognised")}),)
    return ()


def _doubts(case: Case, pieces: tuple[Piece, ...], studied: Attempt | None, stage: Stage | None) -> tuple[Message, ...]:
    """What the numbers leave open."""
    doubts: list[Message] = []
    if studied is not None and stage is not None:
        if studied.kv is None:
            doubts.append(Message("AC409.kv", {}))
        if studied.fits:
            doubts += _risks(case, studied.layout, stage)
        elif at_end(case, studied.layout, stage, "low") is None and _short(studied):
            low = {part.name: round(gib(part.low), 2) for part in stage.rank.estimates}
            sizes = {"activation_gib": low["activation"], "non_torch_gib": low["non_torch"]}
            doubts.append(Message("AC402.low", sizes))
    likely = int(vision_bytes(case, studied.layout if studied else make_layout(case, 1, 1, 1, False))[1])
    if likely:
        doubts.append(Message("AC409.vision", {"bytes": likely, "gib": round(gib(likely), 2)}))
    names = sum(piece.name == UNRECOGNISED for piece in pieces)
    if names:
        doubts.append(Message("AC409.modules", {"groups": names}))
    return tuple(doubts)


def _short(studied: Attempt) -> bool:
    """Whether bytes refuse a layout, not a static check."""
    return studied.first_failure is not None and studied.first_failure.id.startswith("AC401")


def _risks(case: Case, layout: Layout, stage: Stage) -> Iterator[Message]:
    """What may still go wrong with a layout that fits at likely values."""
    rank = stage.rank
    failure = at_end(case, layout, stage, "high")
    if rank.kv_cache < case.rules.number("tight_margin_fraction") * rank.device:
        sizes = {"room": rank.kv_cache, "room_gib": round(gib(rank.kv_cache), 2)}
        yield Message("AC402.room", {**sizes, "device_gib": round(gib(rank.device), 2)})
    elif failure is not None:
        high = {part.name: round(gib(part.high), 2) for part in rank.estimates}
        sizes = {"activation_gib": high["activation"], "non_torch_gib": high["non_torch"]}
        yield Message("AC402.high", {**sizes, "likely_gib": round(gib(rank.activation), 2)})
    chunk = chunk_bytes(case, layout)
    room = max(0, rank.device - rank.budget - rank.graph - rank.unprofiled)
    if chunk > room:
        yield Message("AC403.chunk", byte_params(chunk, room, rank.device))
    need, given = needed_buffer_mib(case, layout), asked_buffer_mib(case)
    if given is not None and need > given:
        yield Message("AC405.buffer", {"needed": need, "given": given})


def _refusal_evidence(case: Case, studied: Attempt | None, found: Found) -> Iterator[Evidence]:
    """Where the release makes the static check that refuses the layout under study, or the first that was tried."""
    attempt = studied or next(iter(found.tried), None)
    failure = attempt.first_failure if attempt else None
    rule = case.rules.check(failure.id, case.target) if failure else None
    if failure is None or rule is None:
        return
    yield Evidence(EvidenceKind.RULE, RULE_FILE.replace("memory.toml", LAYOUTS_FILE), None, f"{rule.id}: {rule.source}")
    yield from case.classes.evidence(failure)


def _device_evidence(case: Case) -> Evidence:
    soc = case.target.soc
    detail = f"{soc.name}: {soc.memory_bytes} bytes, {soc.npus_per_node} a node"
    return Evidence(EvidenceKind.RULE, RULE_FILE.replace("memory.toml", "soc.toml"), None, detail)
