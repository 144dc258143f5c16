"""Shapes of quantized weights and their companions against each other and against what is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.quant.arguments import whole
from ascend_compat.classify.quant.companions import JUDGED, SCALES
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.report import Case, Params, finding
from ascend_compat.classify.quant.stored import Weight, values_per_element
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.profile import QuantArgs
from ascend_compat.core.verdict import Effect, Severity

#: Companions with one value for each scale, packed like the weight where the weight is packed.
_LIKE_SCALE = ("weight_offset", "weight_zero_point", "qzeros")
#: Parameters with a value for each column of the logical weight.
_COLUMNS = ("g_idx", "weight_g_idx")
#: Projections whose input is the hidden state, in any decoder with attention of the usual kind.
_FROM_HIDDEN = re.compile(r"\.(self_attn|attn|attention)\.(q_proj|k_proj|v_proj|qkv_proj)$")


def size_findings(case: Case) -> Iterator[Finding]:
    """AC328: a companion whose number of values is not what the declaration gives; AC334: a packed weight's width."""
    if case.family not in JUDGED or case.family == "bitsandbytes" or case.sparse:
        return
    beside: dict[str, list[TensorGroup]] = {}
    for group in case.facts.tensors:
        for name in (*SCALES, *_LIKE_SCALE, *_COLUMNS, "weight_scale_second"):
            if group.parameter == name or group.parameter.endswith(f"_{name}"):
                beside.setdefault(group.template.removesuffix(name).rstrip("._"), []).append(group)
                break
    shapes: dict[tuple[str, int | None], set[tuple[int, ...]]] = {}
    for _, weight in case.quantized():
        for layer in weight.layers or (None,):
            shapes.setdefault((weight.base, layer), set()).add(weight.tensor.shape)
    hidden = ConfigView(case.facts.config).size("hidden_size")
    for rule, weight in case.quantized():
        # Where one layer holds weights of several shapes under one template, which companion is whose is not known.
        if rule.weights is None or any(len(shapes[weight.base, n]) > 1 for n in weight.layers or (None,)):
            continue
        yield from _companions(case, rule, rule.weights, weight, beside.get(weight.base, []))
        yield from _width(case, rule.weights, weight, hidden)
        yield from _pairs(case, rule, weight, beside.get(weight.base, []))


def _companions(
    case: Case, rule: Rule, args: QuantArgs, weight: Weight, beside: list[TensorGroup]
) -> Iterator[Finding]:
    scales = _scales(case, args, weight.tensor)
    for group in beside:
        shared = not group.layers or bool(set(group.layers) & set(weight.layers))
        expected = _expected(case, args, weight.tensor, group, scales, beside) if shared else frozenset()
        if expected and prod(group.shape) not in expected:
            shape = " x ".join(map(str, group.shape)) or "scalar"
            params: Params = {"scale": group.template, "shape": shape, "expected": min(expected),
                              "declared": rule.declared}  # fmt: skip
            yield finding(case, "AC328", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, weight, **params)


