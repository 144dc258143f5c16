"""The ``fp8`` method: float8 weights by tensor, channel or block, and DeepSeek-V4's float4 experts beside them."""

from __future__ import annotations

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.quant.arguments import describe, sizes, text, texts
from ascend_compat.classify.quant.compressed_tensors import kv_scheme
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.declared import Declaration
from ascend_compat.classify.quant.lowered import Lowered
from ascend_compat.classify.quant.modelopt import layer_rules
from ascend_compat.classify.quant.names import NameList
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import QuantArgs

#: ``ignore`` is not among them: where ModelOpt quantized the experts of such a checkpoint further, it lists what that
#: pass left alone, which is float8 all the same.
_IGNORE = ("modules_to_not_convert", "ignored_layers")


def fp8(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """Blocks share a scale (``weight_block_size``); without them a tensor or, where scales are longer, a row does.

    Source: vLLM 0.18.0, quantization/fp8.py ``Fp8Config``; DeepSeek-V4: ``expert_dtype`` in config.json, scales per 32.
    """
    body = declared.body
    block = sizes(body.get("weight_block_size"))
    strategy = "block" if block else "channel" if _rows_have_scales(facts, declared) else "tensor"
    weights = QuantArgs(8, "float", strategy, False, True, block_structure=block)
    dynamic = body.get("activation_scheme", "dynamic") == "dynamic"
    per = {"block": "group", "channel": "token"}.get(strategy, "tensor")
    activations = QuantArgs(8, "float", per, dynamic, True, block[1] if block else None)
    rest = Rule(("Linear",), describe(weights, activations), weights, activations, NameList(()))
    rules = (*layer_rules(body), *_float4_experts(facts), rest)
    ignore = NameList(texts(*(body.get(key) for key in _IGNORE)), loose=True)
    return Lowered(rules, ignore, text(body.get("fmt")), kv_scheme(body), ("fmt", "activation_scheme", "scale_fmt"))


def _rows_have_scales(facts: CheckpointFacts, declared: Declaration) -> bool:
    """Whether scales have an entry per row; fbgemm always does, others say nothing about it."""
    scales = [g for g in facts.tensors if g.parameter in ("weight_scale", "weight_scale_inv")]
    return declared.method == "fbgemm_fp8" or any(len(group.shape) == 2 and group.shape[1] == 1 for group in scales)


def _float4_experts(facts: CheckpointFacts) -> tuple[Rule, ...]:
    if ConfigView(facts.config).text("expert_dtype") != "fp4":
        return ()
    weights = QuantArgs(4, "float", "group", False, True, 32)
    activations = QuantArgs(8, "float", "group", True, True, 32)
    experts = NameList(("experts",), loose=True)
    return (Rule(("experts",), describe(weights, activations), weights, activations, experts),)
