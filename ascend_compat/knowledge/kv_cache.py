"""What a release makes of a declared KV cache quantization: the method it gives an attention layer, if any."""

from __future__ import annotations

from ascend_compat.core.finding import Finding, Message, Param
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.layers import concrete
from ascend_compat.knowledge.modules import Leaf, ModuleTree
from ascend_compat.knowledge.outcomes import LayerOutcome, LayerSpec
from ascend_compat.knowledge.places import at
from ascend_compat.knowledge.replay import Replay

#: The class that attention layers share. Source: vLLM 0.18.0, model_executor/layers/attention_layer_base.py.
BASE = "AttentionLayerBase"
ATTENTION = "attention"


def ask_cache(replay: Replay, tree: ModuleTree, profile: ModelProfile) -> tuple[str, LayerOutcome] | None:
    """The first attention layer and its fate; ``None`` where no cache is declared or no layer is known."""
    leaf = _attention(tree) if profile.quantization.kv_cache is not None else None
    if leaf is None:
        return None
    first = next((group.layers[0] for group in profile.attention if group.layers), 0)
    prefix = concrete(leaf.path, first)
    return prefix, replay.layer(LayerSpec(prefix, leaf.cls, leaf.lineage, ATTENTION, 0, (0,)), allocate=False)


def _attention(tree: ModuleTree) -> Leaf | None:
    """An attention layer of the decoder; encoder-only attention keeps no cache."""
    known = [leaf for leaves in tree.leaves.values() for leaf in leaves if any(BASE in name for name in leaf.lineage)]
    return next((leaf for leaf in known if "ncoder" not in leaf.cls and "*" in leaf.path), None)


def cache_findings(asked: tuple[str, LayerOutcome] | None, chosen: str | None, profile: ModelProfile) -> list[Finding]:
    """AC313: the release raises for the declared cache, keeps it in the dtype of the model, or can't be followed.

    ``chosen`` is the place of the configuration class that was asked. A cache that gets a method is no finding.
    """
    if asked is None or asked[1].method is not None:
        return []
    prefix, outcome = asked
    stop = outcome.trouble
    params: dict[str, Param] = {"cache": profile.quantization.kv_cache, "example": prefix}
    evidence = (at(stop.at if stop else chosen), *profile.quantization.evidence[:2])
    if stop is None:
        message, weight = Message("AC313", params), (Severity.INFO, Effect.DEGRADED)
    elif stop.kind is None:
        message, weight = Message("AC313.open", {**params, "message": stop.message}), (Severity.INFO, Effect.NONE)
    else:
        said = {**params, "exception": stop.kind, "message": stop.message}
        message, weight = Message("AC313.raises", said), (Severity.BLOCKER, Effect.FAILS_AT_STARTUP)
    undetermined = stop is not None and stop.kind is None
    subject = "KV cache"
    return [Finding("AC313", *weight, Basis.SOURCE, subject, message, evidence, undetermined=undetermined)]
