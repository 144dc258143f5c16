"""Runs the analysis of one row for each of its releases and devices, and keeps what the comparison needs."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from table import Row
from written import write

from ascend_compat import analyze
from ascend_compat.api import Report
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.units import GIB
from ascend_compat.core.verdict import Effect, Severity
from ascend_compat.errors import AscendCompatError

_TEXT = 260


@dataclass(frozen=True)
class Answer:
    """What the tool says of one row on one release and device; ``figures`` in the units of the table."""

    release: str
    soc: str
    verdict: str
    blockers: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    minimum: int | None = None
    longest: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def answers(row: Row) -> list[Answer]:
    """One answer for every release and device of ``row``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write(row, Path(scratch) / row.model.rpartition("/")[2])
        return [_answer(row, folder, release, soc) for release in row.releases for soc in row.socs]


def _answer(row: Row, folder: Path, release: str, soc: str) -> Answer:
    try:
        report = _report(row, folder, release, soc, row.launch)
        other = _report(row, folder, release, soc, row.without) if row.without else None
    except AscendCompatError as error:
        return Answer(release, soc, "error", unknown=[("error", str(error))])
    blockers = [found for found in report.findings if found.severity is Severity.BLOCKER]
    minimum = report.memory.minimum
    return Answer(
        release,
        soc,
        report.verdict.value,
        [(found.code, _short(found.message)) for found in blockers if not found.undetermined],
        [(found.code, _short(found.message)) for found in blockers if found.undetermined],
        [(f.code, _short(f.message)) for f in report.findings if f.severity is Severity.WARNING and _fails(f.effect)],
        _figures(report, other),
        minimum.npus if minimum else None,
        report.memory.longest,
    )


def _report(row: Row, folder: Path, release: str, soc: str, launch: LaunchProfile) -> Report:
    return analyze(folder, target=release, soc=soc, npu_memory=row.npu_memory, profile=launch, offline=True)


def _fails(effect: Effect) -> bool:
    return effect not in (Effect.NONE, Effect.DEGRADED)


def _figures(report: Report, other: Report | None) -> dict[str, float]:
    rank, kv = report.memory.per_rank, report.memory.kv
    found: dict[str, float] = {}
    if rank is not None:
        found |= {"weights": rank.weights / GIB, "kv_room": rank.kv_cache / GIB}
    if kv is not None:
        found |= {"kv_tokens": kv.logged_tokens, "bytes_per_token": kv.bytes_per_token, "block": kv.block_size}
    if rank is not None and other is not None and other.memory.per_rank is not None:
        found["saved"] = (other.memory.per_rank.weights - rank.weights) / GIB
    return found


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT else flat[: _TEXT - 3] + "..."
