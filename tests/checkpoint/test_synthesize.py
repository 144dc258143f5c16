"""Family tables become tensor tables; what the configuration lacks is one clear line."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.checkpoint.expression import ExpressionError, evaluate
from ascend_compat.checkpoint.family import families, storages
from ascend_compat.checkpoint.synthesize import Table
from ascend_compat.classify.configured import named_tensors
from ascend_compat.core.units import DTYPE_BITS
from ascend_compat.errors import CheckpointError

GLM: dict[str, Any] = {
    "model_type": "glm4_moe", "dtype": "bfloat16", "hidden_size": 8, "vocab_size": 32, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 4, "num_hidden_layers": 2, "first_k_dense_replace": 1, "intermediate_size": 6,
    "moe_intermediate_size": 3, "n_routed_experts": 2, "n_shared_experts": 1,
}  # fmt: skip


def table(config: dict[str, Any], description: dict[str, Any] | None = None) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {spec.name: (spec.dtype, spec.shape) for spec in named_tensors(config, description)}


def test_optional_parts_follow_the_configuration() -> None:
    plain = table(GLM)
    assert plain["lm_head.weight"] == ("BF16", (32, 8))
    assert "model.layers.0.self_attn.q_proj.bias" not in plain
    assert "model.layers.2.eh_proj.weight" not in plain
    assert "model.layers.0.mlp.experts.0.up_proj.weight" not in plain
    full = table({**GLM, "attention_bias": True, "use_qk_norm": True, "num_nextn_predict_layers": 1})
    assert full["model.layers.0.self_attn.q_proj.bias"] == ("BF16", (8,))
    assert full["model.layers.1.self_attn.k_norm.weight"] == ("BF16", (4,))
    assert full["model.layers.2.eh_proj.weight"] == ("BF16", (8, 16))
    assert "lm_head.weight" not in table({**GLM, "tie_word_embeddings": True})


def test_null_counts_as_absent() -> None:
    assert table({**GLM, "head_dim": None}) == table(GLM)


def test_group_targets_and_ignore_decide_what_is_quantized() -> None:
    weights = {"num_bits": 8, "type": "float", "strategy": "channel"}
    group: dict[str, Any] = {"targets": ["Linear"], "weights": weights}
    quantization = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "ignore": ["lm_head", "re:.*mlp.gate$"],
        "config_groups": {"g": group},
    }
    found = table({**GLM, "quantization_config": quantization})
    assert found["lm_head.weight"] == ("BF16", (32, 8))
    assert found["model.layers.1.mlp.gate.weight"] == ("BF16", (2, 8))
    assert found["model.layers.0.self_attn.q_proj.weight"] == ("F8_E4M3", (8, 8))
    assert found["model.layers.0.self_attn.q_proj.weight_scale"] == ("BF16", (8, 1))
    group["targets"] = ["re:.*down_proj"]
    found = table({**GLM, "quantization_config": quantization})
    assert found["model.layers.0.mlp.down_proj.weight"] == ("F8_E4M3", (8, 6))
    assert found["model.layers.0.mlp.up_proj.weight"] == ("BF16", (6, 8))


def test_description_decides_what_is_quantized() -> None:
    found = table(GLM, {"model.layers.0.mlp.up_proj.weight": "W8A8_DYNAMIC"})
    assert found["model.layers.0.mlp.up_proj.weight"] == ("I8", (6, 8))
    assert found["model.layers.0.mlp.up_proj.weight_offset"] == ("F32", (6, 1))
    assert found["model.layers.0.mlp.down_proj.weight"] == ("BF16", (8, 6))


def test_totals_of_published_checkpoints_without_a_public_implementation() -> None:
    """Elements that the pages of the repositories state: DeepSeek-OCR 3,336,106,240."""
    language = {
        "hidden_size": 1280, "num_hidden_layers": 12, "num_attention_heads": 10, "num_key_value_heads": 10,
        "intermediate_size": 6848, "moe_intermediate_size": 896, "n_routed_experts": 64, "n_shared_experts": 2,
        "first_k_dense_replace": 1, "vocab_size": 129280, "kv_lora_rank": None, "q_lora_rank": None,
    }  # fmt: skip
    config = {
        "model_type": "deepseek_vl_v2", "architectures": ["DeepseekOCRForCausalLM"], "torch_dtype": "bfloat16",
        "language_config": language,
        "projector_config": {"input_dim": 2048, "n_embed": 1280, "projector_type": "linear"},
    }  # fmt: skip
    assert sum(prod(spec.shape) for spec in named_tensors(config)) == 3_336_106_240
    with pytest.raises(CheckpointError, match="does not describe"):
        next(named_tensors({**config, "architectures": ["DeepseekVLV2ForCausalLM"],
                            "projector_config": {"projector_type": "identity"}}))  # fmt: skip


def test_linear_modules_are_those_with_a_weight_matrix() -> None:
    modules = list(Table(GLM).linear_modules())
    assert len(modules) == len(set(modules)) == 1 + 2 * 4 + 3 + 1 + 3 + 6
    assert "model.embed_tokens" not in modules


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "model_type None"),
        ({"model_type": "no_such"}, "neither dtype"),
        ({"model_type": ["x"]}, "model_type"),
        ({**GLM, "hidden_size": None}, "lacks 'hidden_size'"),
        ({**GLM, "hidden_size": "big"}, "does not fit"),
        ({**GLM, "head_dim": {}}, "does not fit"),
        ({**GLM, "dtype": "int8"}, "dtype 'int8'"),
        ({**GLM, "dtype": None}, "neither dtype nor torch_dtype"),
        ({**GLM, "quantization_config": {"quant_method": "hqq"}}, "how hqq stores"),
    ],
)
def test_what_can_not_be_sized_is_one_line(config: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        table(config)
    assert "\n" not in str(caught.value)


def test_tables_name_known_dtypes_and_their_source() -> None:
    assert {"glm4_moe", "qwen3_5"} <= families().keys()
    assert all(family.source for family in families().values())
    assert all(storage.source for storage in storages())
    stored = [tensor.dtype for storage in storages() for tensor in storage.tensors if tensor.dtype is not None]
    assert set(stored) <= DTYPE_BITS.keys()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 * a + 1", 7),
        ("a // 2 - 1", 0),
        ("(1 if a > 2 else 0)", 1),
        ("b[1] == 'y' and not a < 3", True),
        ("7 % a", 1),
    ],
)
def test_expressions(text: str, value: object) -> None:
    assert evaluate(text, {"a": 3, "b": ["x", "y"]}) == value


@given(
    st.text(max_size=30)
    | st.sampled_from(["__import__('os')", "a.b", "f(1)", "[x for x in a]", "lambda: 1", "2**9**9"])
)
def test_nothing_else_is_evaluated(text: str) -> None:
    try:
        value = evaluate(text, {})
    except ExpressionError:
        return
    assert isinstance(value, (int, float, str, bool, bytes, complex, tuple, type(None), type(...)))


@pytest.mark.parametrize(
    ("architecture", "extra", "parameters"),
    [
        ("XLMRobertaModel", {}, 567_754_752),
        ("XLMRobertaForSequenceClassification", {"id2label": {"0": "A"}}, 567_755_777),
    ],
)
def test_encoders_have_the_elements_of_published_ones(
    architecture: str, extra: dict[str, Any], parameters: int
) -> None:
    """BAAI/bge-m3 and BAAI/bge-reranker-v2-m3: 568M parameters each."""
    sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096, "vocab_size": 250_002}
    config = {"architectures": [architecture], "model_type": "xlm-roberta", "torch_dtype": "float32", **sizes,
              "max_position_embeddings": 8194, "type_vocab_size": 1, **extra}  # fmt: skip
    found = table(config)
    assert sum(prod(shape) for _, shape in found.values()) == parameters
    assert ("roberta.encoder.layer.23.output.dense.weight" in found) == bool(extra)


def test_a_table_that_has_nothing_for_an_architecture_says_so() -> None:
    with pytest.raises(CheckpointError, match="RobertaForMaskedLM"):
        table({"architectures": ["RobertaForMaskedLM"], "model_type": "roberta", "dtype": "float32"})


def test_stacked_experts_lie_as_the_family_stores_them() -> None:
    """Inputs before outputs in Qwen3-VL, whose loader turns them around."""
    text = {
        "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 4,
        "num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 3, "intermediate_size": 4, "vocab_size": 5,
    }  # fmt: skip
    tower = {
        "hidden_size": 4, "depth": 1, "num_heads": 1, "intermediate_size": 4, "out_hidden_size": 8, "in_channels": 3,
        "patch_size": 2, "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 4,
        "deepstack_visual_indexes": [],
    }  # fmt: skip
    config = {"model_type": "qwen3_vl_moe", "dtype": "bfloat16", "text_config": text, "vision_config": tower}
    found = {name.rpartition(".")[2]: shape for name, (_, shape) in table(config).items() if ".experts." in name}
    assert found == {"gate_up_proj": (2, 8, 6), "down_proj": (2, 3, 8)}
