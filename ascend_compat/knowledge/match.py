"""Replay a release on a checkpoint: per group of modules, what is declared, stored, chosen and allocated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ascend_compat.classify.quant.names import safe_pattern
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.knowledge.environment import Environment, Parallel
from ascend_compat.knowledge.evaluate.values import Class, Instance, Module, Native
from ascend_compat.knowledge.layers import Bucket, concrete, fill, mapped
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.modules import EMBEDDING, LINEAR, MOE, ModuleTree, replacement
from ascend_compat.knowledge.outcomes import LayerOutcome, LayerSpec, Startup, Trouble
from ascend_compat.knowledge.replay import Replay

#: Companion tensors of a quantized weight; a module that has one is stored quantized.
COMPANIONS = ("scale", "offset", "zero_point", "qzeros", "g_idx", "quant_bias", "weight_shape")


@dataclass(slots=True)
class GroupOutcome:
    """One group of modules with the same fate: the first of its layers stands for all.

    ``reads`` are the parameters the chosen scheme computes with, ``None`` when that is not known; ``computes`` the
    dtypes it names that not every device has.
    """

    bucket: Bucket
    layers: tuple[int, ...]
    prefix: str
    outcome: LayerOutcome
    quant_type: str | None = None
    quant_type_at: str | None = None
    decided_by: str | None = None
    reads: frozenset[str] | None = None
    computes: tuple[str, ...] = ()

    @property
    def modules(self) -> int:
        """Modules of the group over all layers; experts count one per layer."""
        return max(len(self.layers), 1)

    @property
    def layer_type(self) -> str:
        """``linear`` or ``moe``, as the scheme registry names it."""
        return MOE if self.bucket.leaf.kind == MOE else LINEAR


@dataclass(slots=True)
class Match:
    """Everything the replay of one target found."""

    tree: ModuleTree
    startup: Startup
    groups: list[GroupOutcome] = field(default_factory=list)
    lost: list[TensorGroup] = field(default_factory=list)
    prepared: Trouble | None = None
    dtype: str = "bfloat16"
    draft: tuple[str | None, str | None] = (None, None)


def match(
    pack: Mapping[str, Any],
    rules: Rules,
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    launch: LaunchProfile,
    enough: Callable[[Match], bool] | None = None,
) -> Match:
    """Replay the start of ``target`` on the checkpoint. Raises nothing for what the release would do wrong.

    ``enough`` is asked after every group of modules: when it says so, the rest is left out.
    """
    dtype = _dtype(profile, launch)
    environment = Environment(
        device_type=target.soc.device_type,
        config=facts.config,
        files=_files(facts),
        quantization=launch.quantization,
        dtype=dtype,
        enforce_eager=launch.enforce_eager,
        parallel=Parallel(launch.tp or 1, launch.dp or 1, launch.pp or 1, bool(launch.ep)),
        vllm_version=target.vllm,
        values={**variables(pack), **rules.externals},
    )
    replay = Replay(pack.get("code", {}), environment, pack.get("kernel_tables"))
    startup = replay.start()
    tree = ModuleTree(pack, profile.architecture or "", facts.config)
    out = Match(tree, startup, dtype=dtype, draft=replay.draft() if profile.mtp else (None, None))
    if startup.trouble is not None:
        return out
    buckets, out.lost = fill(tree, facts, profile)
    mapper = tree.attribute("hf_to_vllm_mapper")
    out.prepared = replay.prepare(tree.attribute("packed_modules_mapping") or {}, _mapper(mapper) if mapper else None)
    if not facts.has_weights:
        buckets = _imagined(tree, profile)
    asked = (bucket for bucket in buckets if bucket.leaf.kind in (LINEAR, MOE, EMBEDDING) and bucket.leaf.quantized)
    for group in (found for bucket in asked for found in _groups(replay, bucket, facts, profile, pack)):
        known = pack.get("scheme_reads", {}).get(group.outcome.scheme)
        group.reads = frozenset(known["reads"]) if known is not None else None
        group.computes = tuple(known.get("dtypes", ())) if known is not None else ()
        out.groups.append(group)
        if enough is not None and enough(out):
            break
    return out


def _imagined(tree: ModuleTree, profile: ModelProfile) -> list[Bucket]:
    """Modules to ask about when no tensor is known: every quantizable leaf, in a layer that has it."""
    first = profile.moe.layers[0] if profile.moe and profile.moe.layers else 0
    out = []
    for leaves in tree.leaves.values():
        leaf = leaves[0]
        layer = first if leaf.kind == MOE or "shared_expert" in leaf.path else 0
        out.append(Bucket(leaf, (layer,) if "*" in leaf.path else ()))
    return out


def _dtype(profile: ModelProfile, launch: LaunchProfile) -> str:
    wanted = launch.dtype if launch.dtype not in (None, "auto") else profile.dtype
    name = (wanted or "bfloat16").removeprefix("torch.")
    return {"half": "float16", "float": "float32", "float32": "bfloat16" if launch.dtype is None else "float32"}.get(
        name, name
    )


def _files(facts: CheckpointFacts) -> dict[str, Any]:
    files: dict[str, Any] = {name: {} for name in facts.files if name.endswith(".json")}
    files["config.json"] = dict(facts.config)
    if facts.quant_description is not None:
        files["quant_model_description.json"] = _condensed(facts.quant_description)
    if facts.hf_quant_config is not None:
        files["hf_quant_config.json"] = dict(facts.hf_quant_config)
    return files


_EXPERT = re.compile(r"\.experts\.(\d+)\.")


def _condensed(description: Mapping[str, Any]) -> dict[str, Any]:
    """A ModelSlim description without the experts that say what expert 0 of their layer says.

    Releases look up expert 0 and ask for any key under a prefix: the answers stay the same, 130,000 keys become 1,500.
    """
    out: dict[str, Any] = {}
    for name, value in description.items():
        found = _EXPERT.search(name) if isinstance(name, str) else None
        if found and found[1] != "0":
            first = f"{name[: found.start()]}.experts.0.{name[found.end() :]}"
            if description.get(first) == value:
                continue
        out[name] = value
    return out


def variables(pack: Mapping[str, Any]) -> dict[str, Any]:
    """Environment variables at their literal defaults, under the names the code reads them by."""
    out: dict[str, Any] = {}
    for name, entry in pack.get("environment", {}).items():
        if "default" in entry and not isinstance(entry["default"], (dict, list)):
            for owner in ("vllm.envs", "vllm_ascend.envs"):
                out[f"{owner}.{name}"] = entry["default"]
    return out


def _mapper(mapper: Mapping[str, Any]) -> Native:
    def apply(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        value = args[0] if args else None
        if isinstance(value, dict):
            return {mapped(k, mapper) if isinstance(k, str) else k: v for k, v in value.items()}
        return [mapped(v, mapper) if isinstance(v, str) else v for v in value] if isinstance(value, list) else value

    return Native("apply", apply)


def _groups(
    replay: Replay, bucket: Bucket, facts: CheckpointFacts, profile: ModelProfile, pack: Mapping[str, Any]
) -> Iterator[GroupOutcome]:
    """One outcome per distinct declaration: layers that the configuration treats alike are asked once."""
    declared = _Declared(facts)
    by_signature: dict[Any, list[int | None]] = {}
    for layer in bucket.layers or (None,):
        by_signature.setdefault(declared.signature(bucket, layer), []).append(layer)
    for layers in by_signature.values():
        first = layers[0]
        prefix = concrete(bucket.leaf.path, first)
        spec = _replaced(_spec(bucket, prefix, profile), pack, replay.environment.device_type.lstrip("_"))
        outcome = replay.layer(spec, allocate=facts.has_weights)
        group = GroupOutcome(bucket, tuple(n for n in layers if n is not None), prefix, outcome)
        _explain(replay, group)
        yield group


class _Declared:
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
        parts: list[Any] = []
        for groups in bucket.shards.values():
            for group in groups:
                name = concrete(group.template, layer)
                module = name.rpartition(".")[0]
                matched = tuple(bool(p and p.match(module)) for p in self.patterns)
                parts.append((module in self.exact, matched, self.description.get(name)))
        fused = concrete(bucket.leaf.path, layer)
        return (*parts, fused in self.exact, tuple(bool(p and p.match(fused)) for p in self.patterns))


def _spec(bucket: Bucket, prefix: str, profile: ModelProfile) -> LayerSpec:
    """Sizes of the module on TP 1, read off its stored weights."""
    leaf = bucket.leaf
    if leaf.kind == MOE:
        halves = [
            g for name, groups in bucket.shards.items() if name.startswith("w13_") for g in groups if len(g.shape) >= 2
        ]
        routed = profile.moe.routed if profile.moe else 0
        intermediate = profile.moe.intermediate_size if profile.moe else (halves[0].shape[0] if halves else 0)
        return LayerSpec(prefix, leaf.cls, leaf.lineage, MOE, profile.hidden_size or 0, (intermediate,), routed)
    weights = [
        g for name in ("weight", "weight_packed", "qweight") for g in bucket.shards.get(name, []) if len(g.shape) == 2
    ]
    outputs = tuple(g.shape[0] for g in weights) or (0,)
    inputs = weights[0].shape[1] if weights else 0
    packing = _packing(bucket, inputs)
    return LayerSpec(prefix, leaf.cls, leaf.lineage, LINEAR, inputs * packing, outputs)


def _replaced(spec: LayerSpec, pack: Mapping[str, Any], soc: str) -> LayerSpec:
    """The module as the plugin builds it: its own class where it registers one for the engine's."""
    found = replacement(pack, spec.cls.rpartition(":")[2], soc)
    return replace(spec, cls=str(found["class"]), lineage=(spec.cls, *spec.lineage)) if found else spec


