"""The rule graph of one question: what the checkpoint declares, what the release makes of it, where an edge fails.

Every edge has ``relation``, ``ok`` (true, false, or ``None`` for undetermined), ``evidence``, and ``detail``.
A verdict is a path from the checkpoint node; the first edge that is not ``ok`` is the blocker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ascend_compat.classify.quant.stored import QUANTIZED_DTYPES
from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import Target
from ascend_compat.core.verdict import Effect
from ascend_compat.knowledge.evaluate.values import Tensor
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.match import COMPANIONS, GroupOutcome, Match, config_class
from ascend_compat.knowledge.modules import LINEAR, MOE
from ascend_compat.knowledge.places import at, config_evidence

if TYPE_CHECKING:
    from networkx import DiGraph

ROOT = "checkpoint"
#: Places kept per edge: enough to check, few enough to read.
EVIDENCE_LIMIT = 3
#: Parameters that hold the quantized values themselves; the rest are scales and offsets.
WEIGHTS = frozenset(
    {"weight", "weight_packed", "qweight", "w13_weight", "w2_weight", "w13_weight_packed", "w2_weight_packed"}
)


def build_graph(
    pack: Mapping[str, Any],
    rules: Rules,
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    match: Match,
) -> DiGraph[str]:
    """The graph of one match."""
    import networkx

    graph: DiGraph[str] = networkx.DiGraph()
    graph.add_node(ROOT, kind="checkpoint")
    _architecture(graph, pack, profile)
    method = _method(graph, facts, match)
    _dtype(graph, rules, target, match)
    for group in match.groups:
        _group(graph, rules, target, match, group, method)
    _unjudged(graph, facts, match)
    return graph


def add(
    graph: DiGraph[str], source: str, to: str, relation: str, evidence: Evidence, ok: bool | None = True, **detail: Any
) -> None:
    """An edge with evidence; a second one between the same nodes adds its evidence and keeps the worse outcome."""
    if graph.has_edge(source, to):
        edge = graph.edges[source, to]
        known = {(e.path, e.line) if e.line else e for e in edge["evidence"]}
        if ((evidence.path, evidence.line) if evidence.line else evidence) not in known and len(known) < EVIDENCE_LIMIT:
            edge["evidence"] = (*edge["evidence"], evidence)
        edge["ok"] = False if False in (edge["ok"], ok) else None if None in (edge["ok"], ok) else True
        edge["detail"]["modules"] = edge["detail"].get("modules", 0) + detail.get("modules", 0)
        return
    graph.add_edge(source, to, relation=relation, ok=ok, evidence=(evidence,), detail=detail)


def path_to(graph: DiGraph[str], node: str) -> tuple[str, ...]:
    """The shortest path from the checkpoint to a node."""
    import networkx

    try:
        return tuple(networkx.shortest_path(graph, ROOT, node))
    except (networkx.NetworkXNoPath, networkx.NodeNotFound):
        return (node,)


def failing(graph: DiGraph[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Edges that fail or can't be decided, in the order they were added."""
    for source, to, data in graph.edges(data=True):
        if data["ok"] is not True:
            yield source, to, data


def _architecture(graph: DiGraph[str], pack: Mapping[str, Any], profile: ModelProfile) -> None:
    name = profile.architecture
    declared = config_evidence("architectures", str(name))
    if name is None:
        add(graph, ROOT, "architecture:?", "declares", declared, ok=None, reason="config.json names no architecture")
        return
    node = f"architecture:{name}"
    add(graph, ROOT, node, "declares", declared)
    entry = pack.get("architectures", {}).get(name)
    removed = pack.get("removed_architectures", {}).get(name)
    if entry:
        add(graph, node, f"class:{entry['class']}", "registered-in", at(entry.get("at")))
    elif removed:
        add(graph, node, "registry", "removed-by", at(removed.get("at")), ok=False, last=removed.get("last"), name=name)
    else:
        place = next((e["at"] for e in pack.get("architectures", {}).values() if "at" in e), None)
        registry = (place or "vllm/model_executor/models/registry.py").rpartition(":")[0]
        add(graph, node, "registry", "registered-in", at(registry or place, f"{name} is absent"), ok=False, name=name)


