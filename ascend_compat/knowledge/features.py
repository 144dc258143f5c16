"""Features of the serving stack and whether this checkpoint can use them on this target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ascend_compat.core.finding import Message
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import Target


@dataclass(frozen=True, slots=True)
class Feature:
    """``status``: supported, unsupported, experimental, checkpoint-missing, not-applicable or undetermined."""

    name: str
    status: str
    reason: Message


def features(
    pack: Mapping[str, Any], profile: ModelProfile, target: Target, draft: tuple[str | None, str | None]
) -> tuple[Feature, ...]:
    """The table, one row per feature."""
    return (
        _mtp(pack, profile, draft),
        _expert_parallel(profile),
        _graph(target),
        _multimodal(profile),
        _tools(pack, profile),
        _kv_quant(profile),
    )


def _mtp(pack: Mapping[str, Any], profile: ModelProfile, draft: tuple[str | None, str | None]) -> Feature:
    mtp = profile.mtp
    if mtp is None or (mtp.declared == 0 and not mtp.present):
        return Feature("mtp", "not-applicable", Message("feature.mtp.none"))
    if not mtp.present:
        return Feature("mtp", "checkpoint-missing", Message("feature.mtp.missing", {"declared": mtp.declared}))
    name, _ = draft
    if name is None:
        return Feature("mtp", "undetermined", Message("feature.mtp.unknown"))
    if name not in pack.get("architectures", {}):
        return Feature("mtp", "unsupported", Message("feature.mtp.unregistered", {"architecture": name}))
    return Feature("mtp", "supported", Message("feature.mtp.supported", {"architecture": name, "tensors": mtp.tensors}))


def _expert_parallel(profile: ModelProfile) -> Feature:
    if profile.moe is None:
        return Feature("expert-parallel", "not-applicable", Message("feature.ep.none"))
    return Feature("expert-parallel", "supported", Message("feature.ep.supported", {"experts": profile.moe.routed}))


def _graph(target: Target) -> Feature:
    return Feature("acl-graph", "undetermined", Message("feature.graph", {"release": target.vllm_ascend}))


def _multimodal(profile: ModelProfile) -> Feature:
    names = ", ".join(tower.modality for tower in profile.towers)
    if not names:
        return Feature("multimodal", "not-applicable", Message("feature.multimodal.none"))
    return Feature("multimodal", "undetermined", Message("feature.multimodal.tower", {"modalities": names}))


def _tools(pack: Mapping[str, Any], profile: ModelProfile) -> Feature:
    """Parsers whose name starts like the model type: the release has them, which one fits is the template's choice."""
    family = (profile.model_type or "").split("_")[0]
    names = sorted(n for n in pack.get("tool_parsers", {}) if family and n.startswith(family))
    if not names:
        return Feature("tool-calling", "undetermined", Message("feature.tools.unknown"))
    return Feature("tool-calling", "supported", Message("feature.tools.found", {"parsers": ", ".join(names)}))


def _kv_quant(profile: ModelProfile) -> Feature:
    declared = profile.quantization.kv_cache
    if declared is None:
        return Feature("kv-cache-quantization", "not-applicable", Message("feature.kv.none"))
    return Feature("kv-cache-quantization", "undetermined", Message("feature.kv.declared", {"declared": declared}))
