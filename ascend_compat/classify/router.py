"""What chooses among experts: score function, groups, correction bias, dtype, experts that compute nothing."""

from __future__ import annotations

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import decoder_tensors, header_evidence, matching
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence
from ascend_compat.core.profile import Router

SCORE = ("scoring_func", "score_function", "moe_score_func", "score_func", "moe_router_activation_func", "router_score")
GROUPS = ("n_group", "num_expert_group", "num_expert_groups")
TOP_GROUPS = ("topk_group", "limited_group", "top_k_group")
CORRECTION = ("use_routing_bias", "moe_router_enable_expert_bias", "router_bias", "use_expert_bias")
DTYPE = ("moe_router_dtype", "router_dtype")
ZERO = ("zero_expert_num", "num_zero_experts", "n_zero_experts")
HASHED = ("num_hash_layers",)
_BIAS = r"(e_score_correction_bias|expert_bias|moe_statics|router_bias|\.(gate|router)\.bias)$"
_WEIGHT = r"\.(gate|router)(\.(wg|layer|linear|classifier|proj))?\.weight$"


def router(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> tuple[Router, tuple[Evidence, ...]]:
    """The router of a model with experts, and where it was read."""
    stack = decoder_tensors(tensors)
    biases, weights = matching(stack, _BIAS), matching(stack, _WEIGHT)
    dtypes = {group.dtype for group in weights}
    noted = view.text("topk_method") == "noaux_tc" or None
    correction = bool(biases) if stack else view.flag(*CORRECTION) or noted
    found = Router(
        score=view.text(*SCORE),
        groups=view.size(*GROUPS),
        top_groups=view.size(*TOP_GROUPS),
        correction_bias=correction,
        dtype=dtypes.pop() if len(dtypes) == 1 else view.text(*DTYPE),
        zero_experts=view.integer(*ZERO),
        hash_layers=view.integer(*HASHED),
    )
    fields = view.evidence(*SCORE, *GROUPS, *TOP_GROUPS, *CORRECTION, *DTYPE, *ZERO, *HASHED, "topk_method")
    return found, (*fields, *(header_evidence(group) for group in (*biases[:1], *weights[:1])))
