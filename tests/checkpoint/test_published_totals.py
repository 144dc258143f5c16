"""Family tables count the elements that the pages of published checkpoints state."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest

from ascend_compat.classify.configured import named_tensors

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