def _method(graph: DiGraph[str], facts: CheckpointFacts, match: Match) -> str:
    """Edges from the checkpoint to the configuration class; returns the node layers are dispatched from."""
    startup = match.startup
    name = startup.method or "none"
    if startup.trouble is not None:
        declared = facts.config.get("quantization_config")
        name = str(declared.get("quant_method")) if isinstance(declared, dict) else name
    node = f"quant_method:{name}"
    described = facts.quant_description is not None and startup.auto_detected
    declared_in = (
        config_evidence("", "present", "quant_model_description.json")
        if described
        else config_evidence("quantization_config.quant_method", name)
    )
    add(graph, ROOT, node, "declares", declared_in)
    if startup.trouble is not None:
        trouble = startup.trouble
        add(
            graph, node, f"start:{trouble.stage}", "requires", at(trouble.at, trouble.message),
            ok=False if trouble.kind else None, exception=trouble.kind, message=trouble.message, stage=trouble.stage,
            method=name,
        )  # fmt: skip
        return node
    cls, place = config_class(startup)
    if cls is None:
        return node
    detected = next((p for fn, p, value in startup.returns if value == startup.method and "detect" in fn), None)
    if detected and startup.auto_detected:
        graph.edges[ROOT, node]["evidence"] += (at(detected, "auto-detected"),)
    add(graph, node, f"config:{cls}", "dispatches-to", at(place))
    return f"config:{cls}"


def _dtype(graph: DiGraph[str], rules: Rules, target: Target, match: Match) -> None:
    """The model's own dtype against the SoC."""
    for rule in rules.hardware:
        if match.dtype in rule.dtypes and target.soc.device_type in rule.device_types:
            node = f"dtype:{match.dtype}"
            add(graph, ROOT, node, "declares", config_evidence("torch_dtype", match.dtype))
            evidence = Evidence(EvidenceKind.RULE, "rules/curated/hardware.toml", None, rule.source)
            add(
                graph, node, f"soc:{target.soc.name}", "active-on", evidence, ok=False, dtype=match.dtype,
                level=rule.level, soc=target.soc.name, scheme=None, modules=0, instead=rule.instead,
            )  # fmt: skip


def _group(graph: DiGraph[str], rules: Rules, target: Target, match: Match, group: GroupOutcome, source: str) -> None:
    outcome = group.outcome
    count = group.modules
    if outcome.trouble is not None:
        trouble = outcome.trouble
        add(
            graph, source, f"modules:{group.bucket.leaf.path}", "dispatches-to", at(trouble.at, trouble.message),
            ok=False if trouble.kind else None, modules=count, exception=trouble.kind, message=trouble.message,
            example=group.prefix, stage=trouble.stage,
        )  # fmt: skip
        return
    if outcome.scheme is None:
        if group.bucket.leaf.kind in (LINEAR, MOE):
            _unquantized(graph, rules, match, group, source)
        return
    scheme = f"scheme:{group.quant_type or '?'}/{group.layer_type}"
    decided = f"decision:{group.decided_by or 'get_quant_method'}"
    add(
        graph,
        source,
        decided,
        "dispatches-to",
        at(group.quant_type_at or outcome.method_at, group.prefix),
        modules=count,
    )
    add(graph, decided, scheme, "detected-as", at(group.quant_type_at or outcome.method_at), modules=count)
    add(graph, scheme, f"class:{outcome.scheme}", "registered-in", at(outcome.scheme_at), modules=count)
    for name, tensor in outcome.params.items():
        _parameter(graph, rules, target, group, f"class:{outcome.scheme}", name, tensor)
    for name in group.bucket.shards:
        if name not in outcome.params and name != "bias" and any(part in name for part in COMPANIONS):
            add(
                graph, f"class:{outcome.scheme}", f"tensor:{name}", "stores-as", at(outcome.scheme_at, name),
                ok=None, modules=count, parameter=name, scheme=outcome.scheme, example=group.prefix,
            )  # fmt: skip


def _unjudged(graph: DiGraph[str], facts: CheckpointFacts, match: Match) -> None:
    """What no step above looked at and a verdict would need: absent headers, quantized tensors without a module."""
    if not facts.has_weights:
        evidence = config_evidence("", "no safetensors header was read")
        add(graph, ROOT, "tensors:?", "stores-as", evidence, ok=None, absent=True)
    for group in match.lost:
        if group.dtype in QUANTIZED_DTYPES and group.parameter in WEIGHTS:
            header = header_evidence(group)
            add(
                graph, ROOT, f"tensor:{group.template}", "stores-as", header, ok=None, unplaced=True,
                template=group.template, stored=group.dtype, count=group.count,
            )  # fmt: skip


