"""docs/reality.md: scores, numbers, every disagreement with its explanation, every row that can't be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from compare import (
    AGREES,
    ALARM,
    CONTRADICTS,
    GREEN,
    OPEN,
    OTHER,
    WARNED,
    Error,
    Judged,
    Score,
    errors,
    first_score,
    score,
)  # fmt: skip
from figures import published
from judge import Answer
from table import Row

_NUMBERS = "## Logged numbers of these rows"
_HEAD = ("category", "rows", "agreement", "of these for another reason", "warned only", "silent green", "false alarm",
         "undetermined", "contradiction")  # fmt: skip
#: How the page names an expected outcome.
_WORDS = {"runs": "runs", "blocked": "does not start", "oom": "out of memory", "wrong-output": "wrong output"}
_UNITS = {"weights": "weights per rank, GiB", "kv_room": "room for the KV cache, GiB", "kv_tokens": "KV tokens",
          "bytes_per_token": "KV bytes a token", "block": "block, tokens", "saved": "saved per rank, GiB"}  # fmt: skip


def page(rows: Sequence[Row], judged: Sequence[Judged]) -> str:
    """The document; ``rows`` are all rows of the table, ``judged`` those with a checkpoint."""
    skipped = [row for row in rows if row.skip]
    parts = [_intro(rows, judged, skipped), _scores(judged), _numbers(errors(judged)), published(), *_lists(judged)]
    rest = (_changed(rows), _table(judged), _skipped(skipped))
    return "\n".join(line for part in (*parts, *rest) for line in part) + "\n"


def fresh_page(rows: Sequence[Row], judged: Sequence[Judged]) -> str:
    """The document of the fresh rows: the first answers beside those of today."""
    skipped = [row for row in rows if row.skip]
    parts = [_fresh_intro(rows, judged), _first(judged), _scores(judged), _first_numbers(judged), *_lists(judged)]
    rest = (_changed(rows), _table(judged), _skipped(skipped))
    return "\n".join(line for part in (*parts, *rest) for line in part) + "\n"


def _fresh_intro(rows: Sequence[Row], judged: Sequence[Judged]) -> list[str]:
    return [
        "# Agreement with rows nobody had looked at",
        "",
        f"{len(rows)} further reports of users and maintainers, collected after the rules had been mended with those",
        "of [reality.md](reality.md) in view, and chosen before the tool had answered any of them: releases 0.9.1 and",
        f"later, outcomes decided by what can be read before a start. {len(judged)} are judged. Every row of",
        "`benchmarks/reality/fresh.toml` keeps the first answer; what was mended since then was mended with it in",
        "view, so the line of the first answers is the measure, that of the present ones is not. Written by:",
        "",
        "```text",
        "python benchmarks/reality --table fresh",
        "```",
        "",
    ]


def _first(judged: Sequence[Judged]) -> list[str]:
    lines = ["## First answers and present ones", "", *_head("answers", *_HEAD[1:])]
    return [*lines, _score("**first**", first_score(judged)), _score("present", score(judged)), ""]


def _first_numbers(judged: Sequence[Judged]) -> list[str]:
    lines = [_NUMBERS, "", *_head("row", "number", "logged", "first computed", "error", "computed", "error")]
    firsts = {one.row.id: one.row.first_figures for one in judged}
    for error in errors(judged):
        first = firsts[error.row].get(error.what)
        before = Error(error.row, error.what, error.logged, first)
        lines.append(_number(error, *_computed(before), *_computed(error)))
    return [*lines, ""]


def _number(error: Error, *computed: str) -> str:
    return _line(link(error.row), _UNITS[error.what], f"{error.logged:,.6g}", *computed)


def _head(*names: str) -> tuple[str, str]:
    """The head of a table."""
    return _line(*names), f"|{'---|' * len(names)}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _computed(error: Error) -> tuple[str, str]:
    """A computed number and its relative error, a dash for what was not computed."""
    if error.computed is None or error.relative is None:
        return "-", "-"
    return f"{error.computed:,.6g}", f"{error.relative:+.2%}"


def _intro(rows: Sequence[Row], judged: Sequence[Judged], skipped: Sequence[Row]) -> list[str]:
    static = sum(row.static for row in rows)
    left = sum(row.static for row in skipped)
    return [
        "# Agreement with reality",
        "",
        "What users and maintainers reported of vllm-ascend, against what this tool answers for the same checkpoint,",
        f"release, device and launch: {len(rows)} reported rows, {static} of them decided by things that can be read",
        f"before a start. {len(judged)} rows are judged; {len(skipped)} are not, {left} of those static, with the",
        "[reason](#rows-that-are-not-judged). Checkpoints are written as headers only, in the layout the row states.",
        "`benchmarks/reality/rows.toml` maps every row; the reports themselves are not part of this repository",
        "(`ASCEND_COMPAT_SHARED` names their folder). Written by:",
        "",
        "```text",
        "python benchmarks/reality",
        "```",
        "",
    ]


def _scores(judged: Sequence[Judged]) -> list[str]:
    lines = [
        "## Scores",
        "",
        "A row agrees when every release and device it names answers as reported; a conditional answer agrees with a",
        "failure. Silent green: called compatible, failed in reality. Warned only: the same, with a warning that names",
        "what happened. False alarm: refused, ran in reality.",
        "Contradiction: the report itself can't be right.",
        "",
        *_head(*_HEAD),
    ]
    for category in sorted({one.row.category for one in judged}):
        lines.append(_score(category, score(one for one in judged if one.row.category == category)))
    return [*lines, _score("**all**", score(judged)), ""]


def _score(name: str, found: Score) -> str:
    total = max(1, found.counted)
    cells = [name, str(found.rows), f"{found.agrees} ({found.agrees / total:.1%})", str(found.other)]
    cells += [
        f"{count} ({count / total:.1%})" if count else "0"
        for count in (found.warned, found.green, found.alarm, found.open)
    ]
    return _line(*cells, str(found.contradicts))


def _numbers(found: Sequence[Error]) -> list[str]:
    lines = [_NUMBERS, "", *_head("row", "number", "logged", "computed", "error")]
    return [*lines, *(_number(error, *_computed(error)) for error in found), ""]


def _lists(judged: Sequence[Judged]) -> Iterator[list[str]]:
    for title, outcome in (
        ("Silent green", GREEN), ("Warned only", WARNED), ("False alarms", ALARM), ("Undetermined", OPEN),
        ("Contradictions", CONTRADICTS), ("Right answer, other reason", OTHER),
    ):  # fmt: skip
        chosen = [one for one in judged if one.outcome == outcome]
        lines = [f"## {title}", ""]
        lines += [line for one in chosen for line in _disagreement(one)] or ["None."]
        yield [*lines, ""]


def _disagreement(one: Judged) -> Iterator[str]:
    row = one.row
    yield f"- {link(row.id)}, {row.model} ({row.layout}), reported: {_WORDS[row.expect]}. {escaped(row.reason)}"
    for answer in one.answers:
        yield f"  - {answer.release} on {answer.soc}: {answer.verdict}{_said(answer)}"
    if row.contradiction:
        yield f"  - Contradiction: {row.contradiction}."
    yield f"  - Why: {row.why or 'not explained yet'}."


def _said(answer: Answer) -> str:
    found = answer.blockers or answer.unknown or answer.warnings
    if not found:
        return ""
    codes = ", ".join(dict.fromkeys(code for code, _ in found))
    return f"; {codes}: {escaped(found[0][1])}"


def _changed(rows: Iterable[Row]) -> list[str]:
    """Agreement on these rows was reached with the answer in view: it says less than that on the others."""
    lines = ["## Changed after a first answer", "", "Agreement here was reached with the answer in view.", ""]
    return [*lines, *(f"- {link(row.id)}: {row.changed}." for row in rows if row.changed), ""]


def _table(judged: Iterable[Judged]) -> list[str]:
    names = ("row", "checkpoint", "release", "device", "reported", "answer", "chosen where the row is silent")
    lines = ["## All judged rows", "", *_head(*names)]
    for one in judged:
        row = one.row
        answers = ", ".join(dict.fromkeys(answer.verdict for answer in one.answers))
        answers += "" if one.outcome == AGREES else f" ({one.outcome})"
        cells = (link(row.id), f"{row.model}, {row.layout}", ", ".join(row.releases), ", ".join(row.socs),
                 _WORDS[row.expect], answers, row.note)  # fmt: skip
        lines.append(_line(*map(escaped, cells)))
    return [*lines, ""]


def _skipped(skipped: Iterable[Row]) -> list[str]:
    lines = ["## Rows that are not judged", "", *_head("row", "why")]
    return [*lines, *(f"| {link(row.id)} | {escaped(row.skip)} |" for row in skipped)]


def link(name: str) -> str:
    """A row's id with its report behind it."""
    place = name.partition("/")[0] + "/" + name.partition("/")[2].partition("/")[0]
    repository, _, number = place.partition("#")
    return f"[{name}](https://github.com/{repository}/issues/{number})"


def escaped(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
