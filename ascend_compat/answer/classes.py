"""What the classes of a release say of layouts: whether model and draft run in stages, what divides encoder heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import ModelProfile
from ascend_compat.knowledge.matched import Match
from ascend_compat.memory.classes import Classes, Staged
from ascend_compat.memory.drafter import Drafter, open_drafter

_DIVIDED = "QKVParallelLinear"


def layout_classes(
    pack: Mapping[str, Any], profile: ModelProfile, found: Match, speculative: Mapping[str, Any] | None = None
) -> Classes:
    """The registry's word on the model and its draft (the one MTP would run with, unless a launch names another), and
    the place that cuts encoder heads."""
    other = open_drafter(speculative)
    draft = other.profile.architecture if isinstance(other, Drafter) else None if other else found.draft[0]
    at = next((at for at, path in _divided(found) if any(path.startswith(name) for name in _prefixes(profile))), None)
    file, _, line = (at or "").rpartition(":")
    place = Evidence(EvidenceKind.SOURCE, file, int(line), "divides the heads of the encoder by tp") if at else None
    return Classes(_staged(pack, profile.architecture), _staged(pack, draft), file or None, place)


def _staged(pack: Mapping[str, Any], architecture: str | None) -> Staged | None:
    entry = pack.get("architectures", {}).get(architecture, {})
    known = entry.get("stages")
    if architecture is None or known is None:
        return None
    path, _, line = str(entry["at"]).rpartition(":")
    detail = f"{entry['class']} {'implements' if known else 'does not implement'} SupportsPP"
    return Staged(entry["class"], bool(known), Evidence(EvidenceKind.SOURCE, path, int(line), detail))


def _divided(found: Match) -> list[tuple[str, str]]:
    """Where projections of queries, keys and values are built, with their paths."""
    leaves = (leaf for known in found.tree.leaves.values() for leaf in known)
    return [(leaf.at, leaf.path) for leaf in leaves if leaf.cls.rpartition(":")[2] == _DIVIDED]


def _prefixes(profile: ModelProfile) -> list[str]:
    """Last names of the towers' prefixes: a release may nest a tower elsewhere than the checkpoint."""
    return [f"{tower.prefix.rstrip('.').rpartition('.')[2]}." for tower in profile.towers if tower.prefix]
