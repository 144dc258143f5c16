"""Scales, zero points and offsets: missing, surplus, without a weight, or read by no one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.report import Case, Params, finding
from ascend_compat.classify.quant.stored import (
    FLOAT_DTYPES,
    QUANTIZED_DTYPES,
    Weight,
    is_companion,
    is_values,
    weight_base,
)
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.verdict import Effect, Severity

#: Names of the scale without which a weight can't be read; each method uses one of them.
SCALES = ("weight_scale", "weight_scale_inv", "scales", "scale", "scale_inv", "weight_scales")
_INPUT = ("input_scale", "activation_scale", "act_scale", "input_global_scale")
_GLOBAL = ("weight_scale_2", "weight_global_scale")
_ZERO = {"compressed-tensors": ("weight_zero_point",), "awq": ("qzeros",), "gptq": ("qzeros",)}
#: Names of the scale where a format has its own. ModelSlim's static layers keep the product of both scales.
_OWN_SCALES = {"modelslim": (*SCALES, "deq_scale"), "bitsandbytes": ("weight.absmax", "SCB", "absmax")}
#: Formats whose companions are named as above; others keep them elsewhere and are not judged.
JUDGED = frozenset(
    "compressed-tensors fp8 fbgemm_fp8 deepseek_v4_fp8 modelslim awq gptq auto-round modelopt modelopt_fp4 "
    "modelopt_mxfp8 modelopt_mixed mxfp8 nvfp4 mxfp4 quark bitsandbytes".split()
)
#: ModelSlim types with static activations. Source: vllm-ascend 0.18.0, methods/w8a8_static.py and w8a8s.py.
_STATIC = ("W8A8", "W8A8S", "W8A8SC")
#: Companions that ModelSlim types can't do without, by a part of their name. Source: vllm-ascend 0.18.0,
#: methods/w4a4_flatquant.py.
_SLIM = {"FLATQUANT": (("left_trans",), ("right_trans",), ("clip_ratio",))}
#: What only a quantized weight has, the telling one first; a ``scale`` of one dimension may belong to a norm.
_HELPERS = ("weight_scale", "weight_scale_inv", "scales", "weight_zero_point", "qzeros", "weight_offset", "deq_scale",
            "quant_bias", "weight_scale_2", "weight_global_scale", "g_idx", "weight_shape", "scale")  # fmt: skip
_KV_SCALE = re.compile(r"\.([kv]_scale|kv_scale|[kv]_proj\.(kv_cache|output)_scale|fa_[kv]\.scale)$")

Tally = Counter[int | None]


def companion_findings(case: Case) -> Iterator[Finding]:
    """All checks of companions. What is missing is not judged where a shard is missing or damaged."""
    if case.family not in JUDGED or case.sparse:
        return
    if not case.incomplete:
        yield from _missing(case, _table(group for group in case.facts.tensors if is_companion(group)))
    yield from _surplus(case)
    yield from _zero_points(case)
    yield from _kv_scales(case)


def _table(groups: Iterable[TensorGroup]) -> dict[str, Tally]:
    """Tensors per layer of each template; key ``None`` for names without an index."""
    table: dict[str, Tally] = {}
    for group in groups:
        table.setdefault(group.template, Counter()).update(tally(group, group.layers))
    return table


def tally(group: TensorGroup, layers: tuple[int, ...]) -> dict[int | None, int]:
    """Tensors of a group by layer."""
    return dict.fromkeys(layers, group.per_layer) if group.layers else {None: group.count}


def _needed(case: Case, rule: Rule) -> Iterator[tuple[str, ...]]:
    """What a weight under this rule can't do without, as names any one of which will do."""
    weights, activations = rule.weights, rule.activations
    yield _OWN_SCALES.get(case.family, SCALES)
    if case.family == "modelslim":
        yield from (names for part, needs in _SLIM.items() if part in rule.declared for names in needs)
        if rule.declared in _STATIC:
            yield _INPUT
        return
    if weights is None or case.family == "bitsandbytes":
        return
    if weights.symmetric is False and case.family in _ZERO:
        yield _ZERO[case.family]
    if weights.strategy == "tensor_group":
        yield _GLOBAL
    if activations is not None and activations.dynamic is False and activations.num_bits <= 8:
        yield _INPUT


