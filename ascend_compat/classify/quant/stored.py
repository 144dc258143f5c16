"""How quantized weights lie in a checkpoint: parameter names, dtypes, packing, companions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import QuantArgs
from ascend_compat.core.units import DTYPE_BITS

FLOAT_DTYPES = frozenset({"BF16", "F16", "F32", "F64"})
QUANTIZED_DTYPES = frozenset({"I8", "U8", "I32", "U32", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4"})
#: Names of a weight's own parameter; fused experts carry the projection in the parameter name.
_WEIGHT = re.compile(
    r"weight|weight_packed|qweight|W_q|_?weight_qdata|(gate_up|gate|up|down|w1|w2|w3|w13)(_proj|_proj_blocks|_blocks)?"
)
_COMPANION = re.compile(
    r"_?(weight|input|output|activation|act|kv_cache|[qkv]|fa_[qkv]|gate_up_proj|down_proj|gate_proj|up_proj|w13|w2)?_?"
    r"(scale|scales|scale_inv|scale_2|global_scale|offset|zero_point|zero_points|scale_second|offset_second|scale_bias|"
    r"shape|g_idx|scale_inverse|zeros)"
    r"|qzeros|g_idx|scales|zeros|quant_bias|deq_scale|smooth_scale|pre_quant_scale|clip_ratio|left_trans|right_trans"
    r"|SCB|weight_format|biases|absmax|quant_map|nested_absmax|nested_quant_map|quant_state\w*|bitsandbytes__\w+"
)
#: Last components of modules with a two-dimensional weight that quantizers do not treat as a linear layer.
_NOT_LINEAR = re.compile(r"norm|embed|wte|wpe|conv|pos_emb|rotary|rope")
#: Routers: small, kept in float by every engine whatever the format says.
ROUTER = re.compile(r"\.((gate|shared_expert_gate|wg)(\.wg)?|router(\.\w+)?)$")


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor group that holds weights of linear layers, and the layers of it that a question is about."""

    tensor: TensorGroup
    layers: tuple[int, ...]

    @property
    def count(self) -> int:
        """Tensors in the chosen layers."""
        return self.tensor.per_layer * len(self.layers) if self.tensor.layers else self.tensor.count

    @property
    def base(self) -> str:
        """The template without what marks a weight: companions are named after it."""
        return weight_base(self.tensor)


def weight_base(group: TensorGroup) -> str:
    """``...q_proj`` for ``...q_proj.weight``, ``...experts.gate_up_proj`` for ``...experts.gate_up_proj_blocks``."""
    if group.parameter in ("weight", "weight_packed", "qweight", "W_q", "weight_qdata", "_weight_qdata"):
        return group.module
    return group.template.removesuffix("_blocks")


def is_weight(group: TensorGroup) -> bool:
    """Whether a group holds weights of linear layers or fused experts, quantized or not."""
    if not _WEIGHT.fullmatch(group.parameter) or len(group.shape) < 2:
        return False
    return not _NOT_LINEAR.search(group.module.rpartition(".")[2])


def is_values(group: TensorGroup) -> bool:
    """Whether a group is named like weights, of whatever shape: compressed weights are vectors, norms are too."""
    return _WEIGHT.fullmatch(group.parameter) is not None


def is_companion(group: TensorGroup) -> bool:
    """Whether a group holds scales, offsets, zero points or other helpers of quantized weights."""
    return _COMPANION.fullmatch(group.parameter) is not None


def concrete(group: TensorGroup, module: str) -> Iterator[tuple[int | None, str]]:
    """A template's names, one per layer; a second index (an expert) as 0. The layer is ``None`` without an index."""
    if not group.layers:
        yield None, module
        return
    head, _, tail = module.partition("*")
    tail = tail.replace("*", "0")
    for layer in group.layers:
        yield layer, f"{head}{layer}{tail}"


def values_per_element(group: TensorGroup, weights: QuantArgs | None, packed_bytes: bool) -> int | None:
    """Weights in one stored element, ``None`` when it can't be known.

    ``packed_bytes`` says whether int8 elements hold pairs of int4, which nothing in the header shows.
    """
    width = DTYPE_BITS[group.dtype]
    if group.parameter.endswith("_blocks"):
        return 2
    if group.dtype == "I8":
        return 2 if weights and weights.num_bits == 4 and (packed_bytes or weights.type == "float") else 1
    if group.dtype not in ("U8", "I32", "U32"):
        return 1
    if weights is None or width % weights.num_bits:
        return None
    return width // weights.num_bits
