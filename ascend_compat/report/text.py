"""The report for a terminal: verdict first, findings with evidence, minimum cards, the way to a yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ascend_compat.core.finding import EvidenceKind
from ascend_compat.core.report import FindingRow, RankPart, ReportDocument
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.errors import UsageError
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.excerpts import Excerpts, Lines
from ascend_compat.report.rows import answer, memory, support
from ascend_compat.report.screen import Screen, styled
from ascend_compat.report.view import Sentence, View, code, joined, number, place, plain, size

if TYPE_CHECKING:
    from rich.text import Text as RichText

_VERDICT_STYLE = {
    Verdict.COMPATIBLE: "bold green",
    Verdict.CONDITIONAL: "bold yellow",
    Verdict.INCOMPATIBLE: "bold red",
    Verdict.UNDETERMINED: "bold magenta",
}
_SEVERITY_STYLE = {Severity.BLOCKER: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_BAR: Mapping[str, tuple[str, str]] = {
    "weights": ("█", "blue"), "activation": ("▓", "yellow"), "non_torch": ("▒", "magenta"),
    "graph_inside": ("▚", "cyan"), "kv_cache": ("░", "green"), "outside": ("·", "dim"),
}  # fmt: skip
_NOTES_SHOWN = 5
_IN_TREES = (EvidenceKind.SOURCE, EvidenceKind.DOC)


def render_text(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE, *, width: int = 80, color: bool = False) -> str:
    """The whole answer within ``width`` columns; ``color`` adds ANSI styles."""
    screen = Screen(width, color)
    view = View(doc, lang)
    _verdict(screen, view)
    _findings(screen, view)
    render_memory_part(screen, view)
    _way(screen, view)
    return screen.text()


def render_estimate(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE, *, width: int = 80, color: bool = False) -> str:
    """Only the memory answer: the layout under study, the rank, KV capacity, the search."""
    screen = Screen(width, color)
    view = View(doc, lang)
    screen.title(answer.headline(view))
    part = doc.memory
    state = {True: "fits", False: "fails", None: "unknown"}[part.fits]
    style = {True: "bold green", False: "bold red", None: "bold magenta"}[part.fits]
    screen.line(styled(view.word(f"estimate.{state}", layout=view.cards(part.layout)), style))
    if part.reason is not None:
        screen.sentence(view.text(part.reason))
    if part.fix is not None:
        screen.sentence(view.text(part.fix), "bold")
    render_memory_part(screen, view, full=True)
    return screen.text()


def render_finding(
    doc: ReportDocument,
    wanted: str,
    lang: str = DEFAULT_LANGUAGE,
    *,
    width: int = 80,
    color: bool = False,
    lines: Lines | None = None,
) -> str:
    """The findings with one code, and the ranked remedies; raises ``UsageError`` when the report has none.

    ``lines`` gives the source lines around a path and line, which are then shown under the evidence.
    """
    screen = Screen(width, color)
    view = View(doc, lang)
    rows = [row for row in view.findings() if row.code == wanted]
    if not rows:
        found = ", ".join(sorted({row.code for row in doc.findings})) or "none"
        raise UsageError(f"{doc.model.name} has no finding {wanted}", f"its findings: {found}")
    screen.title(answer.headline(view))
    excerpts = Excerpts(screen, lines, lang) if lines is not None else None
    for row in rows:
        _finding(screen, view, row, excerpts)
    _way(screen, view)
    return screen.text()


def render_memory_part(screen: Screen, view: View, full: bool = False) -> None:
    """Minimum cards with their proof; ``full`` adds the tables of bytes and of KV capacity."""
    part = view.doc.memory
    screen.section(view.word("text.tried"))
    screen.sentence(view.say("memory.minimum", cards=view.cards(part.minimum)), "bold")
    if part.recommended is not None and part.recommended != part.minimum:
        screen.sentence(view.say("memory.recommended", cards=view.cards(part.recommended)))
    if part.longest:
        screen.sentence(memory.longest(view))
    screen.table(memory.tried(view) if full else memory.brief(view), right=(0, 2, 3))
    if part.per_rank is not None:
        screen.sentence(plain(f"{view.word('section.rank')} ({view.layout(part.layout)})"), "dim")
        _bar(screen, view, part.per_rank)
    if full:
        screen.table(memory.rank(view), right=(1,))
        screen.table(memory.estimates(view), right=(1, 2, 3))
        screen.table(memory.breakdown(view), right=(1,))
        screen.table(memory.capacity(view), right=(1,))
    if part.alternatives and (full or part.fits is False):
        screen.section(view.word("section.alternatives"))
        if part.kv is not None:
            screen.sentence(view.say("memory.asked", tokens=number(part.kv.max_model_len)), "dim")
        screen.table(memory.alternatives(view))
    for text in part.unknown:
        screen.item(view.text(text), "?")


def _verdict(screen: Screen, view: View) -> None:
    doc = view.doc
    screen.title(answer.headline(view))
    screen.line(styled(view.pair(view.word("verdict"), view.verdict), _VERDICT_STYLE[doc.verdict]))
    screen.sentence(view.text(doc.summary))
    for gate in doc.gates:
        prediction = view.choice("prediction", gate.prediction.value)
        screen.item(
            joined(plain(view.pair(view.choice("stage", gate.stage), prediction)), plain("-"), view.text(gate.reason))
        )
    conclusion = support.operator_conclusion(view)
    screen.item(conclusion)
    for row in doc.claims:
        screen.item(plain(view.pair(f"{view.choice('claim', row.kind)}, {row.name}", view.choice("says", row.says))))


def _findings(screen: Screen, view: View) -> None:
    rows = view.findings()
    screen.section(view.word("section.findings"))
    if not rows:
        screen.sentence(view.say("findings.none"))
    notes = [row for row in rows if row.severity is Severity.INFO]
    for row in [row for row in rows if row.severity is not Severity.INFO] + notes[:_NOTES_SHOWN]:
        _finding(screen, view, row)
    if len(notes) > _NOTES_SHOWN:
        screen.sentence(view.say("text.more", count=len(notes) - _NOTES_SHOWN), "dim")


def _finding(screen: Screen, view: View, row: FindingRow, excerpts: Excerpts | None = None) -> None:
    severity, effect = view.choice("severity", row.severity.value), view.choice("effect", row.effect.value)
    marks = [severity, *([effect] if row.effect.value != "none" else []), view.choice("basis", row.basis.value)]
    head: RichText = styled(f"{row.code} ", _SEVERITY_STYLE[row.severity])
    head.append_text(styled(" · ".join(marks), _SEVERITY_STYLE[row.severity].replace("bold ", "")))
    screen.line(head)
    screen.sentence(view.message(row), indent=2)
    for evidence in row.evidence:
        screen.item(place(evidence), "@", style="dim", indent=2)
        if excerpts is not None and evidence.line is not None and evidence.kind in _IN_TREES:
            excerpts.show(evidence.path, evidence.line)
    if row.path:
        screen.item(code(" → ".join(row.path)), "~", style="dim", indent=2)
    remedy = view.remedy(row)
    if remedy:
        screen.item(remedy, "→", indent=2)


def _way(screen: Screen, view: View) -> None:
    if view.runs:
        return
    screen.section(view.word("section.way"))
    rows = sorted(view.doc.remedies, key=lambda row: row.rank)
    if not rows:
        screen.sentence(view.say("way.unknown"))
    for row in rows:
        parts = answer.conditions(view, row)
        parts += [f"{row.npus} NPU"] if row.npus else []
        parts += [view.word("way.verified" if row.verified else "way.derived")]
        action: Sentence = joined(view.text(row.action), plain(f"({', '.join(parts)})"))
        screen.item(action, f"{row.rank}.")


def _bar(screen: Screen, view: View, part: RankPart) -> None:
    slices = memory.bar(view, part)
    columns = max(min(screen.width - 4, 72), 10)
    bar, legend = styled("", ""), []
    for piece in slices:
        cells = max(round(piece.share * columns), 1)
        fill, style = _BAR[piece.name]
        bar.append_text(styled(fill * cells, style))
        legend.append(f"{fill} {piece.label} {size(piece.bytes)}")
    screen.line(bar, indent=2)
    screen.sentence(plain("  ".join(legend)), indent=2)
    if part.kv_cache < 0:
        screen.sentence(plain(view.pair(view.word("memory.kv_cache"), size(part.kv_cache))), "red", indent=2)
    screen.sentence(view.say("memory.of_device", device=size(part.device)), "dim", indent=2)
