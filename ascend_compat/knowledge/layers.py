"""The modules a release builds for an architecture, and which checkpoint tensors each of them is filled from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.classify.tensors import DRAFT
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import ModelProfile

DEPTH = 12
#: Packages whose classes are models; one of them without children builds nothing.
MODEL_PACKAGES = ("vllm.model_executor.models.", "vllm_ascend.models.")
LINEAR, MOE, EMBEDDING, OTHER = "linear", "moe", "embedding", "other"
#: Base classes that decide how a module is asked for its quantization method, in the order they are looked for.
_KINDS = (
    ("FusedMoE", MOE),
    ("MoERunner", MOE),
    ("RoutedExperts", MOE),
    ("VocabParallelEmbedding", EMBEDDING),
    ("LinearBase", LINEAR),
)
#: Which half of a fused expert parameter a projection fills, by the names checkpoints use.
#: Source: vLLM 0.18.0, model_executor/layers/fused_moe/layer.py, make_expert_params_mapping, as models call it.
EXPERT_HALVES = {"gate_proj": "w13", "up_proj": "w13", "w1": "w13", "w3": "w13", "down_proj": "w2", "w2": "w2",
                 "gate_up_proj": "w13"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaf:
    """A module whose class is a layer of vLLM or torch: its path template, class and where it is built."""

    path: str
    cls: str
    lineage: tuple[str, ...]
    at: str
    quantized: bool
    chain: tuple[tuple[str, str], ...]

    @property
    def kind(self) -> str:
        """``linear``, ``moe``, ``embedding`` or ``other``."""
        names = {fqn.rpartition(":")[2].rpartition(".")[2] for fqn in (self.cls, *self.lineage)}
        return next((kind for base, kind in _KINDS if base in names), OTHER)


@dataclass(slots=True)
class Bucket:
    """What fills one module: stored tensors by (parameter, shard) and the layers that have them."""

    leaf: Leaf
    layers: tuple[int, ...]
    shards: dict[str, list[TensorGroup]] = field(default_factory=dict)


class ModuleTree:
    """The expanded module tree of one architecture."""

    def __init__(self, pack: Mapping[str, Any], architecture: str) -> None:
        self.pack = pack
        self.classes: Mapping[str, Any] = pack.get("model_classes", {})
        entry = pack.get("architectures", {}).get(architecture, {})
        self.root = f"{entry.get('module')}:{entry.get('class')}" if entry else ""
        self.at = entry.get("at")
        self.leaves: dict[str, list[Leaf]] = {}
        self.packed: dict[str, list[str]] = dict(self.attribute("packed_modules_mapping") or {})
        self.dynamic: list[str] = []
        for leaf in self._expand(self.root, "", (), 0):
            self.leaves.setdefault(leaf.path, []).append(leaf)

    def attribute(self, name: str) -> Any:
        """A literal of the model class or the nearest base that has it."""
        return self._literal(self.root, name)

    def _lineage(self, root: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """A model class and its bases with their entries, nearest first, each once."""
        pending, seen = [root], set()
        while pending:
            fqn = pending.pop(0)
            entry = self.classes.get(fqn)
            if entry is not None and fqn not in seen:
                seen.add(fqn)
                yield fqn, entry
                pending.extend(entry.get("bases", []))

    def _literal(self, root: str, name: str) -> Any:
        return next((entry[name] for _, entry in self._lineage(root) if name in entry), None)

    def _children(self, root: str) -> dict[str, tuple[str, str, list[Mapping[str, Any]]]]:
        """Attributes a class or its bases build: the module and file that do it, and the alternatives."""
        out: dict[str, tuple[str, str, list[Mapping[str, Any]]]] = {}
        for fqn, entry in self._lineage(root):
            file = str(entry["at"]).rpartition(":")[0]
            for attr, made in entry.get("children", {}).items():
                out.setdefault(attr, (fqn.partition(":")[0], file, made))
        return out

    def _expand(self, fqn: str, path: str, chain: tuple[tuple[str, str], ...], depth: int) -> Iterator[Leaf]:
        if depth > DEPTH:
            return
        for name, shards in (self._literal(fqn, "packed_modules_mapping") or {}).items():
            self.packed.setdefault(name, shards)
        for attr, (home, file, alternatives) in self._children(fqn).items():
            for made in alternatives:
                name = f"{home}{made['class']}" if made["class"].startswith(":") else made["class"]
                inner = f"{path}.{attr}" if path else attr
                inner = f"{inner}.*" if made.get("list") else inner
                if name == "dynamic":
                    self.dynamic.append(inner)
                    continue
                place = f"{file}:{made['at']}" if "at" in made else ""
                link = (name.rpartition(":")[2], place)
                if name in self.classes or name.startswith(MODEL_PACKAGES):
                    yield from self._expand(name, inner, (*chain, link), depth + 1)
                else:
                    layer = self.pack.get("layer_classes", {}).get(name, {})
                    lineage = tuple(layer.get("bases", ()))
                    yield Leaf(inner, name, lineage, place, made.get("quant") is True, (*chain, link))


def fill(tree: ModuleTree, facts: CheckpointFacts, profile: ModelProfile) -> tuple[list[Bucket], list[TensorGroup]]:
    """Sort checkpoint tensors into the modules of the tree; the second item is what no module was found for.

    Layers of MTP heads are left out: the main model does not build them.
    """
    fused = {shard: name for name, shards in tree.packed.items() for shard in shards if shard != name}
    mapper = tree.attribute("hf_to_vllm_mapper") or {}
    buckets: dict[tuple[str, tuple[int, ...]], Bucket] = {}
    lost: list[TensorGroup] = []
    for group in facts.tensors:
        if re.search(DRAFT, group.template):
            continue
        layers = _main_layers(group, profile)
        if group.layers and not layers:
            continue
        found = _place(tree, mapped(group.template, mapper), fused)
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


def mapped(name: str, mapper: Mapping[str, Any]) -> str:
    """vLLM's WeightsMapper on a name: substrings, then the first prefix, then the first suffix."""
    for old, new in (mapper.get("orig_to_new_substr") or {}).items():
        name = name.replace(old, new or "")
    for old, new in (mapper.get("orig_to_new_prefix") or {}).items():
        if name.startswith(old):
            name = (new or "") + name[len(old) :]
            break
    for old, new in (mapper.get("orig_to_new_suffix") or {}).items():
        if name.endswith(old):
            name = name[: -len(old)] + (new or "")
            break
    return name


def concrete(path: str, layer: int | None) -> str:
    """A path template with its first index filled in; a further index becomes 0."""
    if layer is not None:
        path = path.replace("*", str(layer), 1)
    return path.replace("*", "0")
