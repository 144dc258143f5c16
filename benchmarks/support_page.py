"""The page of the support matrices: counts, contradictions with the evidence of both sides, rows not fully judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Cells = tuple[object, ...]
HERE = Path(__file__).resolve().parent
#: What a verdict says of a mark: agreement, contradiction, or an open question.
YES, NO = frozenset(("compatible", "conditional")), frozenset(("incompatible",))
MARKED_YES = ("supported", "experimental")
#: The order of marks on the page.
MARKS = ("supported", "experimental", "unsupported", "untested")


@dataclass(frozen=True)
class Row:
    """One documented model on one device: the mark, where it is printed, and the verdict."""

    release: str
    name: str
    soc: str
    status: str
    at: str
    verdict: str | None
    precision: str
    npus: int | None
    why: str
    evidence: str
    missing: str

    @property
    def kind(self) -> str:
        """``agrees``, ``contradicts``, ``open`` (undetermined), ``unjudged``, or ``unmarked``."""
        if self.verdict is None:
            return "unjudged"
        if self.status not in (*MARKED_YES, "unsupported"):
            return "unmarked"
        if self.verdict not in YES | NO:
            return "open"
        return "agrees" if (self.verdict in YES) == (self.status in MARKED_YES) else "contradicts"


def page(rows: list[Row]) -> str:
    """The whole document."""
    releases = list(dict.fromkeys(row.release for row in rows))
    return "\n".join(
        [
            "# Support matrices against verdicts",
            "",
            "What the documents of a release mark as supported, experimental or not supported, and what this tool",
            "says of the best checkpoint that can be described for the row: as published, float, or ModelSlim W8A8,",
            "on every device the row names; other checkpoints that were tried stand in parentheses. A verdict of",
            "compatible or conditional agrees with supported and experimental. A row without a table of tensors is",
            "judged on the registry and the walk of its operators alone: its yes says that no step was found to fail,",
            "and neither its weights nor its memory were judged.",
            "Written by:",
            "",
            "```text",
            "python benchmarks/support_matrix.py",
            "```",
            "",
            *_counts(rows, releases),
            *_section("Contradictions", [r for r in rows if r.kind == "contradicts"], _contradiction, _BOTH),
            *_section("Not decided", [r for r in rows if r.kind == "open"], _contradiction, _BOTH),
            *_section("Not judged", [r for r in rows if r.kind == "unjudged"], _missing, _MISSING),
            *_section("Judged on the registry and the walk alone", _partly(rows), _partial, _PARTIAL),
            *_section("Every row", rows, _plain, _PLAIN),
        ]
    )


def _counts(rows: list[Row], releases: list[str]) -> list[str]:
    head = ("release", "mark", "rows x devices", "agrees", "contradicts", "not decided", "not judged", "of it full")
    lines = [_line(head), _line(["---"] * len(head))]
    for release in releases:
        for mark in MARKS:
            some = [row for row in rows if row.release == release and row.status == mark]
            kinds = Counter(row.kind for row in some)
            full = sum(row.verdict is not None and not row.missing for row in some)
            if some:
                agreed = kinds["agrees"] if mark != "untested" else "-"
                cells = (agreed, kinds["contradicts"], kinds["open"], kinds["unjudged"], full)
                lines.append(_line((release, mark, len(some), *cells)))
    return [*lines, ""]


_BOTH = ("release", "model", "device", "mark", "printed at", "verdict", "checkpoint", "why", "evidence")
_MISSING = ("release", "model", "device", "mark", "missing fact")
_PARTIAL = ("model", "releases and devices", "verdicts", "missing fact")
_PLAIN = ("release", "model", "device", "mark", "verdict", "checkpoint", "NPUs")


def _contradiction(row: Row) -> Cells:
    why = row.why or "nothing was found that fails"
    place = f"`{row.at.rpartition('/')[2]}`"
    return (row.release, row.name, row.soc, row.status, place, row.verdict, row.precision, why, row.evidence)


def _missing(row: Row) -> Cells:
    return (row.release, row.name, row.soc, row.status, row.missing)


def _plain(row: Row) -> Cells:
    return (row.release, row.name, row.soc, row.status, row.verdict or "-", row.precision or "-", row.npus or "-")


def _partly(rows: list[Row]) -> list[list[Row]]:
    """Rows with a verdict and a missing fact, by name."""
    out: dict[str, list[Row]] = {}
    for row in rows:
        if row.missing and row.verdict is not None:
            out.setdefault(row.name, []).append(row)
    return [out[name] for name in sorted(out)]


def _partial(rows: list[Row]) -> Cells:
    targets = ", ".join(f"{row.release} {row.soc}" for row in rows)
    return (rows[0].name, targets, ", ".join(dict.fromkeys(str(row.verdict) for row in rows)), rows[0].missing)


def _section(title: str, rows: list[T], cells: Callable[[T], Cells], head: tuple[str, ...]) -> list[str]:
    lines = [f"## {title} ({len(rows)})", ""]
    if rows:
        lines += [_line(head), _line(["---"] * len(head)), *(_line(cells(row)) for row in rows)]
    return [*lines, ""] if rows else [*lines, "None.", ""]


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
