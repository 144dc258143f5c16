"""The rule graph of one question: what the checkpoint declares, what the release makes of it, where an edge fails.

Every edge has ``relation``, ``ok`` (true, false, or ``None`` for undetermined), ``evidence``, and ``detail``.
A verdict is a path from the checkpoint node; the first edge that is not ``ok`` is the blocker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ascend_compat.classify.quant.stored import QUANTIZED_DTYPES
from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import Target
from ascend_compat.knowledge.allocation import WEIGHTS, computing, parameter, unquantized
from ascend_compat.knowledge.edges import EVIDENCE_LIMIT, ROOT, add
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.match import config_class
from ascend_compat.knowledge.matched import COMPANIONS, GroupOutcome, Match
from ascend_compat.knowledge.modules import LINEAR, MOE
from ascend_compat.knowledge.places import at, config_evidence

if TYPE_CHECKING:
    from networkx import DiGraph


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
    _architecture(graph, pack, facts, profile)
    method = _method(graph, facts, match)
    _dtype(graph, rules, target, match)
    for group in match.groups:
        _group(graph, rules, target, match, group, method)
    _unjudged(graph, facts, match)
    return graph


def _architecture(graph: DiGraph[str], pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile) -> None:
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
        backend = _fallback(pack, facts)
        evidence = at(backend) if backend else at(registry or place, f"{name} is absent")
        add(graph, node, "registry", "registered-in", evidence, ok=None if backend else False, name=name)


def _fallback(pack: Mapping[str, Any], facts: CheckpointFacts) -> str | None:
    """Where the release names the backend that runs a model's own code, for a model that brings some (``auto_map``).

    Source: vLLM 0.30.0 model_executor/models/registry.py, ``_try_resolve_transformers``.
    """
    brought = facts.config.get("auto_map")
    if not isinstance(brought, Mapping) or not any(str(name).startswith("AutoModel") for name in brought):
        return None
    known = pack.get("architectures", {}).values()
    return next((str(e["at"]) for e in known if e.get("kind") == "transformers" and "at" in e), None)


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
            graph, node, f"start:{trouble.stage}", "requires", at(trouble.at, trouble.said),
            ok=False if trouble.kind else None, exception=trouble.kind, message=trouble.said, stage=trouble.stage,
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
            graph, source, f"modules:{group.bucket.leaf.path}", "dispatches-to", at(trouble.at, trouble.said),
            ok=False if trouble.kind else None, modules=count, exception=trouble.kind, message=trouble.said,
            example=group.prefix, stage=trouble.stage,
        )  # fmt: skip
        return
    if outcome.scheme is None:
        if group.bucket.leaf.kind in (LINEAR, MOE):
            unquantized(graph, rules, match, group, source)
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
    computing(graph, rules, target, group, f"class:{outcome.scheme}")
    for name, tensor in outcome.params.items():
        parameter(graph, rules, target, group, f"class:{outcome.scheme}", name, tensor)
    for name in group.bucket.shards:
        if name not in outcome.params and name != "bias" and any(part in name for part in COMPANIONS):
            add(
                graph, f"class:{outcome.scheme}", f"tensor:{name}", "stores-as", at(outcome.scheme_at, name),
                ok=None, modules=count, parameter=name, scheme=outcome.scheme, example=group.prefix,
            )  # fmt: skip


def _unjudged(graph: DiGraph[str], facts: CheckpointFacts, match: Match) -> None:
    """What no step above looked at and a verdict would need: absent headers, quantized tensors without a module."""
    note = facts.table
    if facts.guessed:
        evidence = config_evidence("", "no safetensors header was read")
        reason = note.missing or note.source if note is not None else "no safetensors header was read"
        add(graph, ROOT, "tensors:?", "stores-as", evidence, ok=None, absent=True, reason=reason,
            guessed=bool(facts.tensors))  # fmt: skip
    unplaced: dict[str, list[TensorGroup]] = {}
    for group in match.lost if match.tree.leaves else ():  # of an architecture nobody knows, the registry says enough
        if group.dtype in QUANTIZED_DTYPES and group.parameter in WEIGHTS:
            unplaced.setdefault(group.dtype, []).append(group)
    for dtype, groups in unplaced.items():
        for group in groups[:EVIDENCE_LIMIT]:  # one edge with the headers of the first templates
            add(
                graph, ROOT, f"tensor:{groups[0].template}", "stores-as", header_evidence(group), ok=None,
                unplaced=True, template=groups[0].template, templates=len(groups), stored=dtype,
                count=sum(part.count for part in groups),
            )  # fmt: skip
