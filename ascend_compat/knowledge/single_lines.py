"""Float linear modules whose weight is a single row or column on a rank."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.knowledge.layers import Bucket, fill
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import LINEAR

#: Classes of vLLM that split a weight over the tensor-parallel ranks: along its rows (outputs), its columns (inputs).
#: Source: vllm 0.23.0 model_executor/layers/linear.py, ``ColumnParallelLinear``, ``RowParallelLinear``.
_ROWS, _COLUMNS = "ColumnParallelLinear", "RowParallelLinear"
_FLOAT = frozenset(("BF16", "F16"))


def single_lines(facts: CheckpointFacts, profile: ModelProfile, match: Match, tp: int | None) -> tuple[str, ...] | None:
    """Last names of such modules, each once; ``None`` when no tensor is known.

    ``tp`` ``None`` counts whole weights: what is split is not known to become a single line.
    """
    if not facts.tensors:
        return None
    chosen = {group.bucket.leaf.path for group in match.groups if group.outcome.scheme is not None}
    buckets, _ = fill(match.tree, facts, profile)
    found = (b.leaf.path for b in buckets if b.leaf.path not in chosen and 1 in _sizes(b, tp or 1))
    return tuple(dict.fromkeys(path.rpartition(".")[2] for path in found))


def _sizes(bucket: Bucket, tp: int) -> Iterator[int]:
    """Rows and columns of the weight on a rank; nothing for another kind of module or weight."""
    weights = [g for g in bucket.shards.get("weight", ()) if len(g.shape) == 2 and g.dtype in _FLOAT]
    if bucket.leaf.kind != LINEAR or not weights:
        return
    names = {name.rpartition(":")[2] for name in (bucket.leaf.cls, *bucket.leaf.lineage)}
    yield sum(weight.shape[0] for weight in weights) // (tp if _ROWS in names else 1)
    yield weights[0].shape[1] // (tp if _COLUMNS in names else 1)
