"""What a release makes of a declared KV cache quantization: the method it gives an attention layer, if any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.curated import AbsentDtype
from ascend_compat.knowledge.layers import concrete
from ascend_compat.knowledge.modules import Leaf, ModuleTree
from ascend_compat.knowledge.outcomes import ATTENTION, LayerOutcome, LayerSpec
from ascend_compat.knowledge.places import at
from ascend_compat.knowledge.replay import Replay

#: The class that attention layers share. Source: vLLM 0.18.0, model_executor/layers/attention_layer_base.py.
BASE = "AttentionLayerBase"
FLAG = "--kv-cache-dtype"
_FLOAT8 = "float8_e4m3fn"


def ask_cache(replay: Replay, tree: ModuleTree, profile: ModelProfile) -> tuple[str, LayerOutcome] | None:
    """The first attention layer and its fate; ``None`` where no cache is declared or no layer is known."""
    leaf = _attention(tree) if profile.quantization.kv_cache is not None else None
    if leaf is None:
        return None
    first = next((group.layers[0] for group in profile.attention if group.layers), 0)
    prefix = concrete(leaf.path, first)
    return prefix, replay.layer(LayerSpec(prefix, leaf.cls, leaf.lineage, ATTENTION, 0, (0,)))


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


def asked_dtype_findings(absent: Iterable[AbsentDtype], target: Target, launch: LaunchProfile) -> Iterator[Finding]:
    """AC307: ``--kv-cache-dtype`` names a float8 dtype that the device has no units for.

    Source: vLLM 0.18.0, config/cache.py: every name that begins with ``fp8`` stands for a float8 dtype.
    """
    asked = (launch.flags or {}).get(FLAG) or ""
    rule = next((row for row in absent if _FLOAT8 in row.dtypes and target.soc.device_type in row.device_types), None)
    if asked.startswith("fp8") and rule is not None:
        evidence = (
            Evidence(EvidenceKind.RULE, "rules/curated/hardware.toml", None, rule.source),
            Evidence(EvidenceKind.CONFIG, "launch", None, f"{FLAG} {asked}"),
        )
        params: dict[str, Param] = {"asked": asked, "soc": target.soc.name}
        yield Finding(
            "AC307", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.DOCUMENTED, FLAG,
            Message("AC307.cache", params), evidence, Message("AC307.cache.remedy", params), conditional=True,
        )  # fmt: skip
