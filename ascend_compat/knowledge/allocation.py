"""Edges from a scheme to its parameters and to what the checkpoint stores for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.target import Target
from ascend_compat.core.verdict import Effect
from ascend_compat.knowledge.curated import AbsentDtype
from ascend_compat.knowledge.edges import add
from ascend_compat.knowledge.evaluate.values import Tensor
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.matched import GroupOutcome, Match
from ascend_compat.knowledge.places import at, config_evidence

if TYPE_CHECKING:
    from networkx import DiGraph

#: Parameters that hold the quantized values themselves; the rest are scales and offsets.
WEIGHTS = frozenset(
    {"weight", "weight_packed", "qweight", "w13_weight", "w2_weight", "w13_weight_packed", "w2_weight_packed"}
)


def parameter(
    graph: DiGraph[str], rules: Rules, target: Target, group: GroupOutcome, cls: str, name: str, tensor: Tensor
) -> None:
    dtype = tensor.dtype or "?"
    node = f"parameter:{cls.removeprefix('class:')}.{name}={dtype}"
    add(graph, cls, node, "allocates", at(tensor.at, f"dtype {dtype}"), modules=group.modules)
    for rule in rules.hardware:
        if dtype in rule.dtypes and name in WEIGHTS:
            _active_on(graph, rule, target, group, node, dtype)
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


def computing(graph: DiGraph[str], rules: Rules, target: Target, group: GroupOutcome, cls: str) -> None:
    """A scheme that names a dtype in its computation needs a device that has it, whatever its weights are stored as."""
    for rule in rules.hardware:
        for dtype in group.computes:
            if dtype in rule.dtypes and rule.effect is not Effect.NONE:
                node = f"computes:{dtype}"
                add(
                    graph,
                    cls,
                    node,
                    "computes-in",
                    at(group.outcome.scheme_at, f"dtype {dtype}"),
                    modules=group.modules,
                )
                _active_on(graph, rule, target, group, node, dtype)


def _active_on(
    graph: DiGraph[str], rule: AbsentDtype, target: Target, group: GroupOutcome, node: str, dtype: str
) -> None:
    if target.soc.device_type not in rule.device_types:
        return
    evidence = Evidence(EvidenceKind.RULE, "rules/curated/hardware.toml", None, rule.source)
    add(
        graph, node, f"soc:{target.soc.name}", "active-on", evidence,
        ok=None if rule.effect is Effect.NONE else False, dtype=dtype, level=rule.level, soc=target.soc.name,
        scheme=group.quant_type, modules=group.modules, instead=rule.instead,
    )  # fmt: skip


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
        header = header_evidence(part)
        # A tensor that does not fit is a node of its own: modules of other shapes may store the same dtype.
        stored_as = f"stored:{part.dtype}" if fits is not False else f"stored:{part.dtype}:{part.template}"
        add(
            graph, node, stored_as, "stores-as", header,
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
    # What describes a module (its shape, the transform of its input) is written once per shard, to the same place.
    described = all(len(part.shape) == 1 or part.shape == tensor.shape for part in stored)
    described = described and have == allocated * len(stored)
    return have == allocated or described


def unquantized(graph: DiGraph[str], rules: Rules, match: Match, group: GroupOutcome, source: str) -> None:
    """A module that runs in the model's own dtype: quantized values in it would be taken at face value."""
    method = group.outcome.method or "unquantized"
    evidence = at(group.outcome.method_at) if group.outcome.method_at else config_evidence("dtype", match.dtype)
    add(graph, source, f"class:{method}", "dispatches-to", evidence, modules=group.modules)
    node = f"parameter:{method}.weight={match.dtype}"
    for name, stored in group.bucket.shards.items():
        lossy = [part for part in stored if not rules.casts.keeps(part.dtype, match.dtype, name)]
        if name in WEIGHTS and lossy and all(match.dequantizes(rules.casts.same.dtypes.get(p.dtype)) for p in lossy):
            add(
                graph, f"class:{method}", "loader:dequantizes", "stores-as", at(match.dequantizing["at"]), ok=None,
                dequantized=True, stored=lossy[0].dtype, dtype=match.dtype, modules=group.modules, example=group.prefix,
            )  # fmt: skip
        elif name in WEIGHTS and lossy:
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
