"""Sets answers against outcomes: agreement, silent green, false alarm, undetermined, contradiction, numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from judge import Answer
from table import RUNS, Row

AGREES, OTHER, WARNED, GREEN, ALARM, OPEN, CONTRADICTS = (
    "agreement", "right answer, other reason", "warned only", "silent green", "false alarm", "undetermined",
    "contradiction",
)  # fmt: skip
#: The worst of several answers to one row counts, in this order.
_WORST = (GREEN, ALARM, WARNED, OPEN, OTHER, AGREES)


@dataclass(frozen=True)
class Judged:
    """A row with its answers and what they come to."""

    row: Row
    answers: tuple[Answer, ...]
    outcome: str


@dataclass(frozen=True)
class Score:
    """Counts of a group of rows; ``agrees`` includes right answers for another reason.

    ``warned`` rows are called compatible with a warning that names what happened: no agreement, and not silent.
    """

    rows: int
    agrees: int
    other: int
    warned: int
    green: int
    alarm: int
    open: int
    contradicts: int

    @property
    def counted(self) -> int:
        """Rows that can agree: contradictory ones stand apart."""
        return self.rows - self.contradicts


def compare(row: Row, answers: Iterable[Answer]) -> Judged:
    """The outcome of a row: that of its worst answer."""
    found = tuple(answers)
    kinds = {_one(row, answer) for answer in found}
    outcome = next(kind for kind in _WORST if kind in kinds)
    if row.contradiction and outcome not in (AGREES, OTHER):
        outcome = CONTRADICTS
    return Judged(row, found, outcome)


def _one(row: Row, answer: Answer) -> str:
    if answer.verdict in ("undetermined", "error"):
        return OPEN
    runs = answer.verdict == "compatible"
    if row.expect == RUNS:
        return AGREES if runs else ALARM
    if runs:
        return WARNED if names_cause(row, answer.warnings) else GREEN
    return AGREES if names_cause(row, answer.blockers) else OTHER


def names_cause(row: Row, found: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the findings is what was reported: a code, and where the row gives one a word of its message."""
    wanted = [cause.partition(" ")[::2] for cause in row.cause]
    return any(code == name and word in message for code, message in found for name, word in wanted)


def score(judged: Iterable[Judged]) -> Score:
    """The counts of a group."""
    return tally(one.outcome for one in judged)


def first_score(judged: Iterable[Judged]) -> Score:
    """The counts of the first answers, as the rows record them; contradictions are those known now."""
    return tally(CONTRADICTS if one.outcome == CONTRADICTS else first_outcome(one.row) for one in judged)


def first_outcome(row: Row) -> str:
    """The outcome of a row's first answer: what stands before the colon."""
    return row.first.partition(":")[0]


def tally(outcomes: Iterable[str]) -> Score:
    """The counts of outcomes."""
    kinds = list(outcomes)
    other = kinds.count(OTHER)
    return Score(
        len(kinds), kinds.count(AGREES) + other, other,
        *(kinds.count(kind) for kind in (WARNED, GREEN, ALARM, OPEN, CONTRADICTS)),
    )  # fmt: skip


@dataclass(frozen=True)
class Error:
    """A logged number and the computed one."""

    row: str
    what: str
    logged: float
    computed: float | None

    @property
    def relative(self) -> float | None:
        """Computed over logged, less one; ``None`` where nothing was computed."""
        return None if self.computed is None else self.computed / self.logged - 1


def errors(judged: Iterable[Judged]) -> list[Error]:
    """Every logged number of the rows, against the first answer that has it."""
    return [
        Error(one.row.id, what, logged, _first(one.answers, what))
        for one in judged
        for what, logged in one.row.figures.items()
    ]


def _first(answers: Iterable[Answer], what: str) -> float | None:
    found: list[Mapping[str, float]] = [answer.figures for answer in answers if what in answer.figures]
    return found[0][what] if found else None
