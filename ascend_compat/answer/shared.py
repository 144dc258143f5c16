"""What judgements of one checkpoint have in common: its files, its weights once loaded, loading runs, memory plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.knowledge.conversion import as_served
from ascend_compat.knowledge.files import CheckpointFiles
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.loading.likeness import likeness
from ascend_compat.knowledge.loading.results import Loading
from ascend_compat.knowledge.loading.run import load
from ascend_compat.knowledge.match import match
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.variants import float_variant
from ascend_compat.memory.case import make_case
from ascend_compat.memory.classes import Classes
from ascend_compat.memory.plan import plan_case
from ascend_compat.memory.rules import load_memory_rules
from ascend_compat.memory.search import Published


class Shared:
    """Kept answers, by identity of the checkpoint's facts. One object serves one rules directory and one question."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.memory = load_memory_rules(rules.directory / "curated" / "memory.toml")
        self._files: dict[int, tuple[CheckpointFacts, CheckpointFiles, dict[str, Mapping[str, str]]]] = {}
        self._plain: dict[int, tuple[CheckpointFacts, ModelProfile]] = {}
        self._served: dict[int, tuple[CheckpointFacts, CheckpointFacts]] = {}
        self._loads: dict[tuple[Any, ...], tuple[CheckpointFacts, Loading | None]] = {}
        self._plans: dict[tuple[Any, ...], tuple[CheckpointFacts, MemoryPlan]] = {}

    def served(
        self, pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, target: Target
    ) -> tuple[CheckpointFacts, ModelProfile]:
        """As :func:`ascend_compat.knowledge.conversion.as_served`; what is left of the facts is the same everywhere."""
        left, profile = as_served(pack, facts, profile, target.vllm)
        if left is not facts:
            left = self._served.setdefault(id(facts), (facts, left))[1]
        return left, profile

    def match(
        self,
        pack: Mapping[str, Any],
        facts: CheckpointFacts,
        profile: ModelProfile,
        target: Target,
        launch: LaunchProfile,
        enough: Callable[[Match], bool] | None = None,
    ) -> Match:
        """As :func:`ascend_compat.knowledge.match.match`; files are parsed and loaders asked for names once."""
        if id(facts) not in self._files:
            self._files[id(facts)] = (facts, CheckpointFiles(facts), {})  # facts are kept too: their id stays theirs
        _, files, names = self._files[id(facts)]
        return match(pack, self.rules, facts, profile, target, launch, files, enough, names)

    def load(
        self, pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, found: Match
    ) -> Loading | None:
        """As :func:`ascend_compat.knowledge.loading.run.load`, run once for replays that give it the same model."""
        key = (id(facts), pack.get("digest"), likeness(found))
        if pack.get("digest") is None or key not in self._loads:
            self._loads[key] = (facts, load(pack, facts, profile, found))
        return self._loads[key][1]

    def loaded(
        self, facts: CheckpointFacts, profile: ModelProfile, found: Match
    ) -> tuple[CheckpointFacts, ModelProfile]:
        """What the weights are once they are loaded: a loader may de-quantize them."""
        if not found.dequantizing:
            return facts, profile
        if id(facts) not in self._plain:
            plain = float_variant(facts, profile)
            self._plain[id(facts)] = (facts, profile) if plain is None else (plain, classify(plain))
        return self._plain[id(facts)]

    def plan(
        self,
        facts: CheckpointFacts,
        profile: ModelProfile,
        target: Target,
        launch: LaunchProfile,
        release: Mapping[str, Any],
        known: tuple[Published, ...] = (),
        classes: Classes | None = None,
    ) -> MemoryPlan:
        """As :func:`ascend_compat.memory.plan.make_plan`, made once for releases that the memory rules treat alike."""
        case = make_case(facts, profile, target, launch, self.memory, release, classes)
        drafter = id(case.drafter.facts) if case.drafter else None
        unknown = repr(case.unknown)
        settings = (case.utilization, case.block_size, repr(launch), unknown, case.classes, drafter)
        key = (id(facts), target.soc, self.memory.regime(target), settings, known)
        if key not in self._plans:
            self._plans[key] = (facts, plan_case(case, known))
        plan = self._plans[key][1]
        refused = plan.studied.first_failure if plan.studied else None
        if refused is not None and case.classes.evidence(refused):
            plan = plan_case(case, known)  # it names lines of this release
        return replace(plan, evidence=(*case.evidence, *plan.evidence[len(case.evidence) :]))
