"""Load a checkpoint's tensor templates with the code of a release: what becomes of each, and of each parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.folded import unfold
from ascend_compat.core.profile import ModelProfile
from ascend_compat.knowledge.evaluate.values import Bound, Class, Instance, Raised, Stream, Undecided, Unknown
from ascend_compat.knowledge.loading.configuration import hf_config
from ascend_compat.knowledge.loading.construct import Given, construct
from ascend_compat.knowledge.loading.library import library
from ascend_compat.knowledge.loading.machine import Fate, LoadingMachine
from ascend_compat.knowledge.loading.parameters import Outcomes, Stored, parameters
from ascend_compat.knowledge.loading.samples import TORCH_DTYPES, Sample, samples
from ascend_compat.knowledge.loading.skeleton import Node, Skeleton
from ascend_compat.knowledge.loading.stand_ins import Buffer, parameter_data, stored
from ascend_compat.knowledge.match import GroupOutcome, Match
from ascend_compat.knowledge.modules import ModuleTree
from ascend_compat.knowledge.replay import UNQUANTIZED

LOADED, DROPPED, RAISES, UNKNOWN = "loaded", "dropped", "raises", "unknown"
PATCHES = "vllm_ascend.patch"
#: What checkpoints call the gate, down and up projection of an expert.
NAMED, NUMBERED = ("gate_proj", "down_proj", "up_proj"), ("w1", "w2", "w3")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What loading does with one tensor, and with all it stands for.

    ``into`` are the parameters it is copied into, ``at`` the line that decides, ``exception`` what is raised there.
    ``assumed`` marks a parameter of a module that the source trees do not show.
    """

    sample: Sample
    result: str
    into: tuple[str, ...] = ()
    at: str | None = None
    exception: str | None = None
    message: str = ""
    warned: bool = False
    assumed: bool = False


@dataclass(slots=True)
class Loading:
    """Every outcome, the parameters nothing was copied into, and what ended the run before its end."""

    architecture: str
    outcomes: list[Outcome] = field(default_factory=list)
    empty: list[Buffer] = field(default_factory=list)
    partial: list[Buffer] = field(default_factory=list)
    error: Raised | None = None
    stop: Undecided | None = None
    steps: int = 0


@lru_cache(maxsize=4)
def _code(text: str) -> dict[str, Any]:
    found: dict[str, Any] = unfold(text)
    return found


def load(pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, match: Match) -> Loading | None:
    """Run the loader of the checkpoint's architecture; ``None`` where the pack has no code of loaders."""
    section = pack.get("loaders")
    if not section or not facts.has_weights or not match.tree.root:
        return None
    return _Run(pack, facts, profile, match, match.tree, profile.architecture or "").run()


