"""Family tables count the elements that the pages of published checkpoints state."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest

from ascend_compat.classify.configured import named_tensors
from ascend_compat.errors import CheckpointError

_SO400M = {
    "model_type": "siglip", "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
    "image_size": 980, "patch_size": 14,
}  # fmt: skip
#: Repository -> what its config.json says of tensors, and the elements that its page states.
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "meta-llama/Llama-3.2-11B-Vision-Instruct": (
        {
            "model_type": "mllama",
            "text_config": {
                "model_type": "mllama_text_model", "hidden_size": 4096, "intermediate_size": 14336,
                "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8, "vocab_size": 128256,
                "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38], "tie_word_embeddings": False,
            },
            "vision_config": {
                "hidden_size": 1280, "image_size": 560, "intermediate_size": 5120, "max_num_tiles": 4,
                "num_global_layers": 8, "num_hidden_layers": 32, "patch_size": 14, "vision_output_dim": 7680,
                "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
            },
        },
        10_670_220_835,
    ),
    "HuggingFaceTB/SmolVLM-256M-Instruct": (
        {
            "model_type": "idefics3", "scale_factor": 4,
            "text_config": {
                "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9,
                "num_hidden_layers": 30, "num_key_value_heads": 3, "vocab_size": 49280, "head_dim": 64,
            },
            "vision_config": {
                "model_type": "idefics3_vision", "hidden_size": 768, "image_size": 512, "intermediate_size": 3072,
                "num_hidden_layers": 12, "patch_size": 16,
            },
        },
        256_484_928,
    ),
    "llava-hf/llava-1.5-7b-hf": (
        {
            "model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064},
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                "num_hidden_layers": 24, "patch_size": 14,
            },
        },
        7_063_427_072,
    ),
    "mistralai/Mamba-Codestral-7B-v0.1": (
        {
            "model_type": "mamba2", "hidden_size": 4096, "num_heads": 128, "head_dim": 64, "state_size": 128,
            "n_groups": 8, "num_hidden_layers": 64, "conv_kernel": 4, "vocab_size": 32768, "use_conv_bias": True,
        },
        7_285_403_648,
    ),
    "state-spaces/mamba-130m-hf": (
        {
            "model_type": "mamba", "hidden_size": 768, "intermediate_size": 1536, "num_hidden_layers": 24,
            "state_size": 16, "time_step_rank": 48, "conv_kernel": 4, "vocab_size": 50280,
        },
        129_135_360,
    ),
    "rednote-hilab/dots.ocr": (
        {
            "model_type": "dots_ocr", "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
            "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": False,
            "vision_config": {
                "embed_dim": 1536, "hidden_size": 1536, "intermediate_size": 4224, "num_hidden_layers": 42,
                "patch_size": 14, "post_norm": True, "spatial_merge_size": 2, "use_bias": False,
            },
        },
        3_039_179_264,
    ),
    "allenai/Molmo-7B-D-0924": (
        {
            "model_type": "molmo", "embedding_size": 152064, "hidden_size": 3584, "intermediate_size": 37888,
            "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4, "qkv_bias": True,
            "vocab_size": 152064, "attention_layer_norm": False, "weight_tying": False,
        },
        8_021_025_280,
    ),
    "openbmb/MiniCPM-V-2_6": (
        {
            "model_type": "minicpmv", "version": 2.6, "hidden_size": 3584, "intermediate_size": 18944,
            "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4, "query_num": 64,
            "vocab_size": 151666, "vision_config": _SO400M,
        },
        8_099_175_152,
    ),
    "openbmb/MiniCPM-V-4_5": (
        {
            "model_type": "minicpmv", "version": 4.5, "hidden_size": 4096, "intermediate_size": 12288, "head_dim": 128,
            "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "query_num": 64,
            "vocab_size": 151748, "vision_config": _SO400M,
        },
        8_695_895_280,
    ),
}  # fmt: skip


@pytest.mark.parametrize("repository", PUBLISHED)
def test_elements_are_those_of_the_published_checkpoint(repository: str) -> None:
    config, elements = PUBLISHED[repository]
    assert sum(prod(spec.shape) for spec in named_tensors({"torch_dtype": "bfloat16", **config})) == elements


def test_minimax_text_switches_kinds_of_attention_by_layer() -> None:
    """456 billion in 80 layers, 70 of them linear; the same weights under the names of transformers."""
    sizes = {
        "hidden_size": 6144, "intermediate_size": 9216, "num_attention_heads": 64, "head_dim": 128,
        "num_hidden_layers": 80, "num_key_value_heads": 8, "num_local_experts": 32, "vocab_size": 200064,
        "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    }  # fmt: skip
    own = {"model_type": "minimax_text_01", "attn_type_list": ([0] * 7 + [1]) * 10, **sizes}
    theirs = {"model_type": "minimax", "layer_types": (["linear_attention"] * 7 + ["full_attention"]) * 10, **sizes}
    first, second = ({spec.name: prod(spec.shape) for spec in named_tensors(config)} for config in (own, theirs))
    assert round(sum(first.values()) / 1e9) == 456
    assert "model.layers.0.self_attn.output_gate.weight" in first
    assert "model.layers.7.self_attn.q_proj.weight" in first
    buffers = {"slope_rate", "query_decay", "key_decay", "diagonal_decay"}
    assert set(second) - set(first) == {name for name in second if name.rpartition(".")[2] in buffers}


def test_glm_ocr_numbers_its_mtp_layer_after_the_last_one() -> None:
    """Shapes of layer 16 of zai-org/GLM-OCR as its published file lists them."""
    config = {
        "model_type": "glm_ocr", "dtype": "bfloat16",
        "text_config": {
            "model_type": "glm_ocr_text", "vocab_size": 59392, "attention_bias": False, "head_dim": 128,
            "hidden_size": 1536, "intermediate_size": 4608, "num_attention_heads": 16, "num_hidden_layers": 16,
            "num_nextn_predict_layers": 1, "num_key_value_heads": 8, "tie_word_embeddings": False,
        },
        "vision_config": {
            "hidden_size": 1024, "depth": 24, "num_heads": 16, "intermediate_size": 4096, "image_size": 336,
            "patch_size": 14, "out_hidden_size": 1536, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
    }  # fmt: skip
    found = {spec.name: spec.shape for spec in named_tensors(config)}
    layer = "model.language_model.layers.16."
    assert {name.removeprefix(layer): shape for name, shape in found.items() if name.startswith(layer)} == {
        "input_layernorm.weight": (1536,), "post_self_attn_layernorm.weight": (1536,),
        "post_attention_layernorm.weight": (1536,), "post_mlp_layernorm.weight": (1536,),
        "self_attn.q_proj.weight": (2048, 1536), "self_attn.k_proj.weight": (1024, 1536),
        "self_attn.v_proj.weight": (1024, 1536), "self_attn.o_proj.weight": (1536, 2048),
        "mlp.gate_up_proj.weight": (9216, 1536), "mlp.down_proj.weight": (1536, 4608), "enorm.weight": (1536,),
        "hnorm.weight": (1536,), "eh_proj.weight": (1536, 3072), "shared_head.norm.weight": (1536,),
        "shared_head.head.weight": (59392, 1536), "embed_tokens.weight": (59392, 1536),
    }  # fmt: skip
    assert found["model.visual.blocks.0.attn.q_norm.weight"] == (64,)
    assert "model.visual.post_conv_layernorm.weight" not in found


def test_hunyuan_ocr_reads_its_text_at_either_level() -> None:
    """996 million, as the page of tencent/HunyuanOCR rounds it; later files nest the same fields."""
    text = {
        "hidden_size": 1024, "intermediate_size": 3584, "num_attention_heads": 16, "num_hidden_layers": 24,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 120818,
    }  # fmt: skip
    tower = {
        "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 16,
        "max_image_size": 2048, "out_hidden_size": 1024, "spatial_merge_size": 2,
    }  # fmt: skip
    outer = {"model_type": "hunyuan_vl", "torch_dtype": "bfloat16", "vision_config": tower}
    flat = {spec.name: prod(spec.shape) for spec in named_tensors({**outer, **text})}
    assert flat == {spec.name: prod(spec.shape) for spec in named_tensors({**outer, "text_config": text})}
    assert round(sum(flat.values()) / 1e6) == 996


@pytest.mark.parametrize(
    ("sizes", "billions"),
    [
        (
            {
                "hidden_size": 1280, "intermediate_size": 6848, "kv_lora_rank": None, "moe_intermediate_size": 896,
                "num_attention_heads": 10, "num_hidden_layers": 12, "vocab_size": 129280,
            },
            3.37,
        ),
        (
            {
                "hidden_size": 2048, "intermediate_size": 10944, "kv_lora_rank": 512, "moe_intermediate_size": 1408,
                "num_attention_heads": 16, "num_hidden_layers": 27, "vocab_size": 102400, "qk_nope_head_dim": 128,
                "qk_rope_head_dim": 64, "v_head_dim": 128,
            },
            16.15,
        ),
    ],
)  # fmt: skip
def test_deepseek_vl2_names_no_projector(sizes: dict[str, Any], billions: float) -> None:
    """DeepSeek-VL2-Tiny and -Small: neither their architecture nor their kind of projector is declared."""
    language = {"first_k_dense_replace": 1, "n_routed_experts": 64, "n_shared_experts": 2, "q_lora_rank": None, **sizes}
    config = {
        "model_type": "deepseek_vl_v2", "torch_dtype": "bfloat16", "language_config": language,
        "projector_config": {"n_embed": sizes["hidden_size"]},
        "vision_config": {"layers": 27, "patch_size": 14, "width": 1152},
    }  # fmt: skip
    found = {spec.name: prod(spec.shape) for spec in named_tensors(config)}
    assert round(sum(found.values()) / 1e9, 2) == billions
    assert "vision.attn_pool.latent" in found
    assert "language.lm_head.weight" in found


def test_ovis_reads_its_language_model_by_its_own_type() -> None:
    """AIDC-AI/Ovis2.5-9B: 9.17 billion."""
    config = {
        "model_type": "ovis2_5", "torch_dtype": "bfloat16", "hidden_size": 4096, "visual_vocab_size": 65536,
        "llm_config": {
            "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "head_dim": 128,
            "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "vocab_size": 151936,
        },
        "vit_config": {
            "model_type": "siglip2_navit", "hidden_size": 1152, "hidden_stride": 2, "image_size": 512,
            "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 16,
        },
    }  # fmt: skip
    found = {spec.name: spec.shape for spec in named_tensors(config)}
    assert round(sum(prod(shape) for shape in found.values()) / 1e9, 2) == 9.17
    assert found["visual_tokenizer.head.0.weight"] == (65532, 4608)


def test_minicpm_of_a_version_without_a_table_says_so() -> None:
    with pytest.raises(CheckpointError, match="does not describe"):
        next(
            named_tensors(
                {"model_type": "minicpmv", "version": 2.0, "torch_dtype": "bfloat16", "vision_config": _SO400M}
            )
        )


def test_defaults_of_a_class_hold_inside_another_model_alone() -> None:
    with pytest.raises(CheckpointError, match=r"lacks '(hidden_size|num_hidden_layers)'"):
        next(named_tensors({"model_type": "llama", "vocab_size": 32064, "torch_dtype": "float16"}))
