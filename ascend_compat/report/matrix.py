"""The matrix of releases and SoCs for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ascend_compat.core.finding import Param
from ascend_compat.core.matrix import FirstRow, MatrixCell, MatrixDocument
from ascend_compat.core.verdict import Verdict
from ascend_compat.report import catalog
from ascend_compat.report.markup import bullets, document, heading, paragraph, table
from ascend_compat.report.screen import Screen
from ascend_compat.report.view import Sentence, Table, cards, code, joined, plain, sentence


def render_matrix_text(doc: MatrixDocument, lang: str, width: int, color: bool) -> str:
    """The matrix for a terminal."""
    screen = Screen(width, color)
    screen.title(_word("matrix.title", lang, model=doc.model))
    screen.table(_table(doc, lang))
    screen.section(_word("matrix.first", lang))
    for line in _firsts(doc, lang):
        screen.item(line)
    reasons = list(_reasons(doc, lang))
    if reasons:
        screen.section(_word("matrix.reasons", lang))
    for line in reasons:
        screen.item(line)
    screen.sentence(_say("matrix.legend", lang), "dim")
    return screen.text()


def render_matrix_markdown(doc: MatrixDocument, lang: str) -> str:
    """The matrix as Markdown."""
    reasons = list(_reasons(doc, lang))
    parts = [
        heading(2, _word("matrix.title", lang, model=doc.model)),
        table(_table(doc, lang)),
        paragraph(_say("matrix.legend", lang)),
        heading(3, _word("matrix.first", lang)),
        bullets(_firsts(doc, lang)),
        heading(3, _word("matrix.reasons", lang)) if reasons else "",
        bullets(reasons),
    ]
    return document(parts)


def _table(doc: MatrixDocument, lang: str) -> Table:
    head = (_word("column.release", lang), *doc.socs)
    rows = tuple((plain(span(row.releases)), *(_cell(cell, lang) for cell in row.cells)) for row in doc.rows)
    return Table(head, rows)


def span(releases: Sequence[str]) -> str:
    """Neighbouring releases in few words: the first and the last of more than two."""
    return ", ".join(releases) if len(releases) < 3 else f"{releases[0]} ... {releases[-1]}"


def _cell(cell: MatrixCell, lang: str) -> Sentence:
    """Verdict, code of the first blocker, number of cards; what is absent is left out."""
    found = plain(_word(f"matrix.{cell.verdict.value}", lang))
    if cell.blockers:
        found = joined(found, code(cell.blockers[0]))
    return joined(found, plain(f"×{cell.minimum.npus}")) if cell.minimum else found


def _firsts(doc: MatrixDocument, lang: str) -> Iterator[Sentence]:
    for row in doc.first:
        yield joined(plain(f"{row.soc}:"), *_first(row, lang))


def _first(row: FirstRow, lang: str) -> Iterator[Sentence]:
    if row.release is None:
        yield _say("matrix.nobody", lang)
        return
    conditional = row.verdict is Verdict.CONDITIONAL and row.condition is not None
    yield _say(
        "matrix.under" if conditional else "matrix.since",
        lang,
        release=row.release,
        cards=cards(row.minimum, lang),
        condition=row.condition,
    )
    if row.not_in:
        yield _say("matrix.not_in", lang, releases=", ".join(row.not_in))


def _reasons(doc: MatrixDocument, lang: str) -> Iterator[Sentence]:
    """Every kind of first reason once, as the oldest release that has it gives it."""
    told: set[str] = set()
    for row in doc.rows:
        for cell in row.cells:
            reason = cell.reason
            if reason is None or (key := reason.id if cell.blockers else reason.text) in told:
                continue
            told.add(key)
            text = sentence(reason.id, reason.params, reason.text, lang)
            where = plain(f"({row.releases[0]}, {cell.soc})")
            yield joined(*([code(cell.blockers[0])] if cell.blockers else []), text, where)


def _word(label: str, lang: str, **params: Param) -> str:
    return catalog.render(f"view.{label}", params, lang)


def _say(label: str, lang: str, **params: Param) -> Sentence:
    return tuple(catalog.segments(f"view.{label}", params, lang))