class _Run:
    def __init__(
        self, pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, match: Match, tree: ModuleTree,
        architecture: str,
    ) -> None:  # fmt: skip
        self.pack, self.facts, self.profile, self.match, self.tree = pack, facts, profile, match, tree
        self.out = Loading(architecture)
        self.machine = LoadingMachine(_code(pack["loaders"]["modules"]), {})
        self.machine.externals.update(library(self.machine))
        self.machine.externals.update({"typing.TYPE_CHECKING": False, "TYPE_CHECKING": False})
        self.samples = samples(facts.tensors)
        self.stored = Stored.of(self.samples, self.tree.attribute("hf_to_vllm_mapper") or {})

    def run(self) -> Loading:
        """Build the model, run its ``load_weights``, read off what was written."""
        for name in sorted(self.machine.modules):
            if name.startswith(PATCHES):
                self.machine.load(name)
        root = self._model()
        weights = [
            (s.name, stored(s.name, s.group.shape, TORCH_DTYPES.get(s.group.dtype) or "")) for s in self.samples
        ]
        method = self.machine.find_attribute(root.instance, "load_weights", "")
        try:
            if not isinstance(method, Bound):
                raise Undecided(self.tree.at or "", "the model has no load_weights of its own")
            self.machine.call(method, [Stream(weights)], {}, self.tree.at or "")
        except Raised as error:
            self.out.error = error
        except Undecided as stop:
            self.out.stop = stop
        except RecursionError:
            self.out.stop = Undecided("", "loading nests too deeply")
        self._read(root)
        self.out.steps = self.machine.steps
        return self.out

    # the model -------------------------------------------------------------------------------------------------------

    def _model(self) -> Node:
        skeleton = Skeleton(self.machine, self.tree, self._indices())
        root = skeleton.build(self._choose)
        given = self._given()
        outcomes = Outcomes(_by_path(self.match.groups))
        shards = self.tree.packed
        for node in skeleton.leaves:
            leaf = node.leaf
            if leaf is None:
                continue
            names = self.stored.at(node.path, node.index, shards.get(node.path.rpartition(".")[2], ()))
            group = outcomes.of(leaf, node.index, names)
            method = group.outcome.method if group is not None else None
            node.instance.names["quant_method"] = Instance(Class(method or UNQUANTIZED, "", "", (), {}), {})
            loader = self.machine.find_attribute(node.instance, "weight_loader", "")
            if isinstance(loader, Bound):
                node.instance.names["weight_loader"] = loader
            node.parameters.update(
                parameters(self.pack, leaf, node.instance, node.path, group, names, self.match.dtype)
            )
        for parent, name, leaf in skeleton.loose:
            unknown = Unknown(leaf.at, f"shape of {name}")
            parent.parameters[name] = parameter_data(Buffer(f"{parent.path}.{name}", (unknown,)), self.match.dtype)
        construct(self.machine, root, given)
        return root

    def _given(self) -> Given:
        startup = self.match.startup
        config = startup.config
        made = None
        if isinstance(config, Instance):
            cls = config.cls
            known = self.machine.member(cls.module, cls.name) if cls else None
            made = Instance(known if isinstance(known, Class) else cls, dict(config.names), label="quant_config")
        experts = self.profile.moe.routed if self.profile.moe else 0
        names = {part for s in self.samples if ".experts." in s.name for part in s.name.split(".")}
        return Given(
            hf_config(self.facts.config, self.profile), startup.method, made, self.match.dtype, experts,
            self.profile.hidden_size or 0, NUMBERED if NUMBERED[0] in names else NAMED,
        )  # fmt: skip

    def _indices(self) -> dict[str, list[int]]:
        """Indices of the layers that are built, by the name before them (``layers``, ``blocks``); all under ``""``."""
        found: dict[str, set[int]] = {"": {0}}
        for item in self.samples:
            if item.index is not None:
                stem = item.group.template.partition(".*")[0].rpartition(".")[2]
                found.setdefault(stem, set()).add(item.index)
        return {stem: sorted(numbers) for stem, numbers in found.items()}

    def _choose(self, path: str, template: str, names: list[str], index: int | None) -> list[str]:
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
                shards = {f"{parent}.{s}" if parent else s for s in [attr, *self.tree.packed.get(attr, ())]}
                hits += any(n == s or n.startswith(f"{s}.") for n in have for s in shards)
            return hits, -len(own)

        return sorted(names, key=score, reverse=True)

    # what was written ------------------------------------------------------------------------------------------------

    def _read(self, root: Node) -> None:
        into: dict[str, list[Buffer]] = {}
        buffers = [view.buffer for _, view in root.named_parameters() if view.buffer is not None]
        for buffer in buffers:
            for name in {n for _, names in buffer.written for n in names}:
                into.setdefault(name, []).append(buffer)
        for item in self.samples:
            self.out.outcomes.append(self._outcome(item, into.get(item.name, [])))
        filled = {buffer.parameter.rpartition(".")[0] for buffer in buffers if buffer.written}
        self.out.empty = [b for b in buffers if not b.written and b.parameter.rpartition(".")[0] in filled]
        self.out.partial = [b for b in buffers if b.written and b.share() < 1.0]

    def _outcome(self, item: Sample, buffers: list[Buffer]) -> Outcome:
        fate = self.machine.fates.of.get(item.name) or Fate()
        if fate.error is not None:
            return Outcome(item, RAISES, (), fate.error.at, fate.error.kind, fate.error.message)
        if buffers:
            names = tuple(sorted({b.parameter for b in buffers}))
            return Outcome(item, LOADED, names, assumed=all(b.assumed for b in buffers))
        stop = fate.stop or self.out.stop
        if stop is not None:
            return Outcome(item, UNKNOWN, (), stop.at, message=stop.reason)
        return Outcome(item, DROPPED, (), fate.left_at or self.tree.at, warned=fate.warned)


def _by_path(groups: list[GroupOutcome]) -> dict[str, list[GroupOutcome]]:
    out: dict[str, list[GroupOutcome]] = {}
    for group in groups:
        out.setdefault(group.bucket.leaf.path, []).append(group)
    return out

