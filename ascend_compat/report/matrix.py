"""The matrix of releases and SoCs as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import shorten

from ascend_compat.core.report import LayoutPart, ReportDocument
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.report import catalog
from ascend_compat.report.markup import document, heading, inline, table
from ascend_compat.report.screen import Screen
from ascend_compat.report.view import BLANK, Sentence, Table, View, code, flat, joined, plain

#: Characters of a reason in the table; ``explain`` and ``check`` have the whole sentence.
REASON_LIMIT = 90
_RUNNING = (Verdict.COMPATIBLE.value, Verdict.CONDITIONAL.value)


@dataclass(frozen=True, slots=True)
class Cell:
    """One release on one SoC; ``cards`` is the smallest layout in words, ``npus`` its size."""

    release: str
    soc: str
    verdict: str
    blocker: str | None
    reason: str
    npus: int | None
    cards: str


def cell(doc: ReportDocument, release: str, soc: str, lang: str) -> Cell:
    """The cell of a report."""
    view = View(doc, lang)
    blocker = next((row for row in view.findings() if row.severity is Severity.BLOCKER), None)
    minimum: LayoutPart | None = doc.memory.minimum
    return Cell(
        release,
        soc,
        doc.verdict.value,
        blocker.code if blocker else None,
        flat(view.message(blocker)) if blocker else "",
        minimum.npus if minimum else None,
        view.cards(minimum),
    )


def unjudged(release: str, soc: str, why: str) -> Cell:
    """A cell that could not be analysed."""
    return Cell(release, soc, Verdict.UNDETERMINED.value, None, why, None, "-")


def first(cells: Sequence[Cell]) -> Cell | None:
    """The first cell, in the order given, whose verdict is compatible, else conditional."""
    ranked = [row for verdict in _RUNNING for row in cells if row.verdict == verdict]
    return ranked[0] if ranked else None


def render_json(model: str, cells: Sequence[Cell]) -> str:
    """Cells as data, with the first one that runs the model."""
    found = first(cells)
    data = {"model": model, "cells": [asdict(row) for row in cells], "first": asdict(found) if found else None}
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def render_matrix_text(model: str, cells: Sequence[Cell], lang: str, width: int, color: bool) -> str:
    """The matrix for a terminal."""
    screen = Screen(width, color)
    screen.title(_word("matrix.title", lang, model=model))
    screen.table(_table(cells, lang))
    screen.section(flat(_conclusion(cells, lang)))
    return screen.text()


def render_matrix_markdown(model: str, cells: Sequence[Cell], lang: str) -> str:
    """The matrix as Markdown."""
    title = heading(2, _word("matrix.title", lang, model=model))
    return document([title, f"**{inline(_conclusion(cells, lang))}**", table(_table(cells, lang))])


def _table(cells: Sequence[Cell], lang: str) -> Table:
    names = ("release", "soc", "verdict", "minimum", "first_blocker")
    return Table(tuple(_word(f"column.{name}", lang) for name in names), tuple(_row(row, lang) for row in cells))


def _row(row: Cell, lang: str) -> tuple[Sentence, ...]:
    told = shorten(row.reason, REASON_LIMIT, placeholder=" ...")
    reason = joined(code(row.blocker), plain(told)) if row.blocker else plain(told) if told else BLANK
    verdict = plain(_word(f"verdict.{row.verdict}", lang))
    return (plain(row.release), plain(row.soc), verdict, plain(row.cards), reason)


def _conclusion(cells: Sequence[Cell], lang: str) -> Sentence:
    found = first(cells)
    if found is None:
        return plain(_word("matrix.nobody", lang))
    return plain(_word("matrix.first", lang, release=found.release, soc=found.soc, cards=found.cards))


def _word(label: str, lang: str, **params: str) -> str:
    return catalog.render(f"view.{label}", params, lang)