def _missing(case: Case, table: dict[str, Tally]) -> Iterator[Finding]:
    """AC325: quantized weights without a companion they need, counted by layer."""
    merged: dict[tuple[str, tuple[str, ...]], tuple[Weight, Tally]] = {}
    for rule, weight in case.quantized():
        for names in _needed(case, rule):
            _, needed = merged.setdefault((weight.base, names), (weight, Counter()))
            needed.update(tally(weight.tensor, weight.layers))
    for (base, names), (weight, needed) in merged.items():
        present: Tally = Counter()
        for name in names:
            present.update(table.get(f"{base}.{name}", Counter()))
            present.update(table.get(f"{base}_{name}", Counter()))
        absent = sum((needed - present).values())
        if absent:
            params: Params = {"companion": names[0], "absent": absent}
            yield finding(case, "AC325", Severity.BLOCKER, Effect.WRONG_OUTPUT, weight, **params)


def _surplus(case: Case) -> Iterator[Finding]:
    """AC326: scales of weights that are stored in float, or of weights that are not stored at all; one per module."""
    floats, values = _weights(case.facts.tensors)
    helpers: dict[str, list[TensorGroup]] = {}
    for group in case.facts.tensors:
        if group.parameter in _HELPERS and (group.parameter != "scale" or len(group.shape) == 2):
            helpers.setdefault(group.module, []).append(group)
    for module, groups in helpers.items():
        group = min(groups, key=lambda item: _HELPERS.index(item.parameter))
        same = [item for item in groups if item.parameter == group.parameter]
        for item in same:
            own = item.layers or (None,)
            beside = tuple(n for n in own if n in floats.get(module, {}) and n not in values.get(module, ()))
            alone = tuple(n for n in own if n not in floats.get(module, {}) and n not in values.get(module, ()))
            if beside:
                params: Params = {"stored": floats[module][beside[0]]}
                yield _over(case, "AC326", item, beside, params)
            if alone and not case.incomplete:
                yield _over(case, "AC326.alone", item, alone, {})


def _over(case: Case, code: str, group: TensorGroup, layers: tuple[int | None, ...], params: Params) -> Finding:
    surplus = Weight(group, tuple(n for n in layers if n is not None))
    return finding(case, code, Severity.WARNING, Effect.FAILS_AT_STARTUP, surplus, **params)


def _weights(tensors: Iterable[TensorGroup]) -> tuple[dict[str, dict[int | None, str]], dict[str, set[int | None]]]:
    """By module and layer: the dtype of weights in float, and where weights are quantized."""
    floats: dict[str, dict[int | None, str]] = {}
    values: dict[str, set[int | None]] = {}
    for tensor in tensors:
        if is_values(tensor):
            layers: tuple[int | None, ...] = tensor.layers or (None,)
            if tensor.dtype in FLOAT_DTYPES:
                floats.setdefault(weight_base(tensor), {}).update(dict.fromkeys(layers, tensor.dtype))
            elif tensor.dtype in QUANTIZED_DTYPES:
                values.setdefault(weight_base(tensor), set()).update(layers)
    return floats, values


def _zero_points(case: Case) -> Iterator[Finding]:
    """AC335: zero points of weights that are declared symmetric; GPTQ's tools write them always."""
    names = _ZERO["compressed-tensors"] if case.family == "compressed-tensors" else ()
    points = {group.module: group for group in case.facts.tensors if group.parameter in names}
    for rule, weight in case.quantized() if points else ():
        group = points.get(weight.base)
        if group is not None and rule.weights is not None and rule.weights.symmetric is True:
            surplus = Weight(group, tuple(n for n in group.layers if n in weight.layers))
            params: Params = {"declared": rule.declared}
            yield finding(case, "AC335", Severity.WARNING, Effect.WRONG_OUTPUT, surplus, **params)


def _kv_scales(case: Case) -> Iterator[Finding]:
    """AC329: scales of the KV cache in a checkpoint that declares no KV cache quantization."""
    scales = [group for group in case.facts.tensors if _KV_SCALE.search(group.template)]
    if case.found.profile.kv_cache is None:
        for group in scales:
            yield finding(case, "AC329", Severity.INFO, Effect.DEGRADED, Weight(group, group.layers))
