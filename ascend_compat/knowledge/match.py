"""Replay a release on a checkpoint: per group of modules, what is declared, stored, chosen and allocated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.knowledge.config_objects import weights_mapper
from ascend_compat.knowledge.environment import Environment, Parallel
from ascend_compat.knowledge.evaluate.values import Class, Instance, Module
from ascend_compat.knowledge.files import CheckpointFiles
from ascend_compat.knowledge.kv_cache import ask_cache
from ascend_compat.knowledge.layers import Bucket, Renamed, concrete, fill, renames
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.loading.names import parameter_names
from ascend_compat.knowledge.matched import GroupOutcome, Match
from ascend_compat.knowledge.modules import EMBEDDING, LINEAR, MOE, ModuleTree
from ascend_compat.knowledge.outcomes import Startup
from ascend_compat.knowledge.replay import Replay
from ascend_compat.knowledge.specs import module_spec
from ascend_compat.knowledge.variables import variables

#: The method of a configuration that every module is taken to.
ASKED = "get_quant_method"


def match(
    pack: Mapping[str, Any],
    rules: Rules,
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    launch: LaunchProfile,
    files: CheckpointFiles | None = None,
    enough: Callable[[Match], bool] | None = None,
    names: dict[str, Mapping[str, str]] | None = None,
) -> Match:
    """Replay the start of ``target`` on the checkpoint. Raises nothing for what the release would do wrong.

    ``files`` are those of the checkpoint where the asker has them at hand; ``enough`` is asked after every group of
    modules: when it says so, the rest is left out. ``names`` keeps, by the digest of the pack, what the
    loader of the checkpoint was asked.
    """
    dtype = _dtype(profile, launch)
    tree = ModuleTree(pack, profile.architecture or "", facts.config, target.soc.name)
    renamed = _kept(names, pack.get("digest"), partial(parameter_names, pack, facts, profile, tree))
    buckets, lost = fill(tree, facts, profile, renamed) if facts.tensors else (_imagined(tree, profile), [])
    known = files or CheckpointFiles(facts)
    asked = [
        (bucket, layers)
        for bucket in buckets
        if bucket.leaf.kind in (LINEAR, MOE, EMBEDDING) and bucket.leaf.quantized
        for layers in known.alike(bucket)
    ]
    looked_at = [layers[0] for _, layers in asked if layers[0] is not None]
    environment = _environment(pack, rules, known, looked_at, target, launch, dtype)
    replay = Replay(pack.get("code", {}), environment, pack.get("kernel_tables"))
    startup = replay.start()
    out = Match(tree, startup, dtype=dtype, draft=replay.draft() if profile.mtp else (None, None))
    if startup.trouble is not None:
        return out
    if startup.method is None:
        loaders = pack.get("dequantizing", {})
        out.dequantizing = next((loaders[name] for name in sorted(tree.opened & loaders.keys())), {})
    out.lost = lost
    mapper = tree.attribute("hf_to_vllm_mapper")
    out.prepared = replay.prepare(
        tree.attribute("packed_modules_mapping") or {}, weights_mapper(renames(mapper)) if mapper else None
    )
    for bucket, layers in asked:
        nested = tree.nested(bucket.leaf.path)
        with replay.inside(*nested) if nested is not None else nullcontext():
            out.groups.append(_group(replay, bucket, layers, facts, profile, pack))
        if enough is not None and enough(out):
            return out
    out.cache = ask_cache(replay, tree, profile) if startup.config is not None else None
    return out


def _environment(
    pack: Mapping[str, Any],
    rules: Rules,
    files: CheckpointFiles,
    layers: list[int],
    target: Target,
    launch: LaunchProfile,
    dtype: str,
) -> Environment:
    """What the replayed code finds around it; of the checkpoint's files the parts about some layers."""
    device_type, version = device_of(pack, target.soc)
    given = launch.environment or {}
    return Environment(
        device_type=device_type,
        soc_version=version,
        config=files.config(layers),
        files=files.files(layers),
        quantization=launch.quantization,
        dtype=dtype,
        kv_cache_dtype=(launch.flags or {}).get("--kv-cache-dtype") or "auto",
        enforce_eager=launch.enforce_eager,
        parallel=Parallel(launch.tp or 1, launch.dp or 1, launch.pp or 1, bool(launch.ep)),
        vllm_version=target.vllm,
        additional_config=launch.additional_config or {},
        values={**variables(pack, given), **rules.externals},
        variables=given,
    )


def _kept(names: dict[str, Mapping[str, str]] | None, digest: str | None, ask: Renamed) -> Renamed:
    """``ask``, or what it said before: one pack leaves the same templates open on every device and for every launch."""

    def known(templates: Collection[str]) -> Mapping[str, str]:
        if names is None or digest is None:
            return ask(templates)
        if digest not in names:
            names[digest] = ask(templates)
        return names[digest]

    return known


def device_of(pack: Mapping[str, Any], soc: Soc) -> tuple[str, str | None]:
    """What the release calls a device, by the chip versions its set-up script knows, and one such version."""
    known = pack.get("device_types", {})
    version = next((name for name in soc.versions if name in known), next(iter(soc.versions), None))
    return str(known.get(version, soc.device_type)), version


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


def _group(
    replay: Replay,
    bucket: Bucket,
    layers: list[int | None],
    facts: CheckpointFacts,
    profile: ModelProfile,
    pack: Mapping[str, Any],
) -> GroupOutcome:
    """What the first of the layers is given."""
    prefix = concrete(bucket.leaf.path, layers[0])
    spec = module_spec(bucket, prefix, profile, pack, replay.environment.device_type.lstrip("_"))
    outcome = replay.layer(spec, allocate=bool(facts.tensors))
    group = GroupOutcome(bucket, tuple(n for n in layers if n is not None), prefix, outcome)
    _explain(replay, group)
    known = pack.get("scheme_reads", {}).get(outcome.scheme)
    group.reads = frozenset(known["reads"]) if known is not None else None
    group.computes = tuple(known.get("dtypes", ())) if known is not None else ()
    return group


def _explain(replay: Replay, group: GroupOutcome) -> None:
    """Find the scheme's key in the registry and the return that first named it; where none did, its only key.

    A scheme that is in no registry goes by the name of its class.
    """
    if group.outcome.scheme is None:
        return
    keys = set(_scheme_keys(replay, group.outcome.scheme, group.layer_type))
    for name, at, value in group.outcome.returns:
        if isinstance(value, str) and value in keys:
            group.quant_type, group.quant_type_at = value, at
            group.decided_by = name.rpartition(":")[2].rpartition(".")[2]
            return
    group.quant_type, group.decided_by = keys.pop() if len(keys) == 1 else group.outcome.scheme, ASKED


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
