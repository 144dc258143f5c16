"""Replays that packs share: what is equal in code and model classes is replayed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.match import Match, match

#: Sections of a pack that a replay reads; besides them only the version of the paired engine and the device count.
SECTIONS = (
    "code", "kernel_tables", "environment", "architectures", "model_classes", "layer_classes", "custom_ops",
    "scheme_reads",
)  # fmt: skip
#: Packs whose replays are kept. Equal packs are neighbours in every order the releases are walked in.
LIMIT = 4


class Replays:
    """Matches of the last packs, by device, checkpoint and launch. One object serves one rules directory."""

    def __init__(self) -> None:
        self._kept: list[
            tuple[Mapping[str, Any], str | None, dict[tuple[Any, ...], tuple[CheckpointFacts, Match]]]
        ] = []
        self.count = 0

    def match(
        self,
        pack: Mapping[str, Any],
        rules: Rules,
        facts: CheckpointFacts,
        profile: ModelProfile,
        target: Target,
        launch: LaunchProfile,
        enough: Callable[[Match], bool] | None = None,
    ) -> Match:
        """As :func:`ascend_compat.knowledge.match.match`; ``enough`` may leave out what follows a blocker."""
        known = self._of(pack, target.vllm)
        question = (target.soc.device_type, id(facts), repr(launch))
        for whole in (True, False) if enough else (True,):
            key = (*question, whole)
            if key in known:
                return known[key][1]
        stopped = False

        def ask(partial: Match) -> bool:
            nonlocal stopped
            stopped = enough is not None and enough(partial)
            return stopped

        self.count += 1
        found = match(pack, rules, facts, profile, target, launch, None, ask)
        key = (*question, not stopped)
        known[key] = (facts, found)  # the facts are kept too: their id stays theirs
        return found

    def _of(self, pack: Mapping[str, Any], vllm: str | None) -> dict[tuple[Any, ...], tuple[CheckpointFacts, Match]]:
        for other, version, known in self._kept:
            if version == vllm and (other is pack or all(other.get(name) == pack.get(name) for name in SECTIONS)):
                return known
        self._kept = [*self._kept[1 - LIMIT :], (pack, vllm, {})]
        return self._kept[-1][2]
