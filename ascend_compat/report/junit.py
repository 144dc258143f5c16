"""JUnit XML: one test case per finding, one for the verdict."""

from __future__ import annotations

from ascend_compat.core.report import FindingRow, ReportDocument
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.escape import xml
from ascend_compat.report.rows.answer import headline
from ascend_compat.report.threshold import counts, fails
from ascend_compat.report.view import View, flat


def render_junit(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE, fail_on: str = "blocker") -> str:
    """Findings at or above ``fail_on`` are failures, undetermined ones below it are skipped, the rest passes."""
    view = View(doc, lang)
    rows = view.findings()
    failures = sum(counts(row, fail_on) for row in rows) + fails(doc, fail_on)
    skipped = sum(row.undetermined and not counts(row, fail_on) for row in rows)
    totals = f'tests="{len(rows) + 1}" failures="{failures}" errors="0" skipped="{skipped}"'
    suite = f'  <testsuite name="{xml(headline(view))}" {totals}>'
    cases = [_verdict_case(view, fail_on), *(_case(view, row, fail_on) for row in rows)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="ascend-compat" {totals}>', suite]
    return "\n".join([*lines, *cases, "  </testsuite>", "</testsuites>", ""])


def _verdict_case(view: View, fail_on: str) -> str:
    verdict = view.pair(view.word("verdict"), view.verdict)
    summary = flat(view.text(view.doc.summary))
    outcome = _outcome("failure", verdict, summary) if fails(view.doc, fail_on) else ""
    return _testcase("verdict", verdict, outcome)


def _case(view: View, row: FindingRow, fail_on: str) -> str:
    message = flat(view.message(row))
    remedy = view.remedy(row)
    lines = [message, *(f"{evidence.place} {evidence.detail}".rstrip() for evidence in row.evidence)]
    lines += [f"{view.word('finding.remedy')} {flat(remedy)}"] if remedy else []
    detail = "\n".join(lines)
    outcome = f"<system-out>{xml(detail)}</system-out>"
    if counts(row, fail_on):
        outcome = _outcome("failure", message, detail, row.effect.value)
    elif row.undetermined:
        outcome = f'<skipped message="{xml(message)}"/>'
    return _testcase(row.code, f"{row.code} {row.subject}", outcome)


def _testcase(group: str, name: str, outcome: str) -> str:
    return f'    <testcase classname="ascend-compat.{xml(group)}" name="{xml(name)}">{outcome}</testcase>'


def _outcome(tag: str, message: str, detail: str, kind: str = "verdict") -> str:
    return f'<{tag} type="{xml(kind)}" message="{xml(message)}">{xml(detail)}</{tag}>'
