"""The part of the page on published deployments, minimums and start-up logs, as benchmarks/memory.py judges them."""

from __future__ import annotations

from collections.abc import Iterable

from memory import FIGURES, counted, deployed, refused, value_of


def published() -> list[str]:
    """Lines of the page: scores, what is not as published, and logged figures with their errors."""
    fits, no, cards = deployed(), refused(), counted()
    lines = [
        "## Published deployments, minimums and start-up logs",
        "",
        "`python benchmarks/memory.py` prints the same with every row.",
        "",
        "| what | as published | of |",
        "|---|---|---|",
        f"| deployments of trust high or medium that fit | {fits.right} | {fits.total} |",
        f"| layouts known not to fit that are refused | {no.right} | {no.total} |",
        f"| minimum cards equal to the published ones | {cards.equal} | {cards.total} |",
        f"| minimum cards below the published ones (an upper bound) | {len(cards.below)} | {cards.total} |",
        f"| minimum cards above the published ones | {len(cards.above)} | {cards.total} |",
        "",
        *_wrong("Deployments that are said not to fit", fits.wrong),
        *_wrong("Refusals that are missing", no.wrong),
        *_wrong("Minimums above the published ones", cards.above),
        "| logged figure | logged | computed | error |",
        "|---|---|---|---|",
    ]
    for figure in FIGURES:
        computed = value_of(figure)
        error = f"{computed / figure.logged - 1:+.2%}"
        lines.append(f"| {figure.title} | {figure.logged:,.6g} | {computed:,.6g} | {error} |")
    return [*lines, ""]


def _wrong(title: str, found: Iterable[str]) -> list[str]:
    lines = [f"- {line}" for line in found]
    return [f"{title}:", "", *lines, ""] if lines else []
