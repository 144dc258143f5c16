"""Which findings count against ``--fail-on``."""

from __future__ import annotations

from ascend_compat.core.report import FindingRow, ReportDocument
from ascend_compat.core.verdict import Severity, Verdict

#: Least severe first: ``undetermined`` counts what could not be settled beside the blockers.
FAIL_ON = ("blocker", "warning", "undetermined")


def counts(row: FindingRow, fail_on: str) -> bool:
    """Whether one finding is at or above the threshold."""
    floor = Severity.WARNING if fail_on == "warning" else Severity.BLOCKER
    return row.severity.rank >= floor.rank or (fail_on == "undetermined" and row.undetermined)


def fails(doc: ReportDocument, fail_on: str) -> bool:
    """Whether the report as a whole is at or above the threshold; an incompatible verdict always is."""
    if doc.verdict is Verdict.INCOMPATIBLE or (fail_on == "undetermined" and doc.verdict is Verdict.UNDETERMINED):
        return True
    return any(counts(row, fail_on) for row in doc.findings)
