"""The table of cells: what was established about releases, formats and SoCs, and what the mechanism says of a cell."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from formats import Format, make
from formats_compressed import COMPRESSED
from formats_modelslim import MODELSLIM
from formats_named import NAMED
from models import MODELS

from ascend_compat.answer.judge import make_target
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.findings import graph_findings
from ascend_compat.knowledge.graph import build_graph
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.loading.findings import loading_findings, settled
from ascend_compat.knowledge.loading.results import Loading
from ascend_compat.knowledge.loading.run import load
from ascend_compat.knowledge.match import match
from ascend_compat.knowledge.matched import Match
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import load_socs

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The rules under test: those of the checkout, or another directory that the environment names.
RULES = Rules(rules_directory(os.environ.get("ASCEND_COMPAT_RULES")))
SOCS = load_socs(RULES.directory / "curated")
FORMATS: dict[str, Format] = {**COMPRESSED, **NAMED, **{f"ModelSlim {k}": form for k, form in MODELSLIM.items()}}
DATA: dict[str, Any] = tomllib.loads((Path(__file__).parent / "cells.toml").read_text(encoding="utf-8"))
#: Releases with cells of their own, in the order in which a cell's outcomes are listed.
DESCRIBED: list[str] = DATA["described"]
ANY = "any"
LAYERS = ("linear", "moe", ANY)
SOCS_COMPARED = ("A2", "A3", "A5", "310P")
SAME = "="


@dataclass(frozen=True)
class Cell:
    """One release, SoC, format and kind of module. ``expected`` is what was established; ``excepted`` is
    what the mechanism says instead, for the ``reason``.
    """

    release: str
    soc: str
    table: str
    format: str
    layer: str
    asked: str | None
    expected: str
    excepted: str | None = None
    reason: str | None = None

    @property
    def replayed(self) -> str:
        """What the replay is to say."""
        return self.expected if self.excepted is None else self.excepted


def cells(release: str, every: bool = True) -> Iterator[Cell]:
    """The cells of a release, exceptions applied; without ``every`` those that say nothing of their own take turns."""
    for row in DATA["row"]:
        asked = at(DATA["asked"].get(row["table"], []), release) or None
        for layer in (name for name in LAYERS if name in row):
            outcomes = {**DATA["tables"][row["table"]], "A3": [f"{DESCRIBED[0]} {SAME}A2"], **row[layer]}
            for soc in SOCS_COMPARED:
                expected = _from(outcomes, soc, release)
                same = soc not in row[layer] or str(at(row[layer][soc], release)).startswith(SAME)
                for name in formats_of(row) if expected is not None else ():
                    if every or not same or _turn(name, soc, release):
                        yield _excepted(Cell(release, soc, row["table"], name, layer, asked, expected), outcomes)


def formats_of(row: Mapping[str, Any]) -> list[str]:
    """The formats that share a row."""
    return row["format"] if isinstance(row["format"], list) else [row["format"]]


def _turn(name: str, soc: str, release: str) -> bool:
    """Whether it is the release's turn to compare a SoC on a format: it is at every fourth one."""
    place = [*FORMATS, *MODELS].index(name) + SOCS_COMPARED.index(soc)
    return (place + DESCRIBED.index(release)) % 4 == 0


def _excepted(cell: Cell, outcomes: Mapping[str, Any]) -> Cell:
    """The cell as the first exception that covers it has it."""
    item = next((item for item in DATA["exception"] if _covers(item, cell)), None)
    if item is None:
        return cell
    got = item["got"]
    got = _from(outcomes, got.removeprefix(SAME), cell.release) if got.startswith(SAME) else got
    return replace(cell, excepted=got, reason=item["reason"])


def at(timeline: list[str], release: str) -> str | None:
    """What a list of ``"RELEASE OUTCOME"`` says of a release: its own entry or the last one before it."""
    found = None
    for entry in timeline:
        since, _, outcome = entry.partition(" ")
        if DESCRIBED.index(since) <= DESCRIBED.index(release):
            found = outcome
    return found


