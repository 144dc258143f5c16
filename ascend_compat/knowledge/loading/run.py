"""Load a checkpoint's tensor templates with the code of a release: what becomes of each, and of each parameter."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, cast

from ascend_compat.classify.quant.stored import FLOAT_DTYPES
from ascend_compat.classify.tensors import DRAFT
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.folded import Folded
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.stack import roomy
from ascend_compat.knowledge.evaluate.values import Bound, Class, Instance, Native, Raised, Stream, Undecided
from ascend_compat.knowledge.layers import mapped
from ascend_compat.knowledge.loading.configuration import hf_config, vllm_config
from ascend_compat.knowledge.loading.construct import Given, construct
from ascend_compat.knowledge.loading.library import library
from ascend_compat.knowledge.loading.machine import Fate, LoadingMachine
from ascend_compat.knowledge.loading.model import Model
from ascend_compat.knowledge.loading.results import Loading, Outcome, Partial, Result
from ascend_compat.knowledge.loading.samples import TORCH_DTYPES, Sample, samples
from ascend_compat.knowledge.loading.skeleton import Node
from ascend_compat.knowledge.loading.stand_ins import Buffer, View, stored
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import ModuleTree

PATCHES = "vllm_ascend.patch"
#: What checkpoints call the gate, down and up projection of an expert.
NAMED, NUMBERED = ("gate_proj", "down_proj", "up_proj"), ("w1", "w2", "w3")
#: The part of a model with a head that a pooling model stores.
BODY = "model"
#: How checkpoints call the gate of experts, alone or with the projection beside it.
GATES = frozenset({"gate_proj", "w1", "gate_up_proj", "gate_and_up_projs", "linear_v", "w13"})
#: Exceptions that the interpreter does not bring about itself by what it leaves out.
OWN = frozenset({"KeyError", "ValueError", "AssertionError", "RuntimeError", "IndexError", "NotImplementedError"})


@lru_cache(maxsize=4)
def _code(text: str) -> Folded:
    return Folded(text)


def load(pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, match: Match) -> Loading | None:
    """Run the loader of the checkpoint's architecture.

    ``None`` where there is nothing to run: no tensors, a start that fails before, a pack without the code of loaders.
    """
    if not match.tree.root or not _starts(pack, facts, match):
        return None
    run = Run(pack, facts, profile, match, match.tree, profile.architecture or "")
    return cast(Loading, roomy(run.run))


def load_draft(pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, match: Match) -> Loading | None:
    """Run the loader of the draft model that MTP would use; ``None`` where there is none."""
    name = match.draft[0]
    if name is None or name not in pack.get("architectures", {}) or not profile.mtp or not profile.mtp.present:
        return None
    if not _starts(pack, facts, match):
        return None
    tree = ModuleTree(pack, name, facts.config, match.tree.device)
    return cast(Loading, roomy(Run(pack, facts, profile, match, tree, name).run)) if tree.root else None


def _starts(pack: Mapping[str, Any], facts: CheckpointFacts, match: Match) -> bool:
    """Whether a start gets as far as loading: modules that can't be built end it before."""
    troubles = [match.startup.trouble, *(group.outcome.trouble for group in match.groups)]
    built = match.startup.trouble is None and not any(trouble and trouble.kind for trouble in troubles)
    return bool(pack.get("loaders")) and facts.has_weights and built


def _plain(items: list[Sample], hidden: int) -> bool:
    """Whether experts have a gate and take the model's own width: the sizes of others are not computed."""
    experts = [item for item in items if "experts" in item.name.split(".")]
    projections = {part for item in experts for part in item.name.split(".")[-2:]}
    whole = [item.group for item in experts if item.group.parameter == "weight" and item.group.dtype in FLOAT_DTYPES]
    return bool(projections & GATES) and (not whole or any(hidden in group.shape for group in whole))


