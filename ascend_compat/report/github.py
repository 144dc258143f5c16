"""GitHub workflow commands: one annotation per finding, at its first place."""

from __future__ import annotations

from ascend_compat.core.finding import EvidenceKind
from ascend_compat.core.report import EvidenceRow, FindingRow, ReportDocument
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.escape import visible, workflow_data, workflow_property
from ascend_compat.report.rows.answer import headline
from ascend_compat.report.view import View, flat

_LEVELS = {Severity.BLOCKER: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render_github(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> str:
    """Annotations, then the verdict as an annotation of its own."""
    view = View(doc, lang)
    lines = [_annotation(view, row) for row in view.findings()]
    level = {Verdict.INCOMPATIBLE: "error", Verdict.COMPATIBLE: "notice"}.get(doc.verdict, "warning")
    verdict = view.pair(view.verdict, flat(view.text(doc.summary)))
    return "\n".join([*lines, _command(level, {"title": headline(view)}, verdict), ""])


def _annotation(view: View, row: FindingRow) -> str:
    where = next((item for item in row.evidence if item.kind is not EvidenceKind.RULE), row.evidence[0])
    remedy = view.remedy(row)
    lines = [
        flat(view.message(row)),
        f"{view.word('finding.evidence')} {', '.join(item.place for item in row.evidence)}",
    ]
    lines += [f"{view.word('finding.remedy')} {flat(remedy)}"] if remedy else []
    title = f"{row.code} {view.choice('effect', row.effect.value)}"
    return _command(_LEVELS[row.severity], {**_file(where), "title": title}, "\n".join(lines))


def _file(where: EvidenceRow) -> dict[str, str]:
    return {"file": where.path, **({"line": str(where.line)} if where.line is not None else {})}


def _command(level: str, properties: dict[str, str], message: str) -> str:
    named = ",".join(f"{name}={workflow_property(visible(value))}" for name, value in properties.items())
    return f"::{level} {named}::{workflow_data(visible(message, keep=chr(10)))}"
