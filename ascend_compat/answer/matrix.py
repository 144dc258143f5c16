"""Every release x every SoC: cells judged one by one, neighbours that agree put together, the first that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from ascend_compat.answer.document import layout_part, text
from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.answer.shared import Shared
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Message
from ascend_compat.core.matrix import FirstRow, MatrixCell, MatrixRow
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Soc
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.errors import RuleError
from ascend_compat.knowledge.load import Rules

#: A release by name and how to get its pack.
Release = tuple[str, Callable[[], Mapping[str, Any]]]
Progress = Callable[[str, int, int], None]


def judged_rows(
    releases: Sequence[Release],
    socs: Sequence[Soc],
    rules: Rules,
    facts: CheckpointFacts,
    profile: ModelProfile,
    launch: LaunchProfile,
    progress: Progress,
) -> list[MatrixRow]:
    """A row per release, in the order given. A pack that can't be read makes a row that says so."""
    shared = Shared(rules)
    out = []
    for done, (name, load) in enumerate(releases):
        progress(name, done, len(releases))
        try:
            pack = load()
        except RuleError as error:
            cells = [_unjudged(soc, error) for soc in socs]
        else:
            cells = [_cell(judge(pack, rules, facts, profile, soc, launch, shared, brief=True)) for soc in socs]
        out.append(MatrixRow(releases=[name], cells=cells))
    progress("done", len(releases), len(releases))
    return out


def grouped(rows: Iterable[MatrixRow]) -> list[MatrixRow]:
    """Neighbours with the same cells as one row; its cells tell the reasons of the oldest release."""
    out = []
    for _, same in groupby(rows, key=lambda row: [_likeness(cell) for cell in row.cells]):
        known = list(same)
        out.append(MatrixRow(releases=[name for row in known for name in row.releases], cells=known[0].cells))
    return out


def first_rows(rows: Sequence[MatrixRow], socs: Sequence[Soc]) -> list[FirstRow]:
    """Per SoC the first release with a yes; where there is none, the first with a condition."""
    out = []
    for index, soc in enumerate(socs):
        column = [(row.releases[0], row.cells[index]) for row in rows]
        for verdict in (Verdict.COMPATIBLE, Verdict.CONDITIONAL):
            at = next((n for n, (_, cell) in enumerate(column) if cell.verdict is verdict), None)
            if at is not None:
                release, cell = column[at]
                condition = cell.blockers[0] if cell.blockers else None
                later = [name for name, other in column[at + 1 :] if other.verdict not in (verdict, Verdict.COMPATIBLE)]
                out.append(
                    FirstRow(soc=soc.name, release=release, verdict=verdict, condition=condition,
                             minimum=cell.minimum, not_in=later)
                )  # fmt: skip
                break
        else:
            out.append(FirstRow(soc=soc.name))
    return out


def _cell(found: Judgement) -> MatrixCell:
    blockers = [finding for finding in found.findings if finding.severity is Severity.BLOCKER]
    return MatrixCell(
        soc=found.target.soc.name,
        verdict=found.verdict,
        blockers=list(dict.fromkeys(finding.code for finding in blockers)),
        reason=text(blockers[0].message) if blockers else None,
        minimum=layout_part(found.plan.minimum),
    )


def _unjudged(soc: Soc, error: RuleError) -> MatrixCell:
    reason = text(Message("matrix.unjudged", {"reason": str(error)}))
    return MatrixCell(soc=soc.name, verdict=Verdict.UNDETERMINED, reason=reason)


def _likeness(cell: MatrixCell) -> tuple[Any, ...]:
    """What a reader would call the same answer: verdict, codes, kind of the first reason, cards."""
    reason = cell.reason and (cell.reason.id if cell.blockers else cell.reason.text)
    return (cell.verdict, cell.blockers, reason, cell.minimum)
