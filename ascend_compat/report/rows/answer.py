"""Rows of the answer itself: the verdict in brief, the ways to a yes, the code that would have to change."""

from __future__ import annotations

from ascend_compat.core.report import FindingRow, RemedyRow
from ascend_compat.core.verdict import Severity
from ascend_compat.report.view import BLANK, Sentence, Table, View, code, joined, plain, size


def headline(view: View) -> str:
    """``GLM-4.7-FP8 on vllm-ascend 0.18.0rc1, A2``."""
    doc = view.doc
    return view.word("headline", model=doc.model.name, release=doc.target.vllm_ascend, soc=doc.target.soc)


def brief(view: View) -> Table:
    """Six lines a reader needs before anything else."""
    blockers = [row for row in view.findings() if row.severity is Severity.BLOCKER]
    first = joined(code(blockers[0].code), view.message(blockers[0])) if blockers else plain(view.word("none"))
    gates = [
        view.pair(view.choice("stage", row.stage), view.choice("prediction", row.prediction.value))
        for row in view.doc.gates
    ]
    way = view.text(view.doc.remedies[0].action) if view.doc.remedies else plain(view.word("way.none"))
    rows = [
        ("verdict", plain(view.verdict)),
        ("target", plain(f"vllm-ascend {view.doc.target.vllm_ascend}, {view.platform}")),
        ("minimum", plain(view.cards(view.doc.memory.minimum))),
        ("blocker", first),
        ("gates", plain("; ".join(gates))),
    ]
    rows += [] if view.runs else [("way", way)]
    return view.table("question answer", [(plain(view.word(f"brief.{name}")), row) for name, row in rows])


def remedies(view: View) -> Table:
    """The ways to a yes, cheapest first."""
    rows = [
        (
            plain(row.rank),
            view.text(row.action),
            _conditions(view, row),
            plain(row.npus),
            plain(view.word("way.verified" if row.verified else "way.derived")),
        )
        for row in sorted(view.doc.remedies, key=lambda remedy: remedy.rank)
    ]
    return view.table("rank action conditions npus basis", rows)


def conditions(view: View, row: RemedyRow) -> list[str]:
    """What a remedy presupposes: precision, release, device, and what the command loses."""
    precision = [view.choice("precision", row.precision)] if row.precision else []
    without = [view.word("way.without", flag=flag) for flag in row.without]
    return [*precision, *(part for part in (row.release, row.soc) if part), *without]


def code_changes(view: View) -> list[FindingRow]:
    """Blockers that no flag, variable or card count removes and that lie in the source, not in the checkpoint."""
    return [
        row
        for row in view.findings()
        if row.severity is Severity.BLOCKER
        and not row.conditional
        and any(evidence.kind.value == "source" for evidence in row.evidence)
        and not row.code.startswith(("AC1", "AC4"))
    ]


def provenance(view: View) -> Table:
    """Where the checkpoint came from and what was read of it."""
    model = view.doc.model
    rows = [
        ("spec", code(model.spec)),
        ("source", plain(view.choice("source", model.source))),
        ("revision", code(model.revision) if model.revision else plain(view.word("version.unpinned"))),
        (
            "read",
            plain(
                view.word("brief.headers" if model.has_weights else "brief.config", size=size(model.checkpoint_bytes))
            ),
        ),
    ]
    return view.table("question answer", [(plain(view.word(f"brief.{name}")), row) for name, row in rows])


def _conditions(view: View, row: RemedyRow) -> Sentence:
    return plain(", ".join(conditions(view, row))) or BLANK
