"""Tables of models that mix kinds of layers hold the tensors their published checkpoints list."""

from __future__ import annotations

from math import prod
from typing import Any

from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import AttentionKind

FULL = [*range(4, 93, 4), 93]
#: moonshotai/Kimi-K3: experts in MXFP4 within a latent, delta attention beside gated latent attention.
KIMI: dict[str, Any] = {
    "model_type": "kimi_k3", "architectures": ["KimiK3ForConditionalGeneration"], "dtype": "bfloat16",
    "text_config": {
        "model_type": "kimi_linear", "dtype": "bfloat16", "hidden_size": 7168, "num_hidden_layers": 93,
        "intermediate_size": 33792, "first_k_dense_replace": 1, "moe_layer_freq": 1, "num_experts": 896,
        "num_experts_per_token": 16, "num_shared_experts": 2, "moe_intermediate_size": 3072,
        "routed_expert_hidden_size": 3584, "latent_moe_use_norm": True, "attn_res_block_size": 12,
        "vocab_size": 163840, "max_position_embeddings": 1048576, "num_attention_heads": 96, "q_lora_rank": 1536,
        "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "mla_use_nope": True, "mla_use_output_gate": True, "num_nextn_predict_layers": 0,
        "tie_word_embeddings": False,
        "linear_attn_config": {
            "num_heads": 96, "head_dim": 128, "short_conv_kernel_size": 4, "use_full_rank_gate": True,
            "full_attn_layers": FULL, "kda_layers": [n for n in range(1, 94) if n not in FULL],
        },
        "quantization_config": {
            "quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized",
            "config_groups": {"group_0": {
                "format": "mxfp4-pack-quantized", "input_activations": None, "targets": ["Linear"],
                "weights": {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32, "symmetric": True,
                            "dynamic": False},
            }},
            "ignore": ["re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*",
                       "re:.*lm_head.*", "re:.*vision_tower.*", "re:.*mm_projector.*"],
        },
    },
    "vision_config": {
        "patch_size": 14, "merge_kernel_size": [2, 2], "init_pos_emb_height": 64, "init_pos_emb_width": 64,
        "vt_hidden_size": 1024, "vt_intermediate_size": 4096, "vt_num_attention_heads": 12, "vt_num_hidden_layers": 27,
        "qkv_hidden_size": 1536, "mm_projector_type": "patchmergerv2", "norm_type": "rmsnorm", "attn_bias": False,
        "linear_bias": False, "patch_embed_proj_bias": False, "text_hidden_size": 7168,
    },
}  # fmt: skip
#: dots-studio/dots3-note-prev: windowed latents beside sparse ones, a vision tower of routed experts.
DOTS: dict[str, Any] = {
    "model_type": "dots3_note", "architectures": ["Dots3NoteForCausalLM"], "torch_dtype": "bfloat16",
    "hidden_size": 5120, "num_hidden_layers": 46, "intermediate_size": 13824, "moe_intermediate_size": 1536,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1,
    "moe_layer_freq": 1, "vocab_size": 152064, "max_position_embeddings": 524288, "tie_word_embeddings": False,
    "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1024, "kv_lora_rank": 512,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "attention_gate_type": "headwise",
    "index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048, "sliding_window_size": 513,
    "swa_num_attention_heads": 64, "swa_q_lora_rank": 1024, "swa_kv_lora_rank": 1024, "swa_qk_nope_head_dim": 192,
    "swa_qk_rope_head_dim": 64, "swa_v_head_dim": 128, "swa_attention_gate_type": "headwise",
    "layer_types": ["full_attention" if n == 0 or n % 4 == 1 else "sliding_attention" for n in range(46)],
    "vision_config": {
        "embed_dim": 1536, "num_hidden_layers": 42, "num_attention_heads": 24, "intermediate_size": 4224,
        "moe_intermediate_size": 2112, "patch_size": 14, "pyramid_num_routed": [-1] * 25 + [*range(4, 65, 4), 64],
        "adapter_in_dim": 1536, "adapter_out_dim": 5120, "adapter_merge_size": 2,
    },
    "audio_config": {
        "adapter_in_dim": 1280, "adapter_out_dim": 5120,
        "whisper_config": {"d_model": 1280, "encoder_layers": 32, "encoder_ffn_dim": 5120, "num_mel_bins": 128},
    },
}  # fmt: skip
#: CohereLabs/cohere-transcribe-03-2026.
SPEECH: dict[str, Any] = {
    "model_type": "cohere_asr", "architectures": ["CohereAsrForConditionalGeneration"], "torch_dtype": "bfloat16",
    "vocab_size": 16384, "head": {"num_classes": 16384},
    "encoder": {
        "feat_in": 128, "n_layers": 48, "d_model": 1280, "n_heads": 8, "ff_expansion_factor": 4, "conv_kernel_size": 9,
        "subsampling_factor": 8, "subsampling_conv_channels": 256,
    },
    "transf_decoder": {"config_dict": {
        "hidden_size": 1024, "inner_size": 4096, "num_attention_heads": 8, "num_layers": 8, "hidden_act": "relu",
        "max_sequence_length": 1024,
    }},
}  # fmt: skip


