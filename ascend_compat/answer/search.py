"""The questions a search for remedies asks: each judged as far as its first blocker, each answer kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from ascend_compat.answer.changes import flag_changes
from ascend_compat.answer.judge import Judgement, Refusal, attempt
from ascend_compat.answer.shared import Shared
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Soc
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.errors import RuleError
from ascend_compat.knowledge.load import release_order
from ascend_compat.knowledge.modules import ModuleTree

AS_IS = "as-is"


@dataclass(frozen=True, slots=True)
class Weights:
    """The checkpoint, as it is or in another precision."""

    precision: str
    facts: CheckpointFacts
    profile: ModelProfile

    @property
    def sound(self) -> bool:
        """Whether the weights themselves block nothing: what they block, they block on every target."""
        findings = (*self.facts.problems, *self.profile.findings)
        return not any(finding.severity is Severity.BLOCKER for finding in findings)


def works(found: Judgement | Refusal) -> TypeGuard[Judgement]:
    """Whether a judgement is a yes with a known layout."""
    return isinstance(found, Judgement) and found.verdict is Verdict.COMPATIBLE and found.plan.minimum is not None


class Search:
    """Asks what other releases, devices, weights and launches would answer."""

    def __init__(self, base: Judgement, shared: Shared) -> None:
        self.base = base
        self.rules = shared.rules
        self.own = base.target.vllm_ascend
        self.shared = shared
        self.releases = self.rules.releases()
        self._answers: dict[tuple[str, str, str, str], Judgement | None] = {}

    def tree(self) -> ModuleTree:
        """The modules of the model: of the asked release, else of the nearest that knows the architecture."""
        name, config = self.base.profile.architecture or "", self.base.facts.config
        if name in self.base.pack.get("architectures", {}):
            return self.base.match.tree
        packs = (self.pack(near) for near in self.near())
        knowing = (pack for pack in packs if pack is not None and name in pack.get("architectures", {}))
        return next(
            (ModuleTree(pack, name, config, self.base.match.tree.device) for pack in knowing), self.base.match.tree
        )

    def pack(self, release: str) -> Mapping[str, Any] | None:
        """The pack of a release, ``None`` for one that can't be read: ``rules check`` says what is wrong with it."""
        if release == self.own:
            return self.base.pack
        try:
            return self.rules.pack(release)
        except RuleError:
            return None

    def near(self) -> list[str]:
        """Other packed releases: final ones before candidates, then the nearest, then the newer.

        Distance counts releases in PEP 440 order; a release that is not packed (a tree) stands where it belongs.
        """
        order = sorted({*self.releases, self.own}, key=release_order)
        at = order.index(self.own)

        def cost(name: str) -> tuple[bool, int, bool]:
            index = order.index(name)
            return (release_order(name).is_prerelease, abs(index - at), index < at)

        return sorted((name for name in self.releases if name != self.own), key=cost)

    def first(self, soc: Soc, weights: Weights, launch: LaunchProfile) -> str | None:
        """The oldest packed release that runs the weights on a device, if need be with another launch."""
        return next((name for name in self.releases if self.runs(name, soc, weights, launch)), None)

    def runs(self, release: str, soc: Soc, weights: Weights, launch: LaunchProfile) -> Judgement | None:
        """The judgement of a yes, with another launch where only that leads to one; ``None`` for a no."""
        key = (release, soc.name, weights.precision, repr(launch))
        if key not in self._answers:
            asked = weights.sound and self.pack(release) is not None
            found = self.attempt(release, soc, weights, launch) if asked else None
            if found is not None and not works(found):
                found = next(self.changed(found, release, soc, weights, launch, everything=False), None)
            self._answers[key] = found
        return self._answers[key]

    def changed(
        self,
        found: Judgement | Refusal,
        release: str,
        soc: Soc,
        weights: Weights,
        launch: LaunchProfile,
        everything: bool,
    ) -> Iterator[Judgement]:
        """What runs with a change of the launch that the findings of ``found`` name."""
        described = weights.facts.quant_description is not None
        tried = [launch]
        for change in flag_changes(found, launch, described, self.rules, everything):
            if change not in tried:
                tried.append(change)
                again = self.attempt(release, soc, weights, change)
                if works(again):
                    yield again

    def attempt(self, release: str, soc: Soc, weights: Weights, launch: LaunchProfile) -> Judgement | Refusal:
        """One question judged as far as its first blocker."""
        pack = self.base.pack if release == self.own else self.rules.pack(release)
        return attempt(pack, weights.facts, weights.profile, soc, launch, self.shared)