def _from(outcomes: Mapping[str, Any], soc: str, release: str) -> str | None:
    found = at(outcomes.get(soc, []), release)
    if found is None or found == "-":
        return None
    return _from(outcomes, found.removeprefix(SAME), release) if found.startswith(SAME) else found


def _covers(item: Mapping[str, Any], cell: Cell) -> bool:
    """Whether an exception is about a cell; what it does not name it leaves open. An A3 shares those of the A2."""
    soc = "A2" if cell.soc == "A3" else cell.soc
    named = {"release": cell.release, "soc": soc, "table": cell.table, "format": cell.format, "layer": cell.layer}
    return all(value in item[key] for key, value in named.items() if key in item)


# the mechanism --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replayed:
    """One replay, to be asked about its linear modules, its experts, or everything."""

    ask: Callable[[Match, str], tuple[Finding, ...]]
    match: Match

    def findings(self, layer: str = ANY) -> tuple[Finding, ...]:
        """What the graph of the modules of one kind finds, and loading their tensors."""
        groups = [group for group in self.match.groups if layer in (ANY, group.bucket.leaf.kind)]
        return self.ask(replace(self.match, groups=groups), layer)

    def outcome(self, layer: str = ANY) -> str:
        """The verdict of the findings in the words of ``cells.toml``."""
        return outcome(self.findings(layer))


@cache
def checkpoint(name: str) -> tuple[CheckpointFacts, ModelProfile]:
    """The checkpoint of a format or model with its profile, built once."""
    facts = MODELS[name]() if name in MODELS else make(FORMATS[name])
    return facts, classify(facts)


def replay(pack: Mapping[str, Any], soc: str, name: str, asked: str | None = None) -> Replayed:
    """Replay a release on a checkpoint. A 310P is asked with float16, which it needs whatever the format."""
    facts, profile = checkpoint(name)
    target = make_target(pack, SOCS[soc.lower()])
    launch = LaunchProfile(quantization=asked, dtype="float16" if soc == "310P" else None)

    def ask(found: Match, layer: str) -> tuple[Finding, ...]:
        dispatch = graph_findings(build_graph(pack, RULES, facts, profile, target, found))
        loading = loaded(load(pack, facts, profile, found), layer)
        return (*settled(dispatch, loading, found), *loading_findings(loading, found))

    return Replayed(ask, match(pack, RULES, facts, profile, target, launch))


def loaded(loading: Loading | None, layer: str) -> Loading | None:
    """What became of the tensors of experts, or of those of all other modules."""
    if loading is None or layer == ANY:
        return loading
    experts = layer == "moe"
    kept = [item for item in loading.outcomes if (".experts." in item.sample.name) is experts]
    partial = [item for item in loading.partial if (".experts." in item.parameter) is experts]
    return replace(loading, outcomes=kept, partial=partial)


def outcome(findings: tuple[Finding, ...]) -> str:
    """Findings as one outcome. A server builds its layers before it loads them, and loads before it computes."""
    known = {code: [f for f in findings if f.code == code and not f.undetermined] for code in _IN_ORDER}
    for code, word in _IN_ORDER.items():
        for item in known[code][:1]:
            params = item.message.params
            return word.format(params.get("exception")) + f" {params.get('message') or params.get('parameter') or ''}"
    unknown = [f for f in findings if f.undetermined]
    blocking = [f for f in unknown if f.severity is Severity.BLOCKER]
    if unknown:
        return f"U {(blocking or unknown)[0].code} {(blocking or unknown)[0].message.params}"
    return "N*" if any(f.code == "AC305" for f in findings) else "N"


#: Finding codes in the order in which a start would meet them.
_IN_ORDER = {"AC201": "F:architecture", "AC202": "F:architecture", "AC302": "F:{}", "AC303": "F:{}",
             "AC308": "F:shape", "AC340": "F:{}", "AC343": "W", "AC342": "W", "AC301": "W",
             "AC307": "F:hw", "AC312": "D"}  # fmt: skip


def agrees(expected: str, got: str) -> bool:
    """Whether an outcome is the expected one: the same word, and the text after it somewhere in the message."""
    word, _, said = expected.partition(" ")
    got_word, _, message = got.partition(" ")
    return word == got_word and said in message
