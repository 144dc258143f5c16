"""What a profile says about the models of the repository, published configurations and an unknown architecture."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from classify_tables import DENSE, codes, facts, group, layers_of, outside

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import AttentionKind
from ascend_compat.source.spec import open_source

ROOT = Path(__file__).parents[2]
Read = Callable[[str], CheckpointFacts]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    root = tmp_path_factory.mktemp("classify")
    spec = importlib.util.spec_from_file_location("fixture_builder", ROOT / "fixtures" / "build.py")
    assert spec is not None and spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)

    @cache
    def build(name: str) -> CheckpointFacts:
        builder.build(name, root / name)
        return read_checkpoint(open_source(str(root / name)))

    return build


def test_glm47_is_grouped_attention_with_a_separate_mtp_layer(read: Read) -> None:
    profile = classify(read("glm-4.7-fp8"))
    (attention,) = profile.attention
    assert attention.kind is AttentionKind.GQA and attention.layers == tuple(range(92))
    assert (attention.heads, attention.kv_heads, attention.head_dim, attention.qk_norm) == (96, 8, 128, True)
    assert profile.rotary_dim == 64 and dict(profile.rope)["partial_rotary_factor"] == "0.5"
    assert profile.attention_bias is True and profile.tied_embeddings is False
    assert profile.moe is not None and profile.mtp is not None
    assert (profile.moe.routed, profile.moe.shared, profile.moe.top_k) == (160, 1, 8)
    assert profile.moe.dense_layers == (0, 1, 2) and profile.moe.layers == tuple(range(3, 92))
    assert (profile.moe.intermediate_size, profile.intermediate_size) == (1536, 12288)
    assert (profile.mtp.declared, profile.mtp.layers, profile.mtp.prefix) == (1, (92,), "model.layers.*")
    assert profile.mtp.own_embedding and profile.mtp.own_head


@pytest.mark.parametrize("name", ["glm-4.7-fp8", "glm-4.7-w8a8", "glm-4.7-bf16"])
def test_glm47_has_the_same_parameters_in_every_precision(read: Read, name: str) -> None:
    assert classify(read(name)).parameters == 358_337_791_296


@pytest.mark.parametrize(
    ("name", "expected"), [("glm-4.7-fp8", []), ("glm-4.7-bf16", []), ("glm-4.7-w8a8", ["AC327"]), ("qwen3.5-0.8b", [])]
)
def test_consistent_checkpoints_raise_no_alarm(read: Read, name: str, expected: list[str]) -> None:
    profile = classify(read(name))
    assert codes(profile.findings) == expected
    assert profile.unknown == ()


def test_fp8_group_covers_the_quantized_modules_and_their_dtype(read: Read) -> None:
    (quantized,) = classify(read("glm-4.7-fp8")).quantization.groups
    assert quantized.targets == ("Linear",) and quantized.stored_dtype == "F8_E4M3"
    assert quantized.declared == "float 8 bit channel / float 8 bit token dynamic"
    assert "model.layers.*.mlp.experts.*.gate_proj" in quantized.modules
    assert "model.layers.*.mlp.gate" not in quantized.modules and "lm_head" not in quantized.modules


def test_modelslim_types_become_arguments(read: Read) -> None:
    quantization = classify(read("glm-4.7-w8a8")).quantization
    (quantized,) = quantization.groups
    assert quantization.method == "modelslim" and quantized.declared == "W8A8_DYNAMIC"
    assert quantized.weights is not None and quantized.activations is not None
    assert (quantized.weights.num_bits, quantized.weights.type, quantized.activations.dynamic) == (8, "int", True)
    assert quantized.stored_dtype == "I8" and "lm_head" in quantization.ignore


def test_qwen35_mixes_gated_delta_and_full_layers_beside_a_vision_tower(read: Read) -> None:
    profile = classify(read("qwen3.5-0.8b"))
    kinds = {item.kind: item for item in profile.attention}
    assert len(kinds[AttentionKind.GDN].layers) == 18 and len(kinds[AttentionKind.GQA].layers) == 6
    assert kinds[AttentionKind.GDN].state_dtype == "float32" and kinds[AttentionKind.GQA].output_gate is True
    assert kinds[AttentionKind.GQA].layers == (3, 7, 11, 15, 19, 23)
    (tower,) = profile.towers
    assert (tower.modality, tower.prefix, tower.layers, tower.dtype) == ("vision", "model.visual", 12, "BF16")
    rope = dict(profile.rope)
    assert rope["mrope_section"] == "[11, 11, 10]" and rope["interleaved"] == "true" and profile.rotary_dim == 64
    assert profile.text_config_path == "text_config" and profile.tied_embeddings is True
    assert profile.mtp is not None and profile.mtp.prefix == "mtp.layers.*" and profile.mtp.tensors == 15


def test_every_part_cites_the_field_it_was_read_from(read: Read) -> None:
    profile = classify(read("qwen3.5-0.8b"))
    assert all(item.evidence for item in profile.attention)
    details = [evidence.detail for evidence in profile.evidence]
    assert "text_config.hidden_size = 1024" in details
    assert any(detail.startswith("text_config.layer_types") for detail in _details(profile.attention[0]))


def _details(item: Any) -> list[str]:
    return [evidence.detail for evidence in item.evidence]


def _configurations() -> Path | None:
    shared = Path(os.environ.get("ASCEND_COMPAT_SHARED", ROOT.parent / "shared")) / "data" / "configs"
    return shared if shared.is_dir() else None


def _published(name: str) -> CheckpointFacts:
    folder = _configurations()
    if folder is None:
        pytest.skip("published configurations are not here (set ASCEND_COMPAT_SHARED)")
    found = next(folder.glob(f"*--{name}_config.json"))
    side = found.with_name(found.name.replace("_config.json", "_hf_quant_config.json"))
    modelopt = json.loads(side.read_text()) if side.exists() else None
    return facts(json.loads(found.read_text()), modelopt=modelopt)


def test_all_published_configurations_have_a_profile() -> None:
    folder = _configurations()
    if folder is None:
        pytest.skip("published configurations are not here (set ASCEND_COMPAT_SHARED)")
    names = [p.name for p in folder.glob("*_config.json") if not p.name.endswith("_hf_quant_config.json")]
    assert len(names) > 30
    for name in names:
        profile = classify(_published(name.partition("--")[2].removesuffix("_config.json")))
        assert profile.layers and profile.hidden_size and profile.vocab_size and profile.attention, name
        unsure = any(not item.kind.counted for item in profile.attention)
        assert not unsure or "attention" in dict(profile.unknown), name
        assert codes(profile.findings) == [], name


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("DeepSeek-V3", {"mla": 61}),
        ("GLM-5.2", {"dsa": 78}),
        ("gpt-oss-120b", {"sliding-window": 18, "gqa": 18}),
        ("MiMo-V2-Flash", {"gqa": 9, "sliding-window": 39}),
        ("gemma-4-26B-A4B", {"sliding-window": 25, "gqa": 5}),
        ("NVIDIA-Nemotron-3-Super-120B-A12B-FP8", {"mamba": 40, "gqa": 8}),
        ("Llama-3_3-Nemotron-Super-49B-v1", {"gqa": 49}),
        ("Qwen3.5-397B-A17B", {"gdn": 45, "gqa": 15}),
        ("DeepSeek-V4-Flash", {"sliding-window": 2, "compressed": 41}),
    ],
)
def test_attention_kinds_of_published_models(name: str, kinds: dict[str, int]) -> None:
    found: dict[str, int] = {}
    for item in classify(_published(name)).attention:
        found[item.kind.value] = found.get(item.kind.value, 0) + len(item.layers)
    assert found == kinds


@pytest.mark.parametrize(
    ("name", "sizes"),
    [  # routed, shared, top-k, width, MoE layers, dense layers
        ("DeepSeek-V3", (256, 1, 8, 2048, 58, 3)),
        ("Qwen3-235B-A22B", (128, 0, 8, 1536, 94, 0)),
        ("Mixtral-8x22B-v0.1", (8, 0, 2, 16384, 56, 0)),
        ("Llama-4-Maverick-17B-128E-Instruct", (128, 0, 1, 8192, 24, 24)),
        ("MiMo-V2-Flash", (256, 0, 8, 2048, 47, 1)),
        ("NVIDIA-Nemotron-3-Super-120B-A12B-FP8", (512, 1, 22, 2688, 40, 0)),
        ("MiniMax-M2.5-NVFP4", (256, 0, 8, 1536, 62, 0)),
        ("gpt-oss-120b", (128, 0, 4, 2880, 36, 0)),
    ],
)
def test_experts_of_published_models(name: str, sizes: tuple[int, ...]) -> None:
    moe = classify(_published(name)).moe
    assert moe is not None
    found = (moe.routed, moe.shared, moe.top_k, moe.intermediate_size, len(moe.layers), len(moe.dense_layers))
    assert found == sizes


def test_an_unknown_architecture_is_described_by_its_tensors() -> None:
    layers = tuple(range(6))
    tensors = [
        *outside(),
        group("model.layers.*.self_attn.kv_a_proj_with_mqa.weight", "BF16", (80, 256), (*layers, 6, 7, 8)),
        group("model.layers.*.self_attn.kv_a_layernorm.weight", "BF16", (64,), (*layers, 6, 7, 8)),
        group("model.layers.*.self_attn.kv_b_proj.weight", "BF16", (512, 64), (*layers, 6, 7, 8)),
        group("model.layers.*.mlp.experts.*.up_proj.weight", "BF16", (128, 256), layers[2:], per_layer=12),
        group("model.layers.*.mlp.up_proj.weight", "BF16", (512, 256), layers[:2]),
    ]
    config = {"architectures": ["NeverSeenForCausalLM"], "num_hidden_layers": 6, "num_nextn_predict_layers": 3}
    profile = classify(facts(config, tensors))
    (attention,) = profile.attention
    assert attention.kind is AttentionKind.MLA
    assert (attention.kv_lora_rank, attention.qk_rope_head_dim, attention.heads) == (64, 16, None)
    assert profile.moe is not None and profile.mtp is not None
    assert (profile.moe.routed, profile.moe.layers, profile.moe.dense_layers) == (12, (2, 3, 4, 5), (0, 1))
    assert (profile.mtp.declared, profile.mtp.layers) == (3, (6, 7, 8))
    unknown = dict(profile.unknown)
    assert {"hidden_size", "vocab_size", "num_attention_heads", "num_experts"} <= unknown.keys()


def test_layers_are_counted_in_the_tensors_when_they_are_not_declared() -> None:
    config = {key: value for key, value in DENSE.items() if key != "num_hidden_layers"}
    profile = classify(facts(config, [*layers_of("BF16"), *outside()]))
    assert profile.layers == 4 and "num_hidden_layers" in dict(profile.unknown)


def test_a_nested_text_configuration_wins_and_is_named() -> None:
    config = {"model_type": "outer", "hidden_size": 7, "thinker_config": {"text_config": DENSE}}
    profile = classify(facts(config))
    assert profile.hidden_size == 256 and profile.text_config_path == "thinker_config.text_config"
    assert profile.model_type == "outer"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sliding_window": 64}, [0, 1, 2, 3]),
        ({"sliding_window": 64, "use_sliding_window": False}, []),
        ({"sliding_window": 64, "sliding_window_pattern": 2}, [0, 2]),
        ({"sliding_window": 64, "use_sliding_window": True, "max_window_layers": 3}, [3]),
        ({"sliding_window": 64, "layer_types": ["full_attention", "sliding_attention"] * 2}, [1, 3]),
        ({"sliding_window": 64, "sliding_window_pattern": "LLLG"}, [0, 1, 2]),
        ({"attention_chunk_size": 64, "no_rope_layers": [1, 1, 0, 1]}, [0, 1, 3]),
    ],
)
def test_windows_by_switch_pattern_interval_and_list(fields: dict[str, Any], expected: list[int]) -> None:
    groups = classify(facts({**DENSE, **fields})).attention
    windowed = [item for item in groups if item.kind is AttentionKind.SLIDING]
    assert [layer for item in windowed for layer in item.layers] == expected
    assert all(item.window == 64 for item in windowed)


@pytest.mark.parametrize(("heads", "kind"), [(8, "mha"), (2, "gqa"), (1, "mqa"), (None, "mha")])
def test_kind_follows_the_number_of_key_heads(heads: int | None, kind: str) -> None:
    (item,) = classify(facts({**DENSE, "num_key_value_heads": heads})).attention
    assert item.kind.value == kind and item.kv_heads == (heads or 8)


def test_both_spellings_of_rope_give_the_same_answer() -> None:
    old = {**DENSE, "rope_theta": 5e5, "rope_scaling": {"type": "yarn", "factor": 4.0}}
    new = {**DENSE, "rope_parameters": {"rope_type": "yarn", "rope_theta": 5e5, "factor": 4.0}}
    assert dict(classify(facts(old)).rope) == dict(classify(facts(new)).rope)
    assert dict(classify(facts(new)).rope) == {"type": "yarn", "theta": "500000", "factor": "4", "kind": "yarn"}


@pytest.mark.parametrize(
    ("fields", "kind", "layers"),
    [
        ({"is_causal": False}, "encoder-only", [0, 1, 2, 3]),
        ({"linear_attn_config": {"kda_layers": [1, 2, 4]}}, "kda", [0, 1, 3]),
        ({"attn_type_list": [0, 1, 0, 1]}, "linear-attention", [0, 2]),
        ({"layer_types": ["never_seen", "mlp", "attention", "attention"]}, "unknown", [0]),
        ({"num_attention_heads": None}, "unknown", [0, 1, 2, 3]),
    ],
)
def test_kinds_that_are_not_known_are_said_to_be(fields: dict[str, Any], kind: str, layers: list[int]) -> None:
    profile = classify(facts({**DENSE, **fields}))
    assert [n for item in profile.attention if item.kind.value == kind for n in item.layers] == layers
    assert AttentionKind(kind).counted or "attention" in dict(profile.unknown)
    assert all(item.evidence for item in profile.attention)


def test_experts_in_one_tensor_are_counted_by_its_first_dimension() -> None:
    tensors = [*outside(), group("model.layers.*.mlp.experts.gate_up_proj", "BF16", (16, 512, 256), range(4))]
    config = {**DENSE, "num_experts": 16, "moe_intermediate_size": 256}
    moe = classify(facts(config, tensors)).moe
    assert moe is not None and moe.fused_tensors and moe.routed == 16 and moe.intermediate_size == 256
