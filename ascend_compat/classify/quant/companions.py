"""Scales, zero points and offsets: missing, surplus, of the wrong size, or read by no one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod

from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.report import Case, Params, finding
from ascend_compat.classify.quant.stored import (
    QUANTIZED_DTYPES,
    Weight,
    is_companion,
    is_weight,
    values_per_element,
    weight_base,
)
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.profile import QuantArgs
from ascend_compat.core.verdict import Effect, Severity

#: Names of the scale without which a weight can't be read; each method uses one of them.
SCALES = ("weight_scale", "weight_scale_inv", "scales", "scale", "scale_inv", "weight_scales")
_INPUT = ("input_scale", "activation_scale", "act_scale", "input_global_scale")
_GLOBAL = ("weight_scale_2", "weight_global_scale")
_ZERO = {"compressed-tensors": ("weight_zero_point",), "awq": ("qzeros",), "gptq": ("qzeros",)}
#: Methods whose companions are named as above; others keep them elsewhere and are not judged.
_JUDGED = ("compressed-tensors", "fp8", "deepseek_v4_fp8", "modelslim", "awq", "gptq", "modelopt", "modelopt_fp4",
           "mxfp4", "auto-round", "intel/auto-round")  # fmt: skip
_KV_SCALE = re.compile(r"\.([kv]_scale|kv_scale|[kv]_proj\.(kv_cache|output)_scale|fa_[kv]\.scale)$")

Table = dict[str, Counter[int | None]]


def companion_findings(case: Case) -> Iterator[Finding]:
    """All checks of companions. What is missing is not judged where a shard is missing or damaged."""
    if case.found.profile.method not in _JUDGED:
        return
    table = _table(group for group in case.facts.tensors if is_companion(group))
    if not case.facts.problems:
        yield from _missing(case, table)
    yield from _surplus(case)
    yield from _sizes(case)
    yield from _kv_scales(case)


def _table(groups: Iterable[TensorGroup]) -> Table:
    """Tensors per layer of each template; key ``None`` for names without an index."""
    table: Table = {}
    for group in groups:
        table.setdefault(group.template, Counter()).update(_tally(group, group.layers))
    return table


def _tally(group: TensorGroup, layers: tuple[int, ...]) -> dict[int | None, int]:
    return dict.fromkeys(layers, group.per_layer) if group.layers else {None: group.count}


def _needed(case: Case, rule: Rule) -> Iterator[tuple[str, ...]]:
    """What a weight under this rule can't do without, as names any one of which will do."""
    weights, activations, method = rule.weights, rule.activations, case.found.profile.method or ""
    yield SCALES
    if weights is None:
        return
    if weights.symmetric is False and method in _ZERO:
        yield _ZERO[method]
    if weights.strategy == "tensor_group":
        yield _GLOBAL
    static = activations is not None and activations.dynamic is False and activations.num_bits <= 8
    if static and (method != "modelslim" or rule.declared == "W8A8"):
        yield _INPUT


def _missing(case: Case, table: Table) -> Iterator[Finding]:
    """AC325: quantized weights without a companion they need, counted by layer."""
    merged: dict[tuple[str, tuple[str, ...]], tuple[Weight, Counter[int | None]]] = {}
    for rule, weight in case.quantized():
        for names in _needed(case, rule):
            _, tally = merged.setdefault((weight.base, names), (weight, Counter()))
            tally.update(_tally(weight.tensor, weight.layers))
    for (base, names), (weight, tally) in merged.items():
        present: Counter[int | None] = Counter()
        for name in names:
            present.update(table.get(f"{base}.{name}", Counter()))
            present.update(table.get(f"{base}_{name}", Counter()))
        absent = sum((tally - present).values())
        if absent:
            params: Params = {"companion": names[0], "absent": absent}
            yield finding(case, "AC325", Severity.BLOCKER, Effect.WRONG_OUTPUT, weight, **params)


def _surplus(case: Case) -> Iterator[Finding]:
    """AC326: scales of weights that are stored in float."""
    weights: dict[str, set[str]] = {}
    for tensor in case.facts.tensors:
        if is_weight(tensor):
            weights.setdefault(weight_base(tensor), set()).add(tensor.dtype)
    for group in case.facts.tensors:
        if group.parameter not in ("weight_scale", "weight_scale_inv", "scales"):
            continue
        dtypes = weights.get(group.module)
        if dtypes and not dtypes & QUANTIZED_DTYPES:
            params = {"stored": sorted(dtypes)[0]}
            surplus = Weight(group, group.layers)
            yield finding(case, "AC326", Severity.WARNING, Effect.FAILS_AT_STARTUP, surplus, **params)


def _sizes(case: Case) -> Iterator[Finding]:
    """AC328: a scale whose number of elements is not what the declared granularity gives."""
    scales: dict[str, list[TensorGroup]] = {}
    for group in case.facts.tensors:
        for name in SCALES:
            if group.parameter == name or group.parameter.endswith(f"_{name}"):
                base = group.template.removesuffix(name).rstrip("._")
                scales.setdefault(base, []).append(group)
                break
    shapes: dict[str, set[tuple[int, ...]]] = {}
    for _, weight in case.quantized():
        shapes.setdefault(weight.base, set()).add(weight.tensor.shape)
    for rule, weight in case.quantized():
        expected = _expected(case, rule, weight) if len(shapes[weight.base]) == 1 else None
        for scale in scales.get(weight.base, ()) if expected is not None else ():
            if prod(scale.shape) != expected and (not scale.layers or set(scale.layers) & set(weight.layers)):
                shape = " x ".join(map(str, scale.shape)) or "scalar"
                params: Params = {
                    "scale": scale.template,
                    "shape": shape,
                    "expected": expected,
                    "declared": rule.declared,
                }
                yield finding(case, "AC328", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, weight, **params)


def _expected(case: Case, rule: Rule, weight: Weight) -> int | None:
    """Elements of the scale of one weight tensor, ``None`` when the declaration does not say.

    Blocks: ceil(rows / block rows) * ceil(columns / block columns); groups: weights / group size; channels: rows.
    """
    args, tensor = rule.weights, weight.tensor
    if args is None or (case.found.profile.method == "modelslim" and args.num_bits != 8):
        return None
    if args.strategy in ("group", "tensor_group"):
        return _groups(args, tensor)
    if tensor.parameter not in ("weight", "weight_packed") or len(tensor.shape) != 2:
        return None
    rows, columns = tensor.shape
    if args.strategy == "block" and args.block_structure and tensor.parameter == "weight":
        return -(-rows // args.block_structure[0]) * -(-columns // args.block_structure[1])
    return {"channel": rows, "tensor": 1}.get(args.strategy or "")


def _groups(args: QuantArgs, tensor: TensorGroup) -> int | None:
    held = values_per_element(tensor, args, False)
    if held is None or not args.group_size:
        return None
    logical = prod(tensor.shape) * held
    return logical // args.group_size if logical % args.group_size == 0 else None


def _kv_scales(case: Case) -> Iterator[Finding]:
    """AC329: scales of the KV cache in a checkpoint that declares no KV cache quantization."""
    if case.found.profile.kv_cache is not None:
        return
    for group in case.facts.tensors:
        if _KV_SCALE.search(group.template):
            yield finding(case, "AC329", Severity.INFO, Effect.DEGRADED, Weight(group, group.layers))
