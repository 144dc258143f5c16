"""Linear modules too narrow on a rank for the rank of the LoRA adapters that were asked for."""

from __future__ import annotations

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.layers import Bucket, fill
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import LINEAR

#: ``max_lora_rank`` when nothing is said. Source: vLLM 0.18.0 config/lora.py, ``LoRAConfig``.
_DEFAULT_RANK = 16
_SPLIT = "ColumnParallelLinear"


def asked_rank(launch: LaunchProfile) -> int | None:
    """The largest rank adapters may have; ``None`` without LoRA, or where the flag says no number."""
    flags = launch.flags or {}
    if "--enable-lora" not in flags:
        return None
    given = flags.get("--max-lora-rank")
    if given in (None, ""):
        return _DEFAULT_RANK
    return int(given) if str(given).isdigit() else None


def narrow(
    facts: CheckpointFacts, profile: ModelProfile, match: Match, launch: LaunchProfile, tp: int | None
) -> tuple[str, ...] | None:
    """Last names of modules split over ``tp`` ranks one of whose outputs is narrower than the rank asked for.

    ``None`` when that is not known: no tensors, or a rank that is no number.
    """
    rank = asked_rank(launch)
    if rank is None:
        return None if "--enable-lora" in (launch.flags or {}) else ()
    if not facts.tensors:
        return None
    towers = tuple(tower.prefix for tower in profile.towers)
    buckets, _ = fill(match.tree, facts, profile)
    found = (b.leaf.path for b in buckets if _split(b) and _narrowest(b, towers) // (tp or 1) < rank)
    return tuple(dict.fromkeys(path.rpartition(".")[2] for path in found))


def _split(bucket: Bucket) -> bool:
    names = (bucket.leaf.cls, *bucket.leaf.lineage)
    return bucket.leaf.kind == LINEAR and any(name.rpartition(":")[2] == _SPLIT for name in names)


def _narrowest(bucket: Bucket, towers: tuple[str, ...]) -> int:
    """Rows of the narrowest weight that a module is made of; towers take no adapters unless that is asked for."""
    rows = [
        group.shape[0]
        for name in ("weight", "weight_packed", "qweight")
        for group in bucket.shards.get(name, ())
        if len(group.shape) == 2 and not group.template.startswith(towers or ("\0",))
    ]
    return min(rows, default=1 << 62)
