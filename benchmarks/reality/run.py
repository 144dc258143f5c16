"""The whole comparison: every row of the table, and the page."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compare import ALARM, GREEN, Judged, compare
from judge import Answer, answers
from table import Row

Page = Callable[[Sequence[Row], Sequence[Judged]], str]


def run(found: Sequence[Row], make: Page, output: Path, only: tuple[str, ...], keep: Path | None) -> int:
    """Judges the rows ``found``, writes the page ``make`` gives to ``output``; with ``only`` prints those instead."""
    kept: dict[str, Any] = json.loads(keep.read_text(encoding="utf-8")) if keep and keep.is_file() else {}
    judged: list[Judged] = []
    for row in found:
        if row.skip or (only and not any(part in row.id for part in only)):
            continue
        if only or row.id not in kept:
            kept[row.id] = [answer.to_json() for answer in _timed(row)]
            if keep:
                keep.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        judged.append(compare(row, [_answer(values) for values in kept[row.id]]))
        if only:
            _print(judged[-1])
    if not only:
        output.write_text(make(found, judged), encoding="utf-8")
    return 1 if any(one.outcome in (GREEN, ALARM) for one in judged) else 0


def _timed(row: Row) -> list[Answer]:
    start = time.monotonic()
    found = answers(row)
    print(
        f"{row.id}: {', '.join(answer.verdict for answer in found)} ({time.monotonic() - start:.0f} s)", file=sys.stderr
    )
    return found


def _answer(values: dict[str, Any]) -> Answer:
    pairs = {name: [tuple(pair) for pair in values[name]] for name in ("blockers", "unknown", "warnings")}
    return Answer(**{**values, **pairs})


def _print(one: Judged) -> None:
    print(f"== {one.row.id} [{one.row.expect}] -> {one.outcome}")
    for answer in one.answers:
        print(f"  {answer.release} {answer.soc}: {answer.verdict} figures {answer.figures} longest {answer.longest}")
        for code, text in answer.blockers + answer.unknown:
            print(f"    {code}: {text}")
        for code, text in answer.warnings:
            print(f"    warning {code}: {text}")
