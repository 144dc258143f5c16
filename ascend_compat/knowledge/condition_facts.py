"""Values of the facts that curated conditions read, for one checkpoint, target and launch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ascend_compat.core.class_names import full
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.graph_mode import graph_mode
from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import AttentionKind, ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.knowledge.conditions import Fact
from ascend_compat.knowledge.conversion import pools
from ascend_compat.knowledge.fact_names import FACTS
from ascend_compat.knowledge.lora import narrow
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import MOE
from ascend_compat.knowledge.single_lines import single_lines

_SOFTMAX = (AttentionKind.GQA, AttentionKind.MHA, AttentionKind.MQA, AttentionKind.SLIDING, AttentionKind.ENCODER)
_ROTATED = (AttentionKind.GQA, AttentionKind.MHA, AttentionKind.MQA)
_RECURRENT = (AttentionKind.GDN, AttentionKind.MAMBA)
_FLOATS = ("BF16", "F16")
_OFF = ("", "0", "false", "False")


@dataclass(frozen=True)
class Facts:
    """Facts of one question; ``layout`` is the layout under study, ``None`` when there is none."""

    pack: Mapping[str, Any]
    checkpoint: CheckpointFacts
    profile: ModelProfile
    match: Match
    target: Target
    launch: LaunchProfile
    layout: Layout | None

    @property
    def release(self) -> str:
        """The name of the release, or of what the tree calls itself."""
        return self.target.vllm_ascend

    def __call__(self, name: str) -> Fact:
        """The values of a fact, ``None`` when they are not known. Total."""
        if name.startswith("config."):
            return _values(_inner(self.checkpoint.config, name.split(".")[1:]))
        if name.startswith("description."):
            return _values((self.checkpoint.quant_description or {}).get(name.removeprefix("description.")))
        if name.startswith("pack."):
            section = self.pack.get(name.removeprefix("pack."))
            return tuple(section) if isinstance(section, Mapping) else None
        if name == "model.class":
            return self._classes
        return self._fixed.get(name)

    @cached_property
    def _fixed(self) -> dict[str, Fact]:
        return {**self._model, **self._quantization, **self._dispatch, **self._target, **self._launch}

    @cached_property
    def _classes(self) -> Fact:
        """The classes the release makes the model of and what they extend; a nested model may be left open."""
        tree = self.match.tree
        built = _unique(name for cls in sorted(tree.opened) if cls for name in (cls, *tree.bases(cls)))
        open_part: tuple[None, ...] = (None,) if tree.dynamic or not built else ()
        return (*_unique(_class_name(name) for name in built), *open_part)

    @property
    def _model(self) -> dict[str, Fact]:
        profile, softmax = self.profile, [group for group in self.profile.attention if group.kind in _SOFTMAX]
        if any(group.kind is AttentionKind.COMPRESSED for group in profile.attention):
            softmax = []  # its window layers run in the kernels of the compressed ones
        kinds = _unique(None if g.kind is AttentionKind.UNKNOWN else g.kind.value for g in profile.attention)
        heads = [group.heads for group in profile.attention if group.kind not in _RECURRENT]
        tp = self.layout.tp if self.layout else self.launch.tp
        return {
            "architecture": _one(profile.architecture),
            "model_type": _one(profile.model_type),
            "checkpoint.missing_code": self.checkpoint.missing_code,
            "checkpoint.tokenizer": _values((self.checkpoint.tokenizer_config or {}).get("tokenizer_class")),
            "modality": profile.modalities,
            "dtype": (self.match.dtype,),
            "attention.kind": kinds or None,
            "attention.head_dim": _unique(group.head_dim for group in softmax) if kinds else None,
            "attention.heads_per_rank": _unique(n // tp if n else None for n in heads) if tp and kinds else None,
            **_rotation(profile),
            "moe": (profile.moe is not None,),
            "moe.experts": (profile.moe.routed,) if profile.moe else (),
            "moe.gate_up_surplus": _surplus(profile),
            "mtp": (profile.mtp is not None and profile.mtp.present,) if self._known else None,
            "pooling": (pools(self.pack, self.checkpoint, profile, self.launch),),
            "lora.narrow": narrow(self.checkpoint, profile, self.match, self.launch, tp),
            "linear.single": single_lines(self.checkpoint, profile, self.match, tp),
            "mtp.float": (any(item.code == "AC327" for item in profile.findings),),
        }

    @property
    def _known(self) -> bool:
        """Whether the tensors are known, from headers or by a computed table."""
        return self.checkpoint.has_weights or bool(self.checkpoint.tensors)

    @property
    def _quantization(self) -> dict[str, Fact]:
        declared = self.profile.quantization
        modules = [module for group in declared.groups for module in group.modules]
        stored = self._known or declared.method is None
        places = _unique(self._place(module) for module in modules)
        return {
            "quantization.method": (declared.method or "none",),
            "quantization.declared": tuple(group.declared for group in declared.groups),
            "quantization.kv_cache": (declared.kv_cache,) if declared.kv_cache else (),
            "quantization.place": places if stored or not self.profile.towers else None,
            "quantization.module": _unique(_leaf(module) for module in modules) if stored else None,
        }

    def _place(self, module: str) -> str:
        return "tower" if any(module.startswith(tower.prefix) for tower in self.profile.towers) else "body"

    @property
    def _dispatch(self) -> dict[str, Fact]:
        startup = self.match.startup
        if startup.trouble is not None:
            ended: Fact = () if startup.trouble.kind else None
            return dict.fromkeys((name for name in FACTS if name.startswith("dispatch.")), ended)
        groups = self.match.groups
        chosen = [group for group in groups if group.outcome.scheme is not None]
        unfollowed = any(group.outcome.trouble and not group.outcome.trouble.kind for group in groups)
        # Modules whose layer the release is not known to build may have got a scheme as well.
        rest: tuple[None, ...] = (None,) if unfollowed or self.match.lost else ()

        def said(names: Iterable[str | None]) -> Fact:
            return _unique((*names, *rest))

        def types(moe: bool) -> Fact:
            return said(group.quant_type for group in chosen if (group.layer_type == MOE) is moe)

        return {
            "dispatch.method": (startup.method or "none",),
            "dispatch.linear": types(False),
            "dispatch.moe": types(True),
            "dispatch.class": said(group.outcome.scheme for group in chosen),
            "dispatch.module": said(_leaf(group.bucket.leaf.path) for group in chosen),
        }

    @property
    def _target(self) -> dict[str, Fact]:
        target = self.target
        return {"target.vllm": _one(target.vllm), "target.cann": _one(target.cann), "target.soc": (target.soc.name,)}

    @property
    def _launch(self) -> dict[str, Fact]:
        launch, layout = self.launch, self.layout
        asked = launch.speculative or {}
        sizes = {name: getattr(layout or launch, name) for name in ("tp", "dp", "pp", "ep")}
        return {
            **{f"launch.{name}": _one(size) for name, size in sizes.items()},
            "launch.quantization": _values(launch.quantization),
            "launch.speculative": _values(asked.get("method")),
            "launch.speculative_tokens": _values(asked.get("num_speculative_tokens")),
            "launch.additional_config": _unique(_keys(launch.additional_config or {})),
            "launch.eager": (launch.enforce_eager,),
            "launch.graphs": graph_mode(launch),
            "launch.prefix_caching": _values(launch.enable_prefix_caching),
            "launch.environment": tuple(_variables(launch.environment or {})),
            "launch.flag": tuple(_flags({**_sizes(launch), **(launch.flags or {})})),
        }


def _class_name(name: str) -> str:
    """``glm4:Glm4Attention`` of a class: the last name of its module and its own."""
    module, _, cls = full(name).partition(":")
    return f"{_leaf(module)}:{cls}"


def _surplus(profile: ModelProfile) -> Fact:
    """Gate and up columns of an expert beyond the width it reads; no value without experts."""
    if profile.moe is None:
        return ()
    return _one(None if profile.expert_width is None else 2 * profile.moe.intermediate_size - profile.expert_width)


def _rotation(profile: ModelProfile) -> dict[str, Fact]:
    """What of a head is rotated: its share of the full-attention layers, and the sections of multimodal positions."""
    sizes = [group.head_dim for group in profile.attention if group.kind in _ROTATED and group.head_dim]
    share = profile.rotary_dim / sizes[0] if profile.rotary_dim is not None and sizes else None
    sections = dict(profile.rope).get("mrope_section")
    return {"rotation.share": (share,), "rotation.sections": (sections,) if sections else ()}


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def _one(value: Any) -> Fact:
    return None if value is None else (value,)


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _values(value: Any) -> Fact:
    """A value of a JSON file: what is not there or null is known to have none, a table has the names of its keys."""
    items = list(value) if isinstance(value, (list, Mapping)) else [value]
    return tuple(item for item in items if isinstance(item, (str, int, float, bool)))


def _inner(config: Any, path: list[str]) -> Any:
    for key in path:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")
        if value:
            yield f"{prefix}{key}"
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                yield f"{prefix}{key}={value}"


def _variables(given: Mapping[str, str]) -> Iterable[str]:
    for name, value in given.items():
        yield f"{name}={value}"
        if value not in _OFF:
            yield name


def _sizes(launch: LaunchProfile) -> dict[str, int]:
    """Sizes that were asked for and have no fact of their own, under the flags vLLM has for them."""
    sizes = {
        "--prefill-context-parallel-size": launch.pcp,
        "--decode-context-parallel-size": launch.dcp,
        "--kv-cache-memory-bytes": launch.kv_cache_memory_bytes,
    }
    return {flag: size for flag, size in sizes.items() if size is not None}


def _flags(flags: Mapping[str, Any]) -> Iterable[str]:
    for name, value in flags.items():
        yield name
        if value is not None:
            yield f"{name}={value}"