class Run:
    """One run of one architecture's loader on the tensors that stand for the checkpoint's."""

    def __init__(
        self, pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, match: Match, tree: ModuleTree,
        architecture: str,
    ) -> None:  # fmt: skip
        self.pack, self.facts, self.profile, self.match, self.tree = pack, facts, profile, match, tree
        self.machine = LoadingMachine(_code(pack["loaders"]["modules"]), {})
        self.machine.externals.update(library(self.machine))
        self.machine.externals.update({"typing.TYPE_CHECKING": False, "TYPE_CHECKING": False})
        self.samples = samples(facts.tensors)
        self.mapper: Mapping[str, Any] = tree.attribute("hf_to_vllm_mapper") or {}
        moe, hidden = profile.moe, profile.expert_width
        sizes = (moe.routed, hidden, moe.intermediate_size) if moe and hidden and _plain(self.samples, hidden) else None
        self.model = Model(pack, self.machine, tree, match, self.samples, self.mapper, sizes)
        strict = pack["loaders"].get("strict") if match.startup.method is None else None
        self.out = Loading(architecture, strict=strict)
        self.followed = True
        self.whole: Instance | None = None

    def run(self, only: Collection[str] | None = None) -> Loading:
        """Build the model, run its ``load_weights`` (on the tensors named ``only``), read off what was written."""
        self._launch()
        given = self._given()
        self.whole = vllm_config(given.config, given.quantization, given.quant_config, given.dtype)
        self.machine.hf_config = given.config
        for name in sorted(self.machine.modules):
            if name.startswith(PATCHES):
                self.machine.load(name)
        root = self.model.build()
        self.followed = next(root.named_parameters(), None) is not None
        construct(self.machine, root, given)
        fed = [s for s in self.samples if only is None or s.name in only]
        prefix = self._prefix(root)
        weights = [(prefix + s.name, stored(s.name, s.group.shape, TORCH_DTYPES.get(s.group.dtype) or "")) for s in fed]
        try:
            method = self.machine.find_attribute(root.instance, "load_weights", "")
            if not isinstance(method, Bound):
                raise Undecided(self.tree.at or "", f"{self.out.architecture} has no load_weights in the trees")
            self.machine.call(method, [Stream(list(weights))], {}, self.tree.at or "")
        except Raised as error:
            self.out.error = error
        except Undecided as stop:
            self.out.stop = stop
        except RecursionError:
            self.out.stop = Undecided(self.tree.at or "", "loading nests too deeply")
        self._read([view for _, view in (*root.named_parameters(), *root.named_buffers())])
        self.out.steps = self.machine.steps
        return self.out

    def _prefix(self, root: Node) -> str:
        """What stands before the names of a body that is stored alone, as embedding models are.

        Source: V 0.9.2 and 0.18.0 model_executor/models/adapters.py, ``load_weights`` of the adapter, which classes
        that are made for pooling do without.
        """
        if self.pack["architectures"].get(self.out.architecture, {}).get("kind") == "pooling":
            return ""
        firsts = {sample.name.partition(".")[0] for sample in self.samples}
        body = root.children.get(BODY)
        inner = {*body.children, *body.parameters} if body else set()
        return f"{BODY}." if firsts <= inner and not firsts & {*root.children, *root.parameters} else ""

    def _launch(self) -> None:
        """What code reads of the launch wherever it stands; bound before the first module that imports it is loaded."""
        named = self.machine.externals
        for name in ("get_current_vllm_config", "get_current_vllm_config_or_none", "vllm.get_current_vllm_config"):
            named[f"vllm.config.{name}"] = Native(name, lambda args, keywords, at: self.whole)
        named["vllm.config.VllmConfig.get_quantization_config"] = Native(
            "get_quantization_config", lambda args, keywords, at: self.whole and self.whole.names["quant_config"]
        )
        named["vllm_ascend.utils.vllm_version_is"] = Native("vllm_version_is", self._is_version)

    def _is_version(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """Whether the installed vLLM is the one that is named: the one the release is paired with."""
        return bool(args) and args[0] == self.pack.get("release", {}).get("vllm")

    def _given(self) -> Given:
        startup = self.match.startup
        config = startup.config
        made = None
        if isinstance(config, Instance):
            cls = config.cls
            known = self.machine.member(cls.module, cls.name) if cls else None
            made = Instance(known if isinstance(known, Class) else cls, dict(config.names), label="quant_config")
        names = {part for s in self.samples if ".experts." in s.name for part in s.name.split(".")}
        return Given(
            hf_config(self.facts.config, self.profile), startup.method, made, self.match.dtype,
            self.profile.moe.routed if self.profile.moe else 0, self.profile.expert_width or 0,
            NUMBERED if NUMBERED[0] in names else NAMED,
        )  # fmt: skip

    # what was written ------------------------------------------------------------------------------------------------

    def _read(self, views: list[View]) -> None:
        buffers = [view.buffer for view in views if view.buffer is not None]
        into: dict[str, list[Buffer]] = {}
        for buffer in buffers:
            for name in {n for _, names, _ in buffer.written for n in names}:
                into.setdefault(name, []).append(buffer)
        by_name = {item.name: item for item in self.samples}
        self.out.outcomes = [self._outcome(item, into.get(item.name, [])) for item in self.samples]
        for buffer in buffers:
            if buffer.written and buffer.share() < 1.0:
                first = next(by_name[n] for _, names, _ in buffer.written for n in sorted(names) if n in by_name)
                self.out.partial.append(Partial(buffer.parameter, buffer.shape, buffer.share(), first))

    def _outcome(self, item: Sample, buffers: list[Buffer]) -> Outcome:
        fate = self.machine.fates.of.get(item.name) or Fate()
        draft = self._draft(item)
        error = fate.error
        name = mapped(item.name, self.mapper) or item.name
        known, left = self.model.place(item, name)
        # Of a module that was not followed nobody knows what it would take; those of the top are, if any was.
        followed = self.followed and (known or name.count(".") < 2)
        if error is not None and followed and (error.kind in OWN or "has no attribute 'w" in error.message):
            return Outcome(item, Result.RAISES, (), error.at, error.kind, error.message, draft=draft)
        if buffers and error is None:
            names = tuple(sorted({b.parameter for b in buffers}))
            line = next(at for b in buffers for _, who, at in b.written if item.name in who)
            return Outcome(item, Result.LOADED, names, line, assumed=all(b.assumed for b in buffers), draft=draft)
        stop = fate.stop or self.out.stop
        at, reason = (stop.at, stop.reason) if stop is not None else (None, "")
        error = error or self.out.error
        if at is None and error is not None:
            at, reason = error.at, str(error)
        if at is not None:
            return Outcome(item, Result.UNKNOWN, (), at, message=reason, draft=draft)
        return Outcome(
            item, Result.DROPPED, (), fate.left_at or self.tree.at, warned=fate.warned, left=left, known=known,
            draft=draft,
        )  # fmt: skip

    def _draft(self, item: Sample) -> bool:
        """Whether a tensor belongs to an MTP head: by its name, or by a layer behind those of the model."""
        mtp = self.profile.mtp
        if re.search(DRAFT, item.group.template):
            return True
        stem = mtp.prefix.split("*")[0] if mtp and mtp.prefix else None
        return bool(mtp and stem and item.name.startswith(stem) and item.index in mtp.layers)
