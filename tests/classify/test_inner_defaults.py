"""A language model inside another one leaves out what equals the defaults of its class; Mamba 2 names its own sizes."""

from __future__ import annotations

from typing import Any

from classify_tables import facts

from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core.profile import AttentionKind, ModelProfile

VICUNA: dict[str, Any] = {"model_type": "llama", "vocab_size": 32064}
CLIP = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
    "num_hidden_layers": 24, "patch_size": 14,
}  # fmt: skip


def profile(config: dict[str, Any]) -> ModelProfile:
    return classify(configured(facts(config)))


def test_sizes_that_a_text_config_leaves_out_are_those_of_its_class() -> None:
    inner = {"model_type": "llava", "torch_dtype": "float16", "text_config": VICUNA, "vision_config": CLIP}
    (group,) = profile(inner).attention
    assert (group.kind, group.heads, group.head_dim) == (AttentionKind.MHA, 32, 128)
    assert len(group.layers) == 32


def test_mamba_2_names_its_sizes_without_a_prefix() -> None:
    config = {
        "model_type": "mamba2", "torch_dtype": "bfloat16", "hidden_size": 4096, "num_heads": 128, "head_dim": 64,
        "state_size": 128, "n_groups": 8, "num_hidden_layers": 2, "conv_kernel": 4, "vocab_size": 32768,
    }  # fmt: skip
    (group,) = profile(config).attention
    sizes = (group.heads, group.kv_heads, group.head_dim, group.v_head_dim, group.conv_kernel)
    assert (group.kind, sizes) == (AttentionKind.MAMBA, (128, 8, 64, 128, 4))
