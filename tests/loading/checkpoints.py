"""Small checkpoints with the tensor names that published models have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.units import tensor_bytes

EXPERTS = 8
HIDDEN, INNER, VOCAB = 512, 256, 1024
BASE: dict[str, Any] = {
    "hidden_size": HIDDEN, "intermediate_size": 1024, "vocab_size": VOCAB, "num_attention_heads": 8,
    "num_key_value_heads": 8, "head_dim": 64, "rms_norm_eps": 1e-6, "hidden_act": "silu", "torch_dtype": "bfloat16",
    "tie_word_embeddings": False, "max_position_embeddings": 4096, "moe_intermediate_size": INNER,
}  # fmt: skip
#: How quantized weights are stored: what goes beside the weight, its dtype, and its shape from that of the weight.
Quantized = Mapping[str, tuple[str, Any]]
FP8_BLOCK: Quantized = {
    "weight": ("F8_E4M3", lambda out, inp: (out, inp)),
    "weight_scale_inv": ("F32", lambda out, inp: (-(-out // 128), -(-inp // 128))),
}
FP8_CONFIG = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
W8A8: Quantized = {
    "weight": ("I8", lambda out, inp: (out, inp)),
    "weight_scale": ("F32", lambda out, inp: (out, 1)),
    "weight_offset": ("F32", lambda out, inp: (out, 1)),
}
STACK = "model.layers.*."


def group(template: str, dtype: str, shape: tuple[int, ...], layers: Iterable[int] = ()) -> TensorGroup:
    """A template over some layers; a second index counts experts."""
    at = tuple(layers)
    count = max(1, len(at)) * (EXPERTS if template.count("*") > 1 else 1)
    return TensorGroup(template, dtype, shape, count, tensor_bytes(dtype, shape) * count, at)


def facts(
    config: Mapping[str, Any], tensors: Iterable[TensorGroup], description: Mapping[str, Any] | None = None
) -> CheckpointFacts:
    """A checkpoint of these tensors."""
    files = ("config.json", "model.safetensors", *(("quant_model_description.json",) if description else ()))
    return CheckpointFacts(
        "test", "local", None, dict(config), files, tuple(tensors), True, shards=1, quant_description=description
    )


def linears(
    stem: str, shapes: Mapping[str, tuple[int, int]], layers: Iterable[int], form: Quantized | None
) -> Iterator[TensorGroup]:
    """Weights of linear modules with what is stored beside them."""
    for name, (out, inp) in shapes.items():
        for suffix, (dtype, shape) in (form or {"weight": ("BF16", lambda out, inp: (out, inp))}).items():
            yield group(f"{stem}{name}.{suffix}", dtype, shape(out, inp), layers)


def norms(stem: str, names: Mapping[str, int], layers: Iterable[int]) -> Iterator[TensorGroup]:
    """Weights of norms."""
    for name, size in names.items():
        yield group(f"{stem}{name}.weight", "BF16", (size,), layers)


def ends(stem: str = "model.", head: str | None = "lm_head") -> Iterator[TensorGroup]:
    """Embedding, last norm and head."""
    yield group(f"{stem}embed_tokens.weight", "BF16", (VOCAB, HIDDEN))
    yield group(f"{stem}norm.weight", "BF16", (HIDDEN,))
    if head:
        yield group(f"{head}.weight", "BF16", (VOCAB, HIDDEN))


def mlp(inner: int) -> dict[str, tuple[int, int]]:
    """Gate, up and down projection."""
    return {"gate_proj": (inner, HIDDEN), "up_proj": (inner, HIDDEN), "down_proj": (HIDDEN, inner)}


LATENT = {"q_a_proj": (128, HIDDEN), "q_b_proj": (8 * 96, 128), "kv_a_proj_with_mqa": (96, HIDDEN),
          "kv_b_proj": (8 * 128, 64), "o_proj": (HIDDEN, 512)}  # fmt: skip
ATTENTION = dict.fromkeys(("q_proj", "k_proj", "v_proj", "o_proj"), (HIDDEN, HIDDEN))
LAYER_NORMS = {"input_layernorm": HIDDEN, "post_attention_layernorm": HIDDEN}


def deepseek(form: Quantized | None = None, mtp: bool = True, **more: Any) -> CheckpointFacts:
    """DeepSeek-V3 and Kimi-K2: latent attention, one dense layer, experts, and one MTP layer."""
    every, sparse = range(4 if mtp else 3), range(1, 4 if mtp else 3)
    tensors = [
        *ends(),
        *norms(STACK, {**LAYER_NORMS, "self_attn.q_a_layernorm": 128, "self_attn.kv_a_layernorm": 64}, every),
        *linears(f"{STACK}self_attn.", LATENT, every, form),
        *linears(f"{STACK}mlp.", mlp(1024), (0,), form),
        *linears(f"{STACK}mlp.experts.*.", mlp(INNER), sparse, form),
        *linears(f"{STACK}mlp.shared_experts.", mlp(INNER), sparse, form),
        group(f"{STACK}mlp.gate.weight", "BF16", (EXPERTS, HIDDEN), sparse),
        group(f"{STACK}mlp.gate.e_score_correction_bias", "F32", (EXPERTS,), sparse),
    ]
    if mtp:
        tensors += [
            *norms(STACK, {"enorm": HIDDEN, "hnorm": HIDDEN, "shared_head.norm": HIDDEN}, (3,)),
            group(f"{STACK}eh_proj.weight", "BF16", (HIDDEN, 2 * HIDDEN), (3,)),
            group(f"{STACK}embed_tokens.weight", "BF16", (VOCAB, HIDDEN), (3,)),
            group(f"{STACK}shared_head.head.weight", "BF16", (VOCAB, HIDDEN), (3,)),
        ]
    config = {
        **BASE, "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "num_hidden_layers": 3,
        "n_routed_experts": EXPERTS, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
        "moe_layer_freq": 1, "q_lora_rank": 128, "kv_lora_rank": 64, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32,
        "v_head_dim": 64, "num_nextn_predict_layers": 1 if mtp else 0, "n_group": 1, "topk_group": 1,
        "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True, "routed_scaling_factor": 2.5,
        **({"quantization_config": FP8_CONFIG} if form is FP8_BLOCK else {}), **more,
    }  # fmt: skip
    return facts(config, tensors)


def qwen3_moe(form: Quantized | None = None, extra: Iterable[TensorGroup] = (), **more: Any) -> CheckpointFacts:
    """Qwen3-MoE."""
    layers = range(2)
    tensors = [
        *ends(),
        *norms(STACK, {**LAYER_NORMS, "self_attn.q_norm": 64, "self_attn.k_norm": 64}, layers),
        *linears(f"{STACK}self_attn.", ATTENTION, layers, form),
        *linears(f"{STACK}mlp.experts.*.", mlp(INNER), layers, form),
        group(f"{STACK}mlp.gate.weight", "BF16", (EXPERTS, HIDDEN), layers),
        *extra,
    ]
    config = {
        **BASE, "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "num_hidden_layers": 2,
        "num_experts": EXPERTS, "num_experts_per_tok": 2, "decoder_sparse_step": 1, "mlp_only_layers": [],
        "norm_topk_prob": True, **({"quantization_config": FP8_CONFIG} if form is FP8_BLOCK else {}), **more,
    }  # fmt: skip
    return facts(config, tensors)


def minimax_m2(form: Quantized | None = None) -> CheckpointFacts:
    """MiniMax-M2: experts called w1, w2, w3."""
    layers = range(2)
    experts = {"w1": (INNER, HIDDEN), "w3": (INNER, HIDDEN), "w2": (HIDDEN, INNER)}
    tensors = [
        *ends(),
        *norms(STACK, {**LAYER_NORMS, "self_attn.q_norm": HIDDEN, "self_attn.k_norm": HIDDEN}, layers),
        *linears(f"{STACK}self_attn.", ATTENTION, layers, form),
        *linears(f"{STACK}block_sparse_moe.experts.*.", experts, layers, form),
        group(f"{STACK}block_sparse_moe.gate.weight", "F32", (EXPERTS, HIDDEN), layers),
        group(f"{STACK}block_sparse_moe.e_score_correction_bias", "F32", (EXPERTS,), layers),
    ]
    config = {
        **BASE, "architectures": ["MiniMaxM2ForCausalLM"], "model_type": "minimax_m2", "num_hidden_layers": 2,
        "num_local_experts": EXPERTS, "num_experts_per_tok": 2, "intermediate_size": INNER, "use_qk_norm": True,
        "qk_norm_type": "per_layer", "rotary_dim": 32, "scoring_func": "sigmoid", "use_routing_bias": True,
        **({"quantization_config": FP8_CONFIG} if form is FP8_BLOCK else {}),
    }  # fmt: skip
    return facts(config, tensors)


def gemma3() -> CheckpointFacts:
    """Gemma 3 with its vision tower; the head is the embedding."""
    layers, blocks = range(2), range(2)
    text, tower = "language_model.model.layers.*.", "vision_tower.vision_model.encoder.layers.*."
    four = {"input_layernorm": HIDDEN, "post_attention_layernorm": HIDDEN, "pre_feedforward_layernorm": HIDDEN,
            "post_feedforward_layernorm": HIDDEN, "self_attn.q_norm": 64, "self_attn.k_norm": 64}  # fmt: skip
    vision = {"self_attn.q_proj": (128, 128), "self_attn.k_proj": (128, 128), "self_attn.v_proj": (128, 128),
              "self_attn.out_proj": (128, 128), "mlp.fc1": (256, 128), "mlp.fc2": (128, 256)}  # fmt: skip
    tensors = [
        *ends("language_model.model.", None),
        *norms(text, four, layers),
        *linears(f"{text}self_attn.", ATTENTION, layers, None),
        *linears(f"{text}mlp.", mlp(1024), layers, None),
        *linears(tower, vision, blocks, None),
        *(group(f"{tower}{name}.bias", "BF16", (out,), blocks) for name, (out, _) in vision.items()),
        *(group(f"{tower}layer_norm{n}.{p}", "BF16", (128,), blocks) for n in (1, 2) for p in ("weight", "bias")),
        *(group(f"vision_tower.vision_model.post_layernorm.{p}", "BF16", (128,)) for p in ("weight", "bias")),
        group("vision_tower.vision_model.embeddings.patch_embedding.weight", "BF16", (128, 3, 14, 14)),
        group("vision_tower.vision_model.embeddings.patch_embedding.bias", "BF16", (128,)),
        group("vision_tower.vision_model.embeddings.position_embedding.weight", "BF16", (64, 128)),
        group("multi_modal_projector.mm_input_projection_weight", "BF16", (128, HIDDEN)),
        group("multi_modal_projector.mm_soft_emb_norm.weight", "BF16", (128,)),
    ]
    inner = {**BASE, "model_type": "gemma3_text", "num_hidden_layers": 2, "sliding_window": 512,
             "query_pre_attn_scalar": 64, "hidden_activation": "gelu_pytorch_tanh", "sliding_window_pattern": 2,
             "layer_types": ["sliding_attention", "full_attention"]}  # fmt: skip
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "torch_dtype": "bfloat16",
        "text_config": inner, "tie_word_embeddings": True, "mm_tokens_per_image": 16,
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 128, "num_hidden_layers": 2,
                          "image_size": 112, "patch_size": 14, "intermediate_size": 256, "num_attention_heads": 2},
    }  # fmt: skip
    return facts(config, tensors)


def gemma4() -> CheckpointFacts:
    """Gemma 4 without its towers: every layer has a scalar that the model keeps as a buffer."""
    text, layers = "model.language_model.layers.*.", range(2)
    four = {"input_layernorm": HIDDEN, "post_attention_layernorm": HIDDEN, "pre_feedforward_layernorm": HIDDEN,
            "post_feedforward_layernorm": HIDDEN, "self_attn.q_norm": 64, "self_attn.k_norm": 64}  # fmt: skip
    tensors = [
        *ends("model.language_model.", None),
        *norms(text, four, layers),
        *linears(f"{text}self_attn.", ATTENTION, layers, None),
        *linears(f"{text}mlp.", mlp(1024), layers, None),
        group(f"{text}layer_scalar", "BF16", (1,), layers),
    ]
    inner = {**BASE, "model_type": "gemma4_text", "num_hidden_layers": 2, "sliding_window": 512,
             "hidden_activation": "gelu_pytorch_tanh", "layer_types": ["sliding_attention", "full_attention"],
             "global_head_dim": 64, "hidden_size_per_layer_input": 0, "enable_moe_block": False}  # fmt: skip
    config = {
        "architectures": ["Gemma4ForCausalLM"], "model_type": "gemma4", "torch_dtype": "bfloat16",
        "text_config": inner, "tie_word_embeddings": True,
    }  # fmt: skip
    return facts(config, tensors)


def qwen3_5_moe() -> CheckpointFacts:
    """Qwen3.5-MoE: linear attention beside full attention, experts fused over all of them, one MTP layer."""
    stack = "model.language_model.layers.*."
    linear = {"in_proj_qkv": (768, HIDDEN), "in_proj_z": (512, HIDDEN), "in_proj_a": (8, HIDDEN),
              "in_proj_b": (8, HIDDEN), "out_proj": (HIDDEN, 512)}  # fmt: skip
    full = {"q_proj": (1024, HIDDEN), "k_proj": (128, HIDDEN), "v_proj": (128, HIDDEN), "o_proj": (HIDDEN, 512)}
    tensors = [
        *ends("model.language_model."),
        *norms(stack, LAYER_NORMS, range(4)),
        *_fused(stack, range(4)),
        *linears(f"{stack}linear_attn.", linear, range(3), None),
        group(f"{stack}linear_attn.conv1d.weight", "BF16", (768, 1, 4), range(3)),
        group(f"{stack}linear_attn.A_log", "F32", (8,), range(3)),
        group(f"{stack}linear_attn.dt_bias", "BF16", (8,), range(3)),
        group(f"{stack}linear_attn.norm.weight", "F32", (64,), range(3)),
        *linears(f"{stack}self_attn.", full, (3,), None),
        *norms(stack, {"self_attn.q_norm": 64, "self_attn.k_norm": 64}, (3,)),
        *linears("mtp.layers.*.self_attn.", full, (0,), None),
        *norms("mtp.layers.*.", {**LAYER_NORMS, "self_attn.q_norm": 64, "self_attn.k_norm": 64}, (0,)),
        *_fused("mtp.layers.*.", (0,)),
        group("mtp.fc.weight", "BF16", (HIDDEN, 2 * HIDDEN)),
        *norms("mtp.", {"norm": HIDDEN, "pre_fc_norm_embedding": HIDDEN, "pre_fc_norm_hidden": HIDDEN}, ()),
    ]
    inner = {**BASE, "model_type": "qwen3_5_moe_text", "num_hidden_layers": 4, "num_experts": EXPERTS,
             "num_experts_per_tok": 2, "shared_expert_intermediate_size": INNER, "full_attention_interval": 4,
             "num_key_value_heads": 2, "layer_types": [*["linear_attention"] * 3, "full_attention"],
             "linear_num_key_heads": 4, "linear_num_value_heads": 8, "linear_key_head_dim": 32,
             "linear_value_head_dim": 64, "linear_conv_kernel_dim": 4, "mtp_num_hidden_layers": 1}  # fmt: skip
    config = {"architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
              "torch_dtype": "bfloat16", "text_config": inner, "tie_word_embeddings": False,
              "vision_config": {"model_type": "qwen3_5_moe", "hidden_size": 128, "depth": 2}}  # fmt: skip
    return facts(config, tensors)


def _fused(stack: str, layers: Iterable[int]) -> Iterator[TensorGroup]:
    yield group(f"{stack}mlp.experts.gate_up_proj", "BF16", (EXPERTS, 2 * INNER, HIDDEN), layers)
    yield group(f"{stack}mlp.experts.down_proj", "BF16", (EXPERTS, HIDDEN, INNER), layers)
    yield group(f"{stack}mlp.gate.weight", "BF16", (EXPERTS, HIDDEN), layers)
    yield group(f"{stack}mlp.shared_expert_gate.weight", "BF16", (1, HIDDEN), layers)
    yield from linears(f"{stack}mlp.shared_expert.", mlp(INNER), layers, None)


#: Float checkpoints of the models by name.
MODELS: dict[str, CheckpointFacts] = {
    "DeepSeek-V3": deepseek(), "Kimi-K2": deepseek(mtp=False, model_type="kimi_k2"), "Qwen3-MoE": qwen3_moe(),
    "MiniMax-M2": minimax_m2(), "Gemma-3": gemma3(), "Qwen3.5-MoE": qwen3_5_moe(),
}  # fmt: skip
#: The same with 8-bit floats in blocks, as they are published.
BLOCKS: dict[str, CheckpointFacts] = {
    "DeepSeek-V3": deepseek(FP8_BLOCK), "Kimi-K2": deepseek(FP8_BLOCK, mtp=False, model_type="kimi_k2"),
    "Qwen3-MoE": qwen3_moe(FP8_BLOCK), "MiniMax-M2": minimax_m2(FP8_BLOCK),
}  # fmt: skip
