"""The model a loading run fills: modules of the tree for the layers that stand for all, with their parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ascend_compat.knowledge.evaluate.values import Bound, Class, Instance, Unknown
from ascend_compat.knowledge.layer_method import UNQUANTIZED
from ascend_compat.knowledge.layers import EXPERT_HALVES
from ascend_compat.knowledge.loading.machine import LoadingMachine
from ascend_compat.knowledge.loading.parameters import Outcomes, Stored, parameters, scale
from ascend_compat.knowledge.loading.samples import Sample
from ascend_compat.knowledge.loading.skeleton import Node, Skeleton
from ascend_compat.knowledge.loading.stand_ins import Buffer, View, parameter_data
from ascend_compat.knowledge.matched import GroupOutcome, Match
from ascend_compat.knowledge.modules import MOE, Leaf, ModuleTree
from ascend_compat.knowledge.outcomes import LayerOutcome

#: What checkpoints and models call the text model, which holds its list of layers.
TEXT = frozenset({"model", "language_model", "text_model", "transformer", "llm", "thinker", "backbone", "decoder"})

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


class Model:
    """One architecture with empty parameters, and where a tensor of the checkpoint would belong in it."""

    def __init__(
        self, pack: Mapping[str, Any], machine: LoadingMachine, tree: ModuleTree, match: Match,
        items: Sequence[Sample], mapper: Mapping[str, Any], sizes: tuple[int, int, int] | None,
    ) -> None:  # fmt: skip
        self.pack, self.machine, self.tree, self.match, self.samples = pack, machine, tree, match, items
        self.sizes = sizes
        #: Fused modules to their shards: a draft model often leaves them to the model it drafts for.
        self.packed = {**match.tree.packed, **tree.packed}
        self.stored = Stored.of(items, mapper)
        #: Leaves by (layer, parent, name), the names of their shards included.
        self.leaves: dict[tuple[int | None, str, str], Node] = {}

    def build(self) -> Node:
        """Create the modules and their parameters; returns the root."""
        skeleton = Skeleton(self.machine, self.tree, self._indices())
        root = skeleton.build(self._choose)
        outcomes = Outcomes(_by_path(self.match.groups))
        for node in skeleton.leaves:
            self._fill(node, outcomes)
        for parent, name, leaf in skeleton.loose:
            buffer = Buffer(f"{parent.path}.{name}", (Unknown(leaf.at, f"shape of {name}"),))
            parent.parameters[name] = parameter_data(buffer, self.match.dtype)
        for _, node in root.walk():
            if node.leaf is None and node.path:
                self._buffer(node)
        return root

    def _buffer(self, node: Node) -> None:
        """Buffers of a module, which no pack lists: what is stored for it that is neither a parameter nor a child."""
        for name in self.stored.at(node.path, node.index, ()) - node.parameters.keys() - node.children.keys():
            node.buffers[name] = self._assumed(node, name, self.tree.at or "")

    def _assumed(self, node: Node, name: str, at: str) -> View:
        """What the checkpoint has for a module whose class does not show that it takes it."""
        return parameter_data(Buffer(f"{node.path}.{name}", (Unknown(at, f"shape of {name}"),), True), self.match.dtype)

    def _fill(self, node: Node, outcomes: Outcomes) -> None:
        leaf = node.leaf
        if leaf is None:
            return
        path = node.tree_path or node.path
        parent, _, last = path.rpartition(".")
        shards = self.packed.get(last, ())
        for name in {last, *shards}:
            self.leaves.setdefault((node.index, parent.rpartition(".")[2], name), node)
        names = self.stored.at(path, node.index, shards)
        group = outcomes.of(leaf, node.index, names)
        method = group.outcome.method if group is not None else None
        node.instance.names["quant_method"] = Instance(Class(method or UNQUANTIZED, "", "", (), {}), {})
        loader = self.machine.find_attribute(node.instance, "weight_loader", "")
        if isinstance(loader, Bound):
            node.instance.names["weight_loader"] = loader
        made = parameters(self.pack, leaf, node.instance, node.path, group, names, self.match.dtype, self.sizes)
        node.parameters.update(made)
        node.parameters.update(self._scales(node, leaf))
        if node.several:
            node.parameters.update({name: self._assumed(node, name, leaf.at) for name in names - made.keys()})

    def _scales(self, node: Node, leaf: Leaf) -> dict[str, View]:
        """What a quantized KV cache allocates on an attention layer."""
        prefix, outcome = self.match.cache or ("", LayerOutcome())
        if _NUMBER.sub("*", prefix) != leaf.path:
            return {}
        return {name: scale(f"{node.path}.{name}", tensor, self.match.dtype) for name, tensor in outcome.params.items()}

    def place(self, item: Sample, name: str) -> tuple[bool, str | None]:
        """Whether the model has a module for a tensor, and which of its parameters waits for it, empty."""
        parts = name.split(".")
        parameter = parts[-1]
        if "experts" in parts and parts[-2] in EXPERT_HALVES:
            depth = parts.index("experts")
            node = self.leaves.get((item.index, parts[depth - 1] if depth else "", "experts"))
            if node is not None and node.leaf is not None and node.leaf.kind == MOE:
                parameter = f"{EXPERT_HALVES[parts[-2]]}_{parameter}"
        else:
            node = self.leaves.get((item.index, parts[-3] if len(parts) > 2 else "", parts[-2] if parts[1:] else ""))
            node = node if node is not None and _same_stack(node.path.split("."), parts, item.index) else None
        if node is None:
            return False, None
        view = None if node.spare else node.parameters.get(parameter)
        buffer = view.buffer if view is not None else None
        return True, buffer.parameter if buffer is not None and not buffer.written else None

    def _indices(self) -> dict[str, list[int]]:
        """Indices of the layers that are built, by the name before them (``layers``, ``blocks``); all under ``""``."""
        found: dict[str, set[int]] = {"": {0}}
        for item in self.samples:
            if item.index is not None:
                stem = item.group.template.partition(".*")[0].rpartition(".")[2]
                found.setdefault(stem, set()).add(item.index)
        return {stem: sorted(numbers) for stem, numbers in found.items()}

    def _choose(self, template: str, names: list[str], index: int | None) -> list[str]:
        """Of several classes at one path the one whose layers the checkpoint has for this index, first."""
        if len(names) < 2:
            return names
        stem = template + "."
        last = template.rpartition(".")[2]
        below = [leaf for leaves in self.tree.leaves.values() for leaf in leaves if leaf.path.startswith(stem)]
        have = {
            ".".join(s.name.split(f".{last}.", 1)[1].split(".")[:-1])
            for s in self.samples
            if s.index == index and f".{last}." in s.name
        }

        def score(name: str) -> tuple[int, int]:
            own = [leaf for leaf in below if name.rpartition(":")[2] in {cls for cls, _ in leaf.chain}]
            hits = 0
            for leaf in own:
                inner = leaf.path[len(stem) :]
                parent, _, attr = inner.rpartition(".")
                shards = {f"{parent}.{s}" if parent else s for s in [attr, *self.packed.get(attr, ())]}
                hits += any(n == s or n.startswith(f"{s}.") for n in have for s in shards)
            return hits, -len(own)

        return sorted(names, key=score, reverse=True)


def _same_stack(own: list[str], stored: list[str], index: int | None) -> bool:
    """Whether two names of modules lie in the same list of layers: a tower counts its layers as the text model does."""
    number = str(index)
    if index is None or number not in own or number not in stored:
        return True
    above, named = own[: max(own.index(number) - 1, 0)], stored[: max(stored.index(number) - 1, 0)]
    one, other = (part[-1] if part else "model" for part in (above, named))
    return one == other or {one, other} <= TEXT


def _by_path(groups: list[GroupOutcome]) -> dict[str, list[GroupOutcome]]:
    out: dict[str, list[GroupOutcome]] = {}
    for group in groups:
        out.setdefault(group.bucket.leaf.path, []).append(group)
    return out
