"""Candidates of the remedy search as rows and sentences of the report."""

from __future__ import annotations

from ascend_compat.answer.document import layout_part, text
from ascend_compat.answer.remedies import GREAT, Candidate, ranked
from ascend_compat.answer.search import AS_IS
from ascend_compat.core import report as doc
from ascend_compat.core.finding import Message, Param
from ascend_compat.memory.findings import layout_name


def best_action(candidates: list[Candidate]) -> Message | None:
    """What the cheapest way to a yes asks for, ``None`` when no candidate works."""
    best = ranked(candidates)
    return action(best[0]) if best else None


def remedy_rows(candidates: list[Candidate]) -> list[doc.RemedyRow]:
    """Ranked rows of the candidates that work."""
    return [
        doc.RemedyRow(
            rank=rank,
            action=text(action(candidate)),
            kind=candidate.kind,
            precision=None if candidate.precision == AS_IS else candidate.precision,
            release=candidate.judgement.target.vllm_ascend,
            soc=candidate.judgement.target.soc.name,
            npus=candidate.layout.npus if candidate.layout else None,
            flags=list(candidate.flags),
            without=list(candidate.without),
            since=candidate.since,
            verified=True,
        )
        for rank, candidate in enumerate(ranked(candidates), start=1)
    ]


def action(candidate: Candidate) -> Message:
    """What to do, with the cards it takes; a message per kind, and per precision where weights change."""
    found = candidate.judgement
    layout = candidate.layout
    params: dict[str, Param] = {
        "release": found.target.vllm_ascend,
        "soc": found.target.soc.name,
        "npus": layout.npus if layout else None,
        "launch": ", ".join([*([layout_name(layout).partition(": ")[2]] if layout else []), *candidate.flags]),
        "flags": ", ".join(candidate.flags),
        "without": ", ".join(candidate.without),
        "since": candidate.since,
    }
    return Message(_template(candidate), params)


def _template(candidate: Candidate) -> str:
    if candidate.kind == "precision":
        return f"remedy.{candidate.precision}"
    if candidate.kind == "combination" and candidate.precision != AS_IS:
        return f"remedy.combination.{candidate.precision}"
    if candidate.kind == "flag" and candidate.without:
        return "remedy.flag.both" if candidate.flags else "remedy.flag.drop"
    later = candidate.since not in (None, candidate.judgement.target.vllm_ascend)
    return f"remedy.{candidate.kind}.since" if later else f"remedy.{candidate.kind}"


def alternative_rows(candidates: list[Candidate]) -> list[doc.AlternativeRow]:
    """Candidates of other weights, releases and devices with their verdict and smallest layout, for the memory part."""
    return [
        doc.AlternativeRow(
            precision=candidate.precision,
            soc=candidate.judgement.target.soc.name,
            npu_memory_bytes=candidate.judgement.target.soc.memory_bytes,
            minimum=layout_part(candidate.judgement.plan.minimum),
            release=candidate.judgement.target.vllm_ascend,
            verdict=candidate.judgement.verdict,
        )
        for candidate in candidates
        if any(candidate.asks(name) for name in GREAT)
    ]