def _parameter(
    graph: DiGraph[str], rules: Rules, target: Target, group: GroupOutcome, cls: str, name: str, tensor: Tensor
) -> None:
    dtype = tensor.dtype or "?"
    node = f"parameter:{cls.removeprefix('class:')}.{name}={dtype}"
    add(graph, cls, node, "allocates", at(tensor.at, f"dtype {dtype}"), modules=group.modules)
    for rule in rules.hardware:
        if dtype in rule.dtypes and target.soc.device_type in rule.device_types and name in WEIGHTS:
            evidence = Evidence(EvidenceKind.RULE, "rules/curated/hardware.toml", None, rule.source)
            add(
                graph, node, f"soc:{target.soc.name}", "active-on", evidence,
                ok=None if rule.effect is Effect.NONE else False, dtype=dtype, level=rule.level, soc=target.soc.name,
                scheme=group.quant_type, modules=group.modules, instead=rule.instead,
            )  # fmt: skip
    stored = group.bucket.shards.get(name)
    if not stored:
        unfilled = tensor.constructor == "empty" and name not in group.outcome.computed and name != "bias"
        if unfilled and (group.reads is None or name in group.reads):
            add(
                graph, node, f"absent:{name}", "stores-as", at(tensor.at), ok=None, parameter=name,
                modules=group.modules, example=group.prefix, uninitialised=True, scheme=group.quant_type,
            )  # fmt: skip
        return
    _stored(graph, rules, group, node, name, tensor, stored)


def _stored(
    graph: DiGraph[str],
    rules: Rules,
    group: GroupOutcome,
    node: str,
    name: str,
    tensor: Tensor,
    stored: list[TensorGroup],
) -> None:
    dtype = tensor.dtype or "?"
    for index, part in enumerate(stored):
        keeps = tensor.dtype is None or rules.casts.keeps(part.dtype, dtype, name)
        fits = _fits(group, tensor, stored)
        header = Evidence(
            EvidenceKind.HEADER,
            "model.safetensors.index.json",
            None,
            f"{part.template}: {part.dtype} {list(part.shape)}",
        )
        add(
            graph, node, f"stored:{part.dtype}", "stores-as", header,
            ok=keeps and fits is not False, keeps=keeps, fits=fits, stored=part.dtype, allocated=dtype, parameter=name,
            scheme=group.quant_type, cls=group.outcome.scheme, modules=0 if index else group.modules,
            example=group.prefix,
            template=part.template, decided_by=group.decided_by, layer_type=group.layer_type, weight=name in WEIGHTS,
            allocated_shape=str(list(tensor.shape)), stored_shape=str(list(part.shape)),
        )  # fmt: skip


def _fits(group: GroupOutcome, tensor: Tensor, stored: list[TensorGroup]) -> bool | None:
    """Whether the stored tensors of one module have as many elements as the parameter; ``None`` when not known."""
    if not all(isinstance(n, int) for n in tensor.shape):
        return None
    allocated = 1
    for n in tensor.shape:
        allocated *= n
    if any(len(part.shape) == 0 or part.shape == (1,) for part in stored) or allocated == 0:
        return None  # scalars are broadcast to the shards of a fused module
    layers = max(len(group.bucket.layers), 1)
    have = 0
    for part in stored:
        span = len(part.layers) or 1
        have += part.elements // span if layers else part.elements
    # A vector that describes a module (its shape) is written once per shard, each time to the same place.
    described = all(len(part.shape) == 1 for part in stored) and have == allocated * len(stored)
    return have == allocated or described


def _unquantized(graph: DiGraph[str], rules: Rules, match: Match, group: GroupOutcome, source: str) -> None:
    """A module that runs in the model's own dtype: quantized values in it would be taken at face value."""
    method = group.outcome.method or "unquantized"
    evidence = at(group.outcome.method_at) if group.outcome.method_at else config_evidence("dtype", match.dtype)
    add(graph, source, f"class:{method}", "dispatches-to", evidence, modules=group.modules)
    node = f"parameter:{method}.weight={match.dtype}"
    for name, stored in group.bucket.shards.items():
        if name in WEIGHTS and any(not rules.casts.keeps(part.dtype, match.dtype, name) for part in stored):
            add(graph, f"class:{method}", node, "allocates", evidence, modules=group.modules)
            _stored(
                graph,
                rules,
                group,
                node,
                name,
                Tensor(("?",), match.dtype, "empty", group.outcome.method_at or ""),
                stored,
            )
