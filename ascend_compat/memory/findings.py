"""Findings of the memory plan: what does not fit, what fits barely, what could not be counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ascend_compat.core.finding import Finding, Message
from ascend_compat.core.plan import Layout, MemoryPlan
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.verdict import Basis, Effect, Severity

_COUNTED = ("AC409.tensors", "AC409.size", "AC409.attention", "AC409.kv")
#: Refused layouts that start all the same.
_EFFECTS: Mapping[str, Effect] = {"AC412.hybrid_block": Effect.WRONG_OUTPUT}
#: Risks of a layout that fits: what they lead to, and the sentence of the remedy.
_RISKS: Mapping[str, tuple[Effect, str | None]] = {
    "AC402": (Effect.OUT_OF_MEMORY, "AC402.remedy"),
    "AC403": (Effect.OUT_OF_MEMORY, None),
    "AC405": (Effect.FAILS_AT_REQUEST, "AC405.remedy"),
}


def memory_findings(plan: MemoryPlan, target: Target, launch: LaunchProfile) -> tuple[Finding, ...]:
    """AC401 (does not fit), AC402 (tight), AC403 (tail), AC404 (concurrency), AC405 (MC2 buffer), AC409 (unknown),
    AC41x (invalid layout).

    A blocker is conditional when another card count or layout fits; its remedy names that layout.
    """
    return (*_unknown(plan), *_blockers(plan, target), *_concurrency(plan, launch))


def _blockers(plan: MemoryPlan, target: Target) -> Iterator[Finding]:
    studied = plan.studied
    if studied is None:
        if plan.tried:
            yield _nowhere(plan, target)
        return
    failure = studied.first_failure
    if failure is None:
        return
    code = failure.id.partition(".")[0]
    short = code == "AC401"
    effect = Effect.OUT_OF_MEMORY if short else _EFFECTS.get(failure.id, Effect.FAILS_AT_STARTUP)
    remedy = _way_out(plan)
    evidence = plan.evidence if short else plan.evidence[::-1]  # what refuses a layout is found last
    yield Finding(
        code, Severity.BLOCKER, effect, Basis.INFERRED if short else Basis.SOURCE, layout_name(studied.layout), failure,
        evidence, remedy, conditional=remedy is not None,
    )  # fmt: skip


def _way_out(plan: MemoryPlan) -> Message | None:
    """The layout that fits, and the flags with which the studied one would."""
    if plan.fix is None:
        return _remedy("AC401.remedy", plan.minimum)
    other = plan.minimum if plan.studied is not None and plan.minimum != plan.studied.layout else None
    cards = _remedy("AC401.fix_or_cards", other)
    return plan.fix if cards is None else Message(cards.id, {**cards.params, **plan.fix.params})


def _nowhere(plan: MemoryPlan, target: Target) -> Finding:
    """No layout of the search fits: short of memory, or, when memory was never reached, refused by a static check."""
    failures = [attempt.first_failure for attempt in plan.tried if attempt.first_failure is not None]
    largest = plan.tried[-1].layout.npus
    if any(failure.id.startswith("AC401") for failure in failures):
        message = Message("AC401.nowhere", {"npus": largest, "soc": target.soc.name})
        return Finding(
            "AC401", Severity.BLOCKER, Effect.OUT_OF_MEMORY, Basis.INFERRED, "memory", message, plan.evidence
        )
    code = failures[0].id.partition(".")[0]
    return Finding(
        code, Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, "every layout", failures[0], plan.evidence
    )


def _concurrency(plan: MemoryPlan, launch: LaunchProfile) -> Iterator[Finding]:
    studied, asked = plan.studied, launch.max_num_seqs
    kv = studied.kv if studied is not None and studied.fits else None
    if studied is None or kv is None or asked is None or kv.requests >= asked:
        return
    params = {"requests": kv.requests, "asked": asked, "tokens": kv.max_model_len}
    remedy = _remedy("AC404.remedy", plan.recommended) if plan.recommended not in (None, studied.layout) else None
    yield Finding(
        "AC404", Severity.INFO, Effect.DEGRADED, Basis.INFERRED, layout_name(studied.layout),
        Message("AC404.requests", params), plan.evidence, remedy,
    )  # fmt: skip


def _unknown(plan: MemoryPlan) -> Iterator[Finding]:
    """What makes the answer undetermined, and the risks of a layout that fits; plain assumptions stay in the plan."""
    for message in plan.unknown:
        code = message.id.partition(".")[0]
        if code in _RISKS:
            subject = layout_name(plan.studied.layout) if plan.studied else "memory"
            effect, sentence = _RISKS[code]
            remedy = _remedy(sentence, plan.recommended)
            yield Finding(code, Severity.WARNING, effect, Basis.INFERRED, subject, message, plan.evidence, remedy)
        elif message.id == "AC409.drafter":
            yield Finding(code, Severity.WARNING, Effect.NONE, Basis.INFERRED, "memory", message, plan.evidence)
        elif message.id in _COUNTED:
            yield Finding(
                code, Severity.WARNING, Effect.NONE, Basis.INFERRED, "memory", message, plan.evidence, undetermined=True
            )


def layout_name(layout: Layout) -> str:
    """``8 x (TP8 DP1 EP)``-style name for subjects."""
    parts = [f"TP{layout.tp}"]
    if layout.dp > 1:
        parts.append(f"DP{layout.dp}")
    if layout.pp > 1:
        parts.append(f"PP{layout.pp}")
    parts += [f"{name.upper()}{size}" for name, size in (("pcp", layout.pcp), ("dcp", layout.dcp)) if size > 1]
    if layout.ep:
        parts.append("EP")
    return f"{layout.npus} NPU: {' '.join(parts)}"


def _remedy(message_id: str | None, layout: Layout | None) -> Message | None:
    if layout is None or message_id is None:
        return None
    return Message(
        message_id,
        {"npus": layout.npus, "nodes": layout.nodes, "tp": layout.tp, "dp": layout.dp, "pp": layout.pp,
         "layout": layout_name(layout).partition(": ")[2]},
    )  # fmt: skip
