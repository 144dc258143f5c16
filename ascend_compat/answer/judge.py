"""One judgement: replay, memory plan and findings of a checkpoint on a target, for the question and every remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding, Param
from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.verdict import Verdict
from ascend_compat.knowledge.condition_facts import Facts
from ascend_compat.knowledge.defects import defect_findings
from ascend_compat.knowledge.findings import graph_findings
from ascend_compat.knowledge.gates import verdict_of
from ascend_compat.knowledge.graph import build_graph
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.match import Match, match
from ascend_compat.knowledge.operator_findings import operator_findings
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.plan import make_plan
from ascend_compat.memory.rules import MemoryRules, load_memory_rules


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the stages found for one (checkpoint, release, SoC, launch)."""

    pack: Mapping[str, Any]
    facts: CheckpointFacts
    profile: ModelProfile
    target: Target
    launch: LaunchProfile
    match: Match
    plan: MemoryPlan
    findings: tuple[Finding, ...]
    verdict: Verdict


@lru_cache(maxsize=4)
def _memory_rules(directory: Path) -> MemoryRules:
    """The memory rules of a rules directory, read once: a search for remedies judges many times."""
    return load_memory_rules(directory / "curated" / "memory.toml")


def make_target(pack: Mapping[str, Any], soc: Soc) -> Target:
    """The release of a pack on a SoC."""
    versions = pack.get("versions", {})

    def version(name: str) -> str | None:
        value = versions.get(name, {}).get("value")
        return str(value) if value is not None else None

    release = pack.get("release", {})
    return Target(
        vllm_ascend=str(release.get("vllm_ascend")),
        vllm=release.get("vllm"),
        soc=soc,
        pack_digest=str(pack.get("digest", "")),
        cann=version("cann"),
        torch_npu=version("torch_npu"),
    )


def judge(
    pack: Mapping[str, Any],
    rules: Rules,
    facts: CheckpointFacts,
    profile: ModelProfile,
    soc: Soc,
    launch: LaunchProfile,
) -> Judgement:
    """Run every stage that follows the reading of the checkpoint."""
    target = make_target(pack, soc)
    found = match(pack, rules, facts, profile, target, launch)
    graph = build_graph(pack, rules, facts, profile, target, found)
    memory_rules = _memory_rules(rules.directory)
    plan = make_plan(facts, profile, target, launch, memory_rules, pack.get("defaults", {}))
    layout = plan.studied.layout if plan.studied else None
    findings = (
        *facts.problems,
        *profile.findings,
        *graph_findings(graph),
        *operator_findings(pack, facts, profile, target, launch),
        *defect_findings(rules, Facts(pack, facts, profile, found, target, launch, layout)),
        *memory_findings(plan, target, launch),
    )
    ordered = tuple(sorted(merge(findings), key=lambda f: (-f.severity.rank, f.undetermined, f.code)))
    return Judgement(pack, facts, profile, target, launch, found, plan, ordered, verdict_of(ordered))


def merge(findings: tuple[Finding, ...]) -> list[Finding]:
    """Findings that say the same of several parameters of one class become one."""
    out: dict[tuple[Any, ...], Finding] = {}
    for item in findings:
        params = item.message.params
        same = {k: v for k, v in params.items() if k not in ("parameter", "modules", "example", "template")}
        key = (item.code, item.message.id, tuple(sorted(same.items(), key=str)) if "cls" in params else id(item))
        first = out.get(key)
        out[key] = item if first is None else _joined(first, item)
    return list(out.values())


def _joined(first: Finding, second: Finding) -> Finding:
    old, new = first.message.params, second.message.params
    params: dict[str, Param] = {**old, "parameter": f"{old['parameter']}, {new['parameter']}"}
    extra = tuple(e for e in second.evidence if e not in first.evidence)
    message = replace(first.message, params=params)
    return replace(first, message=message, evidence=(*first.evidence, *extra))
