"""The table of reported rows: which checkpoint, release, device and launch stand for each, and what happened."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from published import DATA, config_of

from ascend_compat.core.target import LaunchProfile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
RUNS, BLOCKED, OOM, WRONG = "runs", "blocked", "oom", "wrong-output"
EXPECTED = (RUNS, BLOCKED, OOM, WRONG)
_STATED = ("tp", "dp", "pp", "max_model_len", "gpu_memory_utilization")
_KEYS = {"model", "layout", "release", "soc", "expect", "cause", "launch", "config", "files", "figures", "skip", "why",
         "note", "contradiction", "changed", "npu_memory", "weights", "without"}  # fmt: skip
#: What a row of ``fresh.toml`` says beside that: its report, and what the tool answered when first asked.
_OWN = {"category", "reason", "first", "first_figures"}
REPORTS, FRESH = "rows.toml", "fresh.toml"


@dataclass(frozen=True)
class Row:
    """One reported outcome. ``skip`` says which fact is missing; otherwise every release on every SoC is judged.

    ``cause`` holds finding codes that name what was reported, ``figures`` the logged number of each quantity,
    ``without`` the launch that a saving is counted against; ``first`` is the outcome and the answer of the first run
    over a row nobody had looked at, ``first_figures`` the numbers it gave.
    """

    id: str
    category: str
    static: bool
    reason: str
    skip: str = ""
    expect: str = ""
    cause: tuple[str, ...] = ()
    model: str = ""
    layout: str = "float"
    config: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    weights: bool = True
    releases: tuple[str, ...] = ()
    socs: tuple[str, ...] = ()
    npu_memory: str | float | None = None
    launch: LaunchProfile = field(default_factory=LaunchProfile)
    without: LaunchProfile | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    why: str = ""
    contradiction: str = ""
    changed: str = ""
    first: str = ""
    first_figures: Mapping[str, float] = field(default_factory=dict)


def load(name: str) -> dict[str, Any]:
    """A table of this folder."""
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


def reports() -> list[dict[str, Any]]:
    """The reported rows; exits with a sentence where the shared data is not there."""
    path = DATA / "reports.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; set ASCEND_COMPAT_SHARED to the folder that has data/")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def rows() -> list[Row]:
    """Every reported row, in order, with its entry of ``rows.toml``; :class:`ValueError` names what is wrong."""
    entries = load(REPORTS)
    found = reports()
    unknown = sorted(set(entries) - {row["id"] for row in found})
    if unknown:
        raise ValueError(f"rows.toml describes rows that nobody reported: {', '.join(unknown)}")
    return [_row(report, entries.get(report["id"]), REPORTS) for report in found]


def fresh() -> list[Row]:
    """Every row of ``fresh.toml``, which carries its own report; :class:`ValueError` names what is wrong."""
    return [_row({"id": name, "static": True, **_report(name, entry)}, entry, FRESH) for name, entry in _fresh()]


def _fresh() -> list[tuple[str, dict[str, Any]]]:
    return list(load(FRESH).items())


def _report(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    missing = [key for key in ("category", "reason") if not entry.get(key)]
    if missing:
        raise ValueError(f"{FRESH} {name}: {', '.join(missing)} missing")
    return {key: entry[key] for key in ("category", "reason")}


def _row(report: Mapping[str, Any], entry: Mapping[str, Any] | None, source: str) -> Row:
    head: dict[str, Any] = {
        "id": report["id"], "category": report["category"], "static": bool(report["static"]),
        "reason": report["reason"] or "",
    }  # fmt: skip
    if entry is None:
        return Row(**head, skip="not described in rows.toml")
    _check(report["id"], entry, source)
    if "skip" in entry:
        return Row(**head, skip=entry["skip"], changed=entry.get("changed", ""))
    names = ("note", "why", "contradiction", "changed", "layout", "weights", "first", "first_figures")
    texts = {name: entry[name] for name in names if name in entry}
    options = {**{name: report[name] for name in _STATED if report.get(name) is not None}, **entry.get("launch", {})}
    if report.get("ep") is not None:
        options.setdefault("ep", bool(report["ep"]))
    without = {**options, **entry["without"]} if "without" in entry else None
    return Row(
        **head, **texts, expect=entry["expect"], cause=tuple(entry.get("cause", ())), model=entry["model"],
        config=entry.get("config", {}), files=entry.get("files", {}), releases=tuple(entry["release"]),
        socs=tuple(entry["soc"]), npu_memory=entry.get("npu_memory", _memory(report)),
        launch=LaunchProfile(**options), without=LaunchProfile(**without) if without else None,
        figures=entry.get("figures", {}),
    )  # fmt: skip


def _check(name: str, entry: Mapping[str, Any], source: str = REPORTS) -> None:
    unknown = set(entry) - _KEYS - (_OWN if source == FRESH else set())
    if unknown:
        raise ValueError(f"{source} {name}: unknown keys {sorted(unknown)}")
    missing = [] if "skip" in entry else [key for key in ("model", "release", "soc", "expect") if key not in entry]
    if missing:
        raise ValueError(f"{source} {name}: {', '.join(missing)} missing")
    if "expect" in entry and entry["expect"] not in EXPECTED:
        raise ValueError(f"{source} {name}: expect is {entry['expect']!r}, not one of {EXPECTED}")


def _memory(report: Mapping[str, Any]) -> str | float | None:
    """What a row calls the size of its device: a product name (64) or what its runtime saw (60.96)."""
    size = report.get("mem_per_npu_gib")
    if size is None:
        return None
    return f"{int(size)}G" if float(size).is_integer() else float(size)


def config_for(row: Row) -> dict[str, Any]:
    """``config.json`` of a row: the published one of its model with the row's own values over it."""
    own = load("configs.toml").get(row.model)
    if own is None:
        return merged(config_of(row.model), row.config)
    config = dict(own.get("config", {}))
    if "file" in own:
        config = json.loads((DATA / "configs" / f"{own['file']}_config.json").read_text(encoding="utf-8"))
    return merged(config, row.config)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values of ``above`` over those of ``below``, object by object."""
    out = dict(below)
    for key, value in above.items():
        inner = out.get(key)
        out[key] = merged(inner, value) if isinstance(value, Mapping) and isinstance(inner, Mapping) else value
    return out


def judged(found: list[Row]) -> Iterator[Row]:
    """The rows with a checkpoint."""
    return (row for row in found if not row.skip)
