"""Markdown sections that argue: findings, ways to a yes, memory, validation, limits, code changes."""

from __future__ import annotations

from ascend_compat.core.report import FindingRow
from ascend_compat.core.verdict import Verdict
from ascend_compat.report.escape import markdown_code
from ascend_compat.report.markup import bullets, document, heading, inline, paragraph, table
from ascend_compat.report.rows import answer, support
from ascend_compat.report.rows import memory as memory_rows
from ascend_compat.report.view import Sentence, View, code, joined, place, plain


def way(view: View) -> list[str]:
    """The shortest way to a yes, or that none is needed or known."""
    if view.doc.remedies:
        return [paragraph(view.say("way.intro")), table(answer.remedies(view))]
    return [paragraph(view.say("way.not_needed" if view.runs else "way.unknown"))]


def findings(view: View) -> list[str]:
    """Every finding with its evidence and the path through the rules."""
    rows = view.findings()
    return [_finding(view, row) for row in rows] or [paragraph(view.say("findings.none"))]


def memory(view: View) -> list[str]:
    """The smallest card count, the rank it leads to, and every layout that was tried."""
    doc, part = view.doc, view.doc.memory
    return [
        paragraph(view.say("memory.minimum", cards=view.cards(part.minimum))),
        paragraph(view.say("memory.only")) if part.minimum and doc.verdict is Verdict.INCOMPATIBLE else "",
        paragraph(view.say("memory.recommended", cards=view.cards(part.recommended))) if part.recommended else "",
        paragraph(memory_rows.longest(view)) if part.longest else "",
        _titled(view, "rank", table(memory_rows.rank(view)), view.layout(part.layout)),
        _titled(view, "estimates", table(memory_rows.estimates(view))),
        _titled(view, "breakdown", table(memory_rows.breakdown(view))),
        _titled(view, "kv", table(memory_rows.capacity(view))),
        _titled(view, "tried", table(memory_rows.tried(view))),
        _titled(view, "alternatives", table(memory_rows.alternatives(view))),
        _titled(view, "memory_evidence", bullets(place(row) for row in part.evidence)),
        bullets(view.text(text) for text in part.unknown),
    ]


def validation(view: View) -> list[str]:
    """The prediction for each gate, then the features."""
    return [
        paragraph(view.say("validation.note")),
        table(support.gates(view)),
        heading(3, view.word("section.features")) if view.doc.features else "",
        table(support.features(view)),
    ]


def limits(view: View) -> list[str]:
    """What this report does not say."""
    unknown = [view.message(row) for row in view.findings() if row.undetermined]
    said = [view.text(text) for text in view.doc.limits] or [view.say("limits.static")]
    return [bullets([*said, *unknown])]


def changes(view: View) -> list[str]:
    """Whether code has to change, where, and what avoids it."""
    rows = answer.code_changes(view)
    if not rows:
        return [paragraph(view.say("changes.none" if view.runs else "changes.not_code"))]
    needed = [joined(code(row.code), plain(row.subject), code(_source(row))) for row in rows]
    avoid = view.say("changes.avoid") if view.doc.remedies else ()
    return [paragraph(view.say("changes.needed")), bullets(needed), inline(avoid)]


def _finding(view: View, row: FindingRow) -> str:
    severity = view.choice("severity", row.severity.value)
    facts = [
        _fact(view, "effect", plain(view.choice("effect", row.effect.value))),
        _fact(view, "basis", plain(view.choice("basis", row.basis.value))),
        _fact(view, "subject", code(row.subject)),
    ]
    facts += [_fact(view, "state", plain(view.word("state.undetermined")))] if row.undetermined else []
    facts += [_fact(view, "state", plain(view.word("state.conditional")))] if row.conditional else []
    remedy = view.remedy(row)
    facts += [_fact(view, "remedy", remedy)] if remedy else []
    path = " → ".join(markdown_code(node) for node in row.path)
    parts = [
        heading(3, f"{row.code} · {severity}"),
        paragraph(view.message(row)),
        "\n".join(facts),
        f"{inline(view.say('finding.evidence'))}\n\n{bullets(place(evidence) for evidence in row.evidence)}",
        f"{inline(view.say('finding.path'))} {path}" if path else "",
    ]
    return document(parts).rstrip("\n")


def _fact(view: View, name: str, sentence: Sentence) -> str:
    return f"- {inline(view.say(f'finding.{name}'))} {inline(sentence)}"


def _titled(view: View, name: str, content: str, detail: str = "") -> str:
    title = view.word(f"section.{name}") + (f" ({detail})" if detail else "")
    return document([heading(3, title), content]).rstrip("\n") if content else ""


def _source(row: FindingRow) -> str:
    return next((evidence.place for evidence in row.evidence if evidence.kind.value == "source"), row.evidence[0].place)