def _expected(
    case: Case, args: QuantArgs, tensor: TensorGroup, group: TensorGroup, scales: frozenset[int],
    beside: list[TensorGroup],
) -> frozenset[int]:  # fmt: skip
    """Numbers of values that a companion may have; empty where the declaration does not say."""
    if group.parameter in _COLUMNS:
        return _columns(case, args, tensor)
    if group.parameter == "weight_scale_second":
        return _second(case, tensor, beside)
    if group.parameter in _LIKE_SCALE:
        packed = args.num_bits if group.dtype in ("I32", "U32") and args.num_bits < 32 else 32
        return frozenset(count * packed // 32 for count in scales if count * packed % 32 == 0)
    return scales


def _scales(case: Case, args: QuantArgs, tensor: TensorGroup) -> frozenset[int]:
    """Values of the scale of one weight tensor; stacked experts have those of each.

    Blocks: ceil(rows / block rows) * ceil(columns / block columns); groups: weights / group size; channels: rows.
    """
    if args.strategy in ("group", "tensor_group"):
        return _groups(case, args, tensor)
    if len(tensor.shape) < 2 or (len(tensor.shape) == 2 and tensor.parameter not in ("weight", "weight_packed")):
        return frozenset()
    *stack, rows, columns = tensor.shape
    many = prod(stack)
    if args.strategy == "block" and args.block_structure and tensor.parameter != "weight_packed":
        return frozenset({many * -(-rows // args.block_structure[0]) * -(-columns // args.block_structure[1])})
    if args.strategy == "channel":
        if case.family == "modelslim" and args.num_bits < 8:  # each release has its own default for the group size
            return frozenset()
        return frozenset({many * rows} if not stack else {many * rows, many * columns})
    return frozenset({1, many}) if args.strategy == "tensor" else frozenset()


def _groups(case: Case, args: QuantArgs, tensor: TensorGroup) -> frozenset[int]:
    """Groups of a weight, the last of a row may be short. ModelSlim packs 4 bits or does not; its integers may have a
    first scale by row.
    """
    if not args.group_size:
        return frozenset()
    held = {values_per_element(tensor, args, False)}
    rows: set[int] = set()
    if case.family == "modelslim" and tensor.dtype in ("U8", "I8"):
        held = {1, 2} if args.num_bits < 8 else {1}
        rows = {tensor.shape[0], 2 * tensor.shape[0]} if args.type == "int" else set()
    total, counts = prod(tensor.shape), set()
    for inputs in {tensor.shape[0], tensor.shape[-1]} - {0}:  # weights are stored, and packed, along either side
        counts |= {total // inputs * -(-inputs * n // args.group_size) for n in held if n is not None}
        counts |= {total * n // args.group_size for n in held if n is not None and total * n % args.group_size == 0}
    return frozenset(rows | counts)


def _second(case: Case, tensor: TensorGroup, beside: list[TensorGroup]) -> frozenset[int]:
    """ModelSlim's second scale of 4 bit weights: a value for each declared ``group_size`` columns of each row."""
    size = whole((case.facts.quant_description or {}).get("group_size"))
    rows = next((group.shape[0] for group in beside if group.parameter == "weight_scale" and group.shape), None)
    if size is None or rows is None or len(tensor.shape) != 2:
        return frozenset()
    return frozenset({rows * tensor.shape[1] // size})


def _columns(case: Case, args: QuantArgs, tensor: TensorGroup) -> frozenset[int]:
    """Columns of the logical weight; tools store it and its transpose, packed along either."""
    held = values_per_element(tensor, args, False)
    return frozenset() if held is None or len(tensor.shape) != 2 else frozenset(side * held for side in tensor.shape)


def _width(case: Case, args: QuantArgs, weight: Weight, hidden: int | None) -> Iterator[Finding]:
    """AC334: a packed weight with scales by row only, which unpacks to another width than the hidden state has."""
    tensor = weight.tensor
    held = values_per_element(tensor, args, False)
    alone = args.strategy in ("channel", "tensor") and len(tensor.shape) == 2
    if not alone or hidden is None or held is None or held == 1 or case.in_decoder(weight) is None:
        return
    packed = {"weight_packed": 1, "qweight": 0 if case.family == "gptq" else None}.get(tensor.parameter)
    if packed is None or not _FROM_HIDDEN.search(tensor.module):
        return
    stored = tensor.shape[packed]
    if stored * held != hidden:
        params: Params = {"stored": tensor.dtype, "columns": stored, "bits": args.num_bits, "width": stored * held,
                          "hidden": hidden}  # fmt: skip
        yield finding(case, "AC334", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, weight, **params)


def _pairs(case: Case, rule: Rule, weight: Weight, beside: list[TensorGroup]) -> Iterator[Finding]:
    """AC334.pairs: ModelSlim 1.0.0 stores two rows of 4 bits in one; the scale tells how many there are.

    Source: vllm-ascend 0.18.0, quantization/methods/w4a8.py.
    """
    version = (case.facts.quant_description or {}).get("version")
    rows = weight.tensor.shape[0]
    if case.family != "modelslim" or version != "1.0.0" or not rule.declared.startswith("W4A8"):
        return
    scales = {g.shape[0] for g in beside if g.parameter == "weight_scale" and g.shape}
    if weight.tensor.dtype == "I8" and scales == {rows}:
        params: Params = {"rows": rows, "version": version, "declared": rule.declared}
        yield finding(case, "AC334.pairs", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, weight, **params)
