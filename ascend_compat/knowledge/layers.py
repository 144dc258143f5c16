"""Which checkpoint tensors each module of an architecture is filled from."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.classify.tensors import DRAFT
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import ModelProfile
from ascend_compat.knowledge.modules import MOE, Leaf, ModuleTree

#: Which half of a fused expert parameter a projection fills, by the names checkpoints use.
#: Source: vLLM 0.18.0, model_executor/layers/fused_moe/layer.py, make_expert_params_mapping, as models call it.
EXPERT_HALVES = {"gate_proj": "w13", "up_proj": "w13", "w1": "w13", "w3": "w13", "down_proj": "w2", "w2": "w2",
                 "gate_up_proj": "w13"}  # fmt: skip


#: Asked for tensor templates, gives templates of the parameters they are loaded into.
Renamed = Callable[[Collection[str]], Mapping[str, str]]


@dataclass(slots=True)
class Bucket:
    """What fills one module: stored tensors by (parameter, shard) and the layers that have them."""

    leaf: Leaf
    layers: tuple[int, ...]
    shards: dict[str, list[TensorGroup]] = field(default_factory=dict)


def fill(
    tree: ModuleTree, facts: CheckpointFacts, profile: ModelProfile, renamed: Renamed | None = None
) -> tuple[list[Bucket], list[TensorGroup]]:
    """Sort checkpoint tensors into the modules of the tree; the second item is what no module was found for.

    Layers of MTP heads are left out: the main model does not build them. ``renamed`` is asked for what the literal
    names of the tree place nowhere.
    """
    fused = {shard: name for name, shards in tree.packed.items() for shard in shards if shard != name}
    mapper = tree.attribute("hf_to_vllm_mapper") or {}
    buckets: dict[tuple[str, tuple[int, ...]], Bucket] = {}
    main = [
        (group, layers, name)
        for group in facts.tensors
        if not re.search(DRAFT, group.template)
        and ((layers := _main_layers(group, profile)) or not group.layers)
        and (name := mapped(group.template, mapper)) is not None
    ]
    places = {group.template: _place(tree, name, fused) for group, _, name in main}
    if renamed is not None and (unknown := [template for template, found in places.items() if found is None]):
        places |= {template: _parameter(tree, name) for template, name in renamed(unknown).items()}
    lost: list[TensorGroup] = []
    for group, layers, _ in main:
        found = places[group.template]
        if found is None:
            lost.append(group)
            continue
        leaf, parameter = found
        bucket = buckets.setdefault((leaf.path, layers), Bucket(leaf, layers))
        bucket.shards.setdefault(parameter, []).append(group)
    return list(buckets.values()), lost


def _main_layers(group: TensorGroup, profile: ModelProfile) -> tuple[int, ...]:
    """The layers of a group without those of MTP heads that are numbered on after the decoder's."""
    mtp = profile.mtp
    stem = mtp.prefix.split("*")[0] if mtp and mtp.prefix else None
    if mtp is None or stem is None or not group.template.startswith(stem):
        return group.layers
    return tuple(n for n in group.layers if n not in mtp.layers)


def _place(tree: ModuleTree, template: str, fused: Mapping[str, str]) -> tuple[Leaf, str] | None:
    """The module and parameter a tensor belongs to: itself, its fused module, or its fused experts."""
    module, _, parameter = template.rpartition(".")
    parent, _, last = module.rpartition(".")
    if module in tree.leaves:
        return tree.leaves[module][0], parameter
    if last in fused and f"{parent}.{fused[last]}" in tree.leaves:
        return tree.leaves[f"{parent}.{fused[last]}"][0], parameter
    head, found, tail = template.partition(".experts.")
    if found and f"{head}.experts" in tree.leaves:
        leaf = tree.leaves[f"{head}.experts"][0]
        names = [part for part in tail.split(".") if part != "*"]
        half = EXPERT_HALVES.get(names[0]) if names else None
        if half and leaf.kind == MOE:
            return leaf, f"{half}_{names[1] if len(names) > 1 else 'weight'}"
    return None


def _parameter(tree: ModuleTree, name: str) -> tuple[Leaf, str] | None:
    """The module and parameter of a parameter's own name; experts may stand one module below their layer."""
    module, _, parameter = name.rpartition(".")
    above = module.rpartition(".")[0]
    if module in tree.leaves:
        return tree.leaves[module][0], parameter
    if above in tree.leaves and tree.leaves[above][0].kind == MOE:
        return tree.leaves[above][0], parameter
    return None


def mapped(name: str, mapper: Mapping[str, Any]) -> str | None:
    """vLLM's ``WeightsMapper`` on a name, ``None`` for one it drops: every entry in turn, each on what the last left.

    Source: vLLM 0.30.0, model_executor/models/utils.py, ``WeightsMapper._map_name_with_shard``; patterns are not here.
    """
    for old, new in (mapper.get("orig_to_new_substr") or {}).items():
        if old in name:
            if new is None:
                return None
            name = name.replace(old, new, 1)
    for old, (new, _) in (mapper.get("orig_to_new_stacked") or {}).items():
        name = name.replace(old, new, 1)
    for old, new in (mapper.get("orig_to_new_prefix") or {}).items():
        if name.startswith(old):
            if new is None:
                return None
            name = new + name[len(old) :]
    for old, new in (mapper.get("orig_to_new_suffix") or {}).items():
        if name.endswith(old):
            if new is None:
                return None
            name = name[: -len(old)] + new
    return name


def renames(mapper: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a mapper that a quantization configuration is given: neither stacked nor dropped names.

    Source: V 0.25.1 and 0.30.0 model_executor/model_loader/utils.py ``configure_quant_config``; dropped names reach it
    up to 0.28, and are those of modules that the model does not build.
    """
    tables = {key: table for key, table in mapper.items() if key != "orig_to_new_stacked"}
    return {key: {old: new for old, new in table.items() if new is not None} for key, table in tables.items()}


def concrete(path: str, layer: int | None) -> str:
    """A path template with its first index filled in; a further index becomes 0."""
    if layer is not None:
        path = path.replace("*", str(layer), 1)
    return path.replace("*", "0")