def facts(config: dict[str, Any]) -> CheckpointFacts:
    return configured(CheckpointFacts("", "", None, config, ("config.json",), (), False))


def counted(known: CheckpointFacts) -> tuple[int, int]:
    """Tensors and stored elements."""
    return sum(g.count for g in known.tensors), sum(prod(g.shape) * g.count for g in known.tensors)


def test_experts_in_a_latent_and_delta_layers_add_up_to_the_published_checkpoint() -> None:
    known = facts(KIMI)
    assert counted(known) == (497_220, 1_503_647_073_024)
    assert round(known.checkpoint_bytes / 2**30, 2) == 1453.66
    profile = classify(known)
    assert profile.moe is not None
    assert (profile.moe.latent_size, profile.moe.intermediate_size, profile.moe.shared) == (3584, 3072, 2)
    delta, latent = profile.attention
    assert (delta.kind, len(delta.layers), latent.kind, len(latent.layers)) == (
        AttentionKind.KDA, 69, AttentionKind.MLA, 24,
    )  # fmt: skip
    assert latent.output_gate is True
    (group,) = profile.quantization.groups
    assert group.count == 92 * 896 * 3, "the routed experts alone are quantized"


def test_windowed_latents_and_a_tower_of_experts_add_up_to_the_published_checkpoint() -> None:
    known = facts(DOTS)
    assert (counted(known)[0], known.checkpoint_bytes) == (38_006, 576_886_825_984)
    towers = {prefix: sum(g.count for g in known.tensors if g.template.startswith(prefix))
              for prefix in ("vision_encoder.", "audio_encoder.")}  # fmt: skip
    assert towers == {"vision_encoder.": 2195, "audio_encoder.": 430}
    sparse, window = classify(known).attention
    assert (sparse.kind, len(sparse.layers), sparse.heads, sparse.kv_lora_rank) == (AttentionKind.DSA, 13, 128, 512)
    assert (window.kind, len(window.layers), window.heads, window.kv_lora_rank) == (
        AttentionKind.SLIDING, 33, 64, 1024,
    )  # fmt: skip
    assert (window.window, window.head_dim) == (513, 256)


def test_the_decoder_is_the_stack_though_the_encoder_is_larger() -> None:
    known = facts(SPEECH)
    assert abs(known.checkpoint_bytes / 4.14e9 - 1) < 0.005, "4.14 GB in 16 bit"
    profile = classify(known)
    assert (profile.layers, profile.hidden_size, profile.intermediate_size) == (8, 1024, 4096)
    assert {group.kind: group.layers for group in profile.attention} == {
        AttentionKind.MHA: tuple(range(8)), AttentionKind.CROSS: tuple(range(8)),
    }  # fmt: skip


def test_a_rank_gate_of_low_rank_keeps_its_two_factors() -> None:
    text = {**KIMI["text_config"], "architectures": ["KimiLinearForCausalLM"], "quantization_config": None}
    text["linear_attn_config"] = {**text["linear_attn_config"], "use_full_rank_gate": False}
    text |= {"mla_use_output_gate": False, "routed_expert_hidden_size": None, "attn_res_block_size": None}
    names = {group.template for group in facts(text).tensors}
    assert {"model.layers.*.self_attn.g_a_proj.weight", "model.layers.*.self_attn.g_b_proj.weight"} <= names
    assert not any("g_proj" in name or "routed_expert_" in name or "_res_" in name for name in names)
    assert classify(facts(text)).moe is not None
