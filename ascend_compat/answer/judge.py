"""One judgement: replay, memory plan and findings of a checkpoint on a target, for the question and every remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ascend_compat.answer.classes import layout_classes
from ascend_compat.answer.grounds import grounded
from ascend_compat.answer.shared import Shared
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding, Param
from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.verdict import Effect, Severity, Verdict
from ascend_compat.knowledge.claims import claim_findings
from ascend_compat.knowledge.condition_facts import Facts
from ascend_compat.knowledge.defects import defect_findings
from ascend_compat.knowledge.draft_findings import draft_findings
from ascend_compat.knowledge.findings import graph_findings
from ascend_compat.knowledge.gates import verdict_of
from ascend_compat.knowledge.graph import build_graph
from ascend_compat.knowledge.knobs import Readers
from ascend_compat.knowledge.kv_cache import asked_dtype_findings, cache_findings
from ascend_compat.knowledge.launch_names import name_findings
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.loading.findings import LEFT_OPEN, loading_findings, settled
from ascend_compat.knowledge.loading.results import Loading
from ascend_compat.knowledge.loading.run import load_draft
from ascend_compat.knowledge.match import config_class
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import ModuleTree
from ascend_compat.knowledge.operator_findings import operator_findings
from ascend_compat.knowledge.outcomes import Startup
from ascend_compat.knowledge.published import published_layouts
from ascend_compat.knowledge.quantization_flag import flag_findings
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.search import Published

#: Files of every rank are copied parameter by parameter; no ``load_weights`` of a model runs.
#: Source: V 0.18.0 vllm/model_executor/model_loader/sharded_state_loader.py:110.
_SHARDED = "sharded_state"


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
    loading: Loading | None = None
    draft_loading: Loading | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A replay that ended at its first blocker: it can't become a yes, whatever the stages after it would find."""

    match: Match
    findings: tuple[Finding, ...]


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
    shared: Shared | None = None,
    *,
    brief: bool = False,
) -> Judgement:
    """Run every stage that follows the reading of the checkpoint; ``brief``, loaders only where they can decide."""
    target = make_target(pack, soc)
    shared = shared or Shared(rules)
    facts, profile = shared.served(pack, facts, profile, target)
    found = shared.match(pack, facts, profile, target, launch)
    known = published_layouts(pack, facts.spec, soc.device_type)
    return _judged(pack, shared, facts, profile, target, launch, found, tuple(known), brief=brief)


def attempt(
    pack: Mapping[str, Any],
    facts: CheckpointFacts,
    profile: ModelProfile,
    soc: Soc,
    launch: LaunchProfile,
    shared: Shared,
) -> Judgement | Refusal:
    """As :func:`judge`, but the first module that blocks ends it: before other modules and the memory plan."""
    target = make_target(pack, soc)
    facts, profile = shared.served(pack, facts, profile, target)

    def blockers(found: Match) -> tuple[Finding, ...]:
        graph = build_graph(pack, shared.rules, facts, profile, target, found)
        return tuple(f for f in graph_findings(graph) if f.severity is Severity.BLOCKER and f.code not in LEFT_OPEN)

    if profile.architecture not in pack.get("architectures", {}):  # no replay is needed to see that
        unknown = Match(ModuleTree(pack, ""), Startup())
        return Refusal(unknown, blockers(unknown))
    found = shared.match(pack, facts, profile, target, launch, lambda partial: bool(blockers(partial)))
    stopped = blockers(found)
    if stopped:
        return Refusal(found, stopped)
    return _judged(pack, shared, facts, profile, target, launch, found, brief=True)


def _judged(
    pack: Mapping[str, Any],
    shared: Shared,
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    launch: LaunchProfile,
    found: Match,
    known: tuple[Published, ...] = (),
    *,
    brief: bool,
) -> Judgement:
    """``known`` are layouts of the tutorials; other releases of a search go without, so that they share plans."""
    rules = shared.rules
    graph = build_graph(pack, rules, facts, profile, target, found)
    classes = layout_classes(pack, profile, found, launch.speculative)
    plan = shared.plan(*shared.loaded(facts, profile, found), target, launch, pack.get("defaults", {}), known, classes)
    layout = plan.studied.layout if plan.studied else None
    dispatch = graph_findings(graph)
    others = (
        *cache_findings(found.cache, config_class(found.startup)[1], profile),
        *asked_dtype_findings(rules.hardware, target, launch),
        *operator_findings(pack, facts, profile, target, launch),
        *claim_findings(pack, rules, facts, profile, target),
        *flag_findings(facts, profile, found, target, launch),
        *draft_findings(pack, facts, profile, found, launch),
        *name_findings(pack, launch, Readers(rules.readers), target),
        *defect_findings(rules, Facts(pack, facts, profile, found, target, launch, layout)),
        *(grounded(finding, profile) for finding in memory_findings(plan, target, launch)),
    )
    ended = brief and any(map(_ends, (*facts.problems, *profile.findings, *dispatch, *others)))
    copied = (launch.flags or {}).get("--load-format") == _SHARDED
    loading = None if ended or copied else shared.load(pack, facts, profile, found)
    draft = None if brief or copied else load_draft(pack, facts, profile, found)
    named = loading_findings(loading, found, draft)
    findings = (*facts.problems, *profile.findings, *settled(dispatch, loading, found), *named, *others)
    ordered = tuple(sorted(merge(findings), key=_weight))
    verdict = verdict_of(ordered)
    return Judgement(pack, facts, profile, target, launch, found, plan, ordered, verdict, loading, draft)


def _ends(finding: Finding) -> bool:
    """Whether a start ends whatever loading says: certain, removed by no flag, and not for a loader to decide."""
    certain = finding.severity is Severity.BLOCKER and not (finding.undetermined or finding.conditional)
    return certain and finding.effect is Effect.FAILS_AT_STARTUP and finding.code not in LEFT_OPEN


def _weight(finding: Finding) -> tuple[int, bool, bool, bool, str]:
    """Blockers first, and among them what is certain and no flag removes: it decides the verdict. A start that fails
    comes before wrong output, which nobody would see then."""
    starts = finding.effect is not Effect.FAILS_AT_STARTUP
    return (-finding.severity.rank, finding.undetermined, finding.conditional, starts, finding.code)


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
