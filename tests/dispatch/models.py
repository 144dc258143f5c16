"""Checkpoints of models that releases treat by name: MiniMax-M2 in FP8 and DeepSeek-V4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from formats import grouped

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.units import tensor_bytes

EXPERTS = 4
FP8_BLOCK = {"quant_method": "fp8", "fmt": "float8_e4m3fn", "activation_scheme": "dynamic",
             "weight_block_size": [128, 128]}  # fmt: skip
MINIMAX: dict[str, Any] = {
    "architectures": ["MiniMaxM2ForCausalLM"], "model_type": "minimax_m2", "num_hidden_layers": 1, "hidden_size": 512,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "intermediate_size": 512, "vocab_size": 1024,
    "num_local_experts": EXPERTS, "num_experts_per_tok": 2, "rms_norm_eps": 1e-6, "hidden_act": "silu",
    "torch_dtype": "bfloat16", "scoring_func": "sigmoid", "use_routing_bias": True, "use_qk_norm": True,
    "rotary_dim": 32, "tie_word_embeddings": False, "max_position_embeddings": 4096,
    "quantization_config": {**FP8_BLOCK, "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]},
}  # fmt: skip
PLAIN = {
    "model.embed_tokens.weight": (1024, 512), "lm_head.weight": (1024, 512), "model.norm.weight": (512,),
    "model.layers.*.input_layernorm.weight": (512,), "model.layers.*.post_attention_layernorm.weight": (512,),
    "model.layers.*.self_attn.q_norm.weight": (512,), "model.layers.*.self_attn.k_norm.weight": (256,),
    "model.layers.*.block_sparse_moe.gate.weight": (EXPERTS, 512),
    "model.layers.*.block_sparse_moe.e_score_correction_bias": (EXPERTS,),
}  # fmt: skip
QUANTIZED = {
    "model.layers.*.self_attn.q_proj": (512, 512), "model.layers.*.self_attn.k_proj": (256, 512),
    "model.layers.*.self_attn.v_proj": (256, 512), "model.layers.*.self_attn.o_proj": (512, 512),
    **{f"model.layers.*.block_sparse_moe.experts.*.{name}": (512, 512) for name in ("w1", "w2", "w3")},
}  # fmt: skip


#: What of DeepSeek-V4's configuration decides how it starts; no tensor of it is needed for that.
DEEPSEEK: dict[str, Any] = {
    "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "num_hidden_layers": 1,
    "hidden_size": 512, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 512, "vocab_size": 1024,
    "moe_intermediate_size": 512, "n_routed_experts": EXPERTS, "n_shared_experts": 1, "num_experts_per_tok": 2,
    "o_groups": 8, "o_lora_rank": 128, "q_lora_rank": 128, "expert_dtype": "fp4", "torch_dtype": "bfloat16",
    "quantization_config": {**FP8_BLOCK, "scale_fmt": "ue8m0"},
}  # fmt: skip


def minimax_fp8() -> CheckpointFacts:
    """MiniMax-M2 as it is published: FP8 in blocks of 128 x 128."""
    files = ("config.json", "model.safetensors")
    return CheckpointFacts("test", "local", None, MINIMAX, files, tuple(_minimax()), True, shards=1)


def _minimax() -> Iterator[TensorGroup]:
    for name, shape in PLAIN.items():
        yield _group(name, "BF16", shape)
    for name, (out, inp) in QUANTIZED.items():
        yield _group(f"{name}.weight", "F8_E4M3", (out, inp))
        yield _group(f"{name}.weight_scale_inv", "F32", grouped(128, 128)(out, inp))


def _group(template: str, dtype: str, shape: tuple[int, ...]) -> TensorGroup:
    count = EXPERTS if ".experts." in template else 1
    layers = (0,) if ".layers." in template else ()
    return TensorGroup(template, dtype, shape, count, tensor_bytes(dtype, shape) * count, layers)


def deepseek_v4() -> CheckpointFacts:
    """The configuration of DeepSeek-V4."""
    return CheckpointFacts("test", "local", None, DEEPSEEK, ("config.json",), (), False)


MINIMAX_M2, DEEPSEEK_V4 = "MiniMax-M2 FP8", "DeepSeek-V4"
#: Models by name, beside the formats.
MODELS: dict[str, Callable[[], CheckpointFacts]] = {MINIMAX_M2: minimax_fp8, DEEPSEEK_V4: deepseek_v4}
