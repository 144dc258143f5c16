"""Modules as a release is asked about them: sizes, classes, and which layers a configuration treats alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ascend_compat.classify.quant.names import safe_pattern
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import ModelProfile
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import Class
from ascend_compat.knowledge.layers import Bucket, concrete
from ascend_compat.knowledge.modules import LINEAR, MOE, replacement
from ascend_compat.knowledge.outcomes import LayerSpec


class Declared:
    """What the configuration says of a module by name, as something to compare layers by."""

    def __init__(self, facts: CheckpointFacts) -> None:
        config = facts.config.get("quantization_config") or facts.config.get("compression_config") or {}
        names = (
            [str(n) for key in ("ignore", "modules_to_not_convert", "ignored_layers") for n in config.get(key) or []]
            if isinstance(config, dict)
            else []
        )
        groups = config.get("config_groups") if isinstance(config, dict) else None
        for entry in groups.values() if isinstance(groups, dict) else ():
            names.extend(str(n) for n in (entry.get("targets") or []) if isinstance(entry, dict))
        self.exact = {n for n in names if not n.startswith("re:")}
        self.patterns = [safe_pattern(n[3:]) for n in names if n.startswith("re:")]
        self.description = facts.quant_description or {}

    def signature(self, bucket: Bucket, layer: int | None) -> tuple[Any, ...]:
        """What tells layers of one bucket apart; the tensors themselves they share."""
        parts: list[Any] = []
        for groups in bucket.shards.values():
            for group in groups:
                name = concrete(group.template, layer)
                module = name.rpartition(".")[0]
                matched = tuple(bool(p and p.match(module)) for p in self.patterns)
                parts.append((module in self.exact, matched, self.description.get(name)))
        fused = concrete(bucket.leaf.path, layer)
        return (*parts, fused in self.exact, tuple(bool(p and p.match(fused)) for p in self.patterns))


def module_spec(bucket: Bucket, prefix: str, profile: ModelProfile, pack: Mapping[str, Any], soc: str) -> LayerSpec:
    """A module with its sizes on TP 1, of the plugin's own class where it registers one for the engine's."""
    spec = _spec(bucket, prefix, profile)
    found = replacement(pack, spec.cls.rpartition(":")[2], soc)
    return replace(spec, cls=str(found["class"]), lineage=(spec.cls, *spec.lineage)) if found else spec


def _spec(bucket: Bucket, prefix: str, profile: ModelProfile) -> LayerSpec:
    """Sizes read off the stored weights."""
    leaf = bucket.leaf
    if leaf.kind == MOE:
        halves = [
            g for name, groups in bucket.shards.items() if name.startswith("w13_") for g in groups if len(g.shape) >= 2
        ]
        routed = profile.moe.routed if profile.moe else 0
        intermediate = profile.moe.intermediate_size if profile.moe else (halves[0].shape[0] if halves else 0)
        return LayerSpec(prefix, leaf.cls, leaf.lineage, MOE, profile.expert_width or 0, (intermediate,), routed)
    weights = [
        g for name in ("weight", "weight_packed", "qweight") for g in bucket.shards.get(name, []) if len(g.shape) == 2
    ]
    outputs = tuple(_rows(bucket, g) for g in weights) or (0,)
    inputs = weights[0].shape[1] * _packing(weights[0]) if weights else 0
    return LayerSpec(prefix, leaf.cls, leaf.lineage, LINEAR, inputs, outputs)


def _rows(bucket: Bucket, weight: TensorGroup) -> int:
    """Outputs of a module: rows of its weight, or of its scale where several rows of the weight share a byte."""
    rows = weight.shape[0]
    scales = [g for g in bucket.shards.get("weight_scale", []) if g.module == weight.module and len(g.shape) == 2]
    return next((g.shape[0] for g in scales if g.shape[0] in (2 * rows, 4 * rows)), rows)


def _packing(weight: TensorGroup) -> int:
    """Logical elements per stored element along the input dimension: int32 holds eight of 4 bits, a byte two."""
    if weight.parameter == "weight_packed" and weight.dtype == "I32":
        return 8
    return 2 if weight.dtype == "U8" else 1


def layer_class(machine: Machine, spec: LayerSpec) -> Class:
    """The module's class; its bases are the pack's own classes, so that ``isinstance`` means what it says."""
    made: Class | None = None
    for fqn in reversed((spec.cls, *spec.lineage)):
        module, _, name = fqn.partition(":")
        known = machine.member(module, name) if module else None
        bases = tuple(base for base in (known, made) if isinstance(base, Class))
        made = Class(name, module, "", bases, {})
    return made if made is not None else Class("Module", "torch.nn", "", (), {})