def _packing(bucket: Bucket, inputs: int) -> int:
    """Logical elements per stored element along the input dimension of a packed weight (int32 holds eight int4)."""
    return 8 if "weight_packed" in bucket.shards and inputs else 1


def _explain(replay: Replay, group: GroupOutcome) -> None:
    """Find the scheme's key in the registry and the return that first named it."""
    if group.outcome.scheme is None:
        return
    keys = set(_scheme_keys(replay, group.outcome.scheme, group.layer_type))
    for name, at, value in group.outcome.returns:
        if isinstance(value, str) and value in keys:
            group.quant_type, group.quant_type_at = value, at
            group.decided_by = name.rpartition(":")[2].rpartition(".")[2]
            return


def _scheme_keys(replay: Replay, scheme: str, layer_type: str) -> Iterator[str]:
    """Types a scheme class is registered under: ``{(type, layer): cls}`` or ``{type: {layer: cls}}``."""
    for module in replay.machine.modules.values():
        for table in _tables(module):
            for key, value in table.items():
                if (
                    isinstance(value, Class)
                    and value.name == scheme
                    and isinstance(key, tuple)
                    and key[-1] == layer_type
                ):
                    yield str(key[0])
                elif isinstance(value, dict):
                    inner = value.get(layer_type)
                    if isinstance(inner, Class) and inner.name == scheme:
                        yield str(key)


def _tables(module: Module) -> list[dict[Any, Any]]:
    return [v for v in module.names.values() if isinstance(v, dict)] if module.ready else []


def config_class(startup: Startup) -> tuple[str | None, str | None]:
    """Name and place of the configuration class a server ends up with."""
    config = startup.config
    if isinstance(config, Instance) and config.cls is not None:
        return config.cls.name, config.cls.at
    return None, None
