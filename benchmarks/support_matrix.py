"""Writes docs/support-matrix.md: the models that releases document, judged, and every contradiction with both sides."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from published import DATA, NoModel, config_of
from support_page import HERE, Row, page

from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.answer.shared import Shared
from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.errors import AscendCompatError
from ascend_compat.knowledge.gates import verdict_of
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.modules import ModuleTree
from ascend_compat.knowledge.variants import float_variant, modelslim_variant
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc
from ascend_compat.report.catalog import render
from ascend_compat.source.spec import open_source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RELEASES = ("0.18.0", "0.23.0", "0.30.0rc2")
TABLE = Path(__file__).with_suffix(".toml")
#: The words of the column "supported hardware" and the devices they mean; a row that names none is asked on A2.
HARDWARE = (("A2", r"\bA2\b"), ("A3", r"\bA3\b"), ("A5", r"950"), ("310P", r"300I|310"))
#: Findings that say that tensors are not known: left out where a row is judged without them.
UNKNOWN = frozenset(("AC311", "AC310"))
_ORDER = (Verdict.COMPATIBLE, Verdict.CONDITIONAL, Verdict.UNDETERMINED, Verdict.INCOMPATIBLE)


@dataclass(frozen=True)
class Answer:
    """The best answer over the checkpoints tried: its verdict, which one it is, how it was judged, and why not yes."""

    verdict: Verdict
    precision: str
    npus: int | None
    why: str
    evidence: str

    @property
    def code(self) -> str:
        """The code of the finding that stands against a yes."""
        return self.why[1:6] if self.why.startswith("[") else ""


class Judge:
    """Judges rows; the same checkpoint on the same target is judged once."""

    def __init__(self) -> None:
        self.rules = Rules(rules_directory(None))
        self.shared = Shared(self.rules)
        self.table = tomllib.loads(TABLE.read_text(encoding="utf-8"))["rows"]
        self.known: dict[str, Answer] = {}

    def rows(self, release: str) -> Iterator[Row]:
        """Every documented row on every device it names."""
        pack = self.rules.pack(release)
        for name, entry in pack["documented"].items():
            described = next((row for row in self.table if re.search(row["match"], name, re.I)), None)
            for soc in socs(str(entry.get("hardware") or "")):
                answer, missing = self._row(pack, release, soc, described)
                yield Row(
                    release, name, soc, entry["status"], entry["at"], answer.verdict.value if answer else None,
                    answer.precision if answer else "", answer.npus if answer else None,
                    answer.why if answer else "", answer.evidence if answer else "", missing,
                )  # fmt: skip

    def _row(
        self, pack: Mapping[str, Any], release: str, soc: str, described: Mapping[str, Any] | None
    ) -> tuple[Answer | None, str]:
        if described is None:
            return None, "no entry in benchmarks/support_matrix.toml"
        try:
            config = configuration(described)
        except (NoModel, FileNotFoundError) as error:
            return None, str(error)
        if not config:
            return None, str(described["missing"])
        said = beside(pack, described)
        key = json.dumps([release, soc, config, bool(described.get("published"))], sort_keys=True)
        if key not in self.known:
            self.known[key] = self._best(pack, soc, config, described)
        best = self.known[key]
        return replace(best, evidence=f"{best.evidence}{said}"), str(described.get("missing", ""))

    def _best(self, pack: Mapping[str, Any], soc: str, config: dict[str, Any], described: Mapping[str, Any]) -> Answer:
        """The first checkpoint that is a yes, else the one nearest to it."""
        whole = "missing" not in described
        answers = []
        for precision, facts in self._checkpoints(pack, config, bool(described.get("published")), whole):
            device = resolve_soc(soc, None, self.rules.directory / "curated")
            # 310P computes no bfloat16: every tutorial of that device starts with float16.
            launch = LaunchProfile(dtype="float16" if soc == "310P" else None)
            try:
                found = judge(pack, self.rules, facts, classify(facts), device, launch, self.shared)
            except AscendCompatError as error:
                answers.append(Answer(Verdict.UNDETERMINED, precision, None, str(error), "-"))
                continue
            answers.append(answer(found, precision, whole))
            if answers[-1].verdict is Verdict.COMPATIBLE:
                break
        best = min(answers, key=lambda one: _ORDER.index(one.verdict))
        others = [f"{one.precision}: {one.verdict.value} {one.code}".strip() for one in answers if one is not best]
        return replace(best, precision=f"{best.precision} ({'; '.join(others)})") if others else best

    def _checkpoints(
        self, pack: Mapping[str, Any], config: dict[str, Any], published: bool, whole: bool
    ) -> Iterator[tuple[str, CheckpointFacts]]:
        plain = {k: v for k, v in config.items() if k not in ("quantization_config", "compression_config")}
        facts = read(config if published else plain)
        yield ("as published" if published else "float" if whole else "registry and walk"), facts
        if not whole:
            return
        profile = classify(facts)
        if published and (floating := float_variant(facts, profile)) is not None:
            yield "float", floating
        tree = ModuleTree(pack, profile.architecture or "", facts.config)
        slim = modelslim_variant(facts, profile, tree)
        if slim is not None:
            yield "ModelSlim W8A8", slim


def answer(found: Judgement, precision: str, whole: bool) -> Answer:
    """A judgement in short; without tensors, what only tensors could say is left out."""
    findings = [f for f in found.findings if whole or f.code not in UNKNOWN]
    blockers = [f for f in findings if f.severity is Severity.BLOCKER]
    minimum = found.plan.minimum
    first = next(iter(blockers), None)
    return Answer(
        verdict_of(findings), precision, minimum.npus if minimum and whole else None,
        said(first) if first else "", ", ".join(map(str, first.evidence[:3])) if first else proof(found),
    )  # fmt: skip


def said(finding: Finding) -> str:
    """Code and sentence of a finding."""
    return f"[{finding.code}](findings/{finding.code}.md): {render(finding.message.id, finding.message.params, 'en')}"


def proof(found: Judgement) -> str:
    """What a yes rests on: where the architecture is registered and its class."""
    entry = found.pack["architectures"].get(found.profile.architecture, {})
    return f"registered at {entry.get('at', '-')}; no operator of its walk is missing"


def beside(pack: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    """What else speaks about a row: end-to-end tests of the release, and what stands behind its mark."""
    wanted = described.get("tested")
    tests = [name for name in pack["tested_models"]["models"] if wanted and re.search(wanted, name, re.I)]
    out = f"; its end-to-end tests start {', '.join(tests)}" if tests else ""
    return f"{out}. The mark {described['said']}" if "said" in described else out


def configuration(described: Mapping[str, Any]) -> dict[str, Any]:
    """``config.json`` of a row, empty where not even the architecture is known."""
    config: dict[str, Any] = {}
    if "model" in described:
        config = config_of(described["model"])
    elif "config" in described:
        config = json.loads((DATA / "configs" / f"{described['config']}_config.json").read_text(encoding="utf-8"))
    elif "architecture" in described:
        config = {"architectures": [described["architecture"]], "torch_dtype": "bfloat16"}
    return {**config, **described.get("set", {})}


def read(config: Mapping[str, Any]) -> CheckpointFacts:
    """Facts of a directory that holds only this config.json; its tensors are computed where a table is known."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return configured(read_checkpoint(open_source(scratch, offline=True)))


def socs(hardware: str) -> list[str]:
    """Devices a row names."""
    return [name for name, words in HARDWARE if re.search(words, hardware)] or ["A2"]


def main(argv: list[str] | None = None) -> int:
    """Command line: ``support_matrix.py [-o FILE] [RELEASE...]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("releases", nargs="*", default=list(RELEASES))
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent / "docs" / "support-matrix.md")
    arguments = parser.parse_args(argv)
    judging, found = Judge(), []
    for release in arguments.releases:
        for row in judging.rows(release):
            print(f"{row.release} {row.soc} {row.name}: {row.status} / {row.verdict}", file=sys.stderr, flush=True)
            found.append(row)
    arguments.output.write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
