"""A table computed from a configuration is the one the checkpoint stores; what it lacks is named."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from classify_tables import facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_classify_hostile import FIELDS, METHODS, leaf

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.checkpoint.family import families
from ascend_compat.classify.configured import configured, named_tensors
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.source.local import LocalSource

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
Checkpoint = Callable[[str], Path]


def _published(name: str) -> CheckpointFacts:
    """A published configuration without weights; GLM-4.7's is that of the fixture."""
    if name == "GLM-4.7":
        return facts(tomllib.loads((ROOT / "fixtures" / "glm-4.7-bf16.toml").read_text(encoding="utf-8"))["config"])
    folder = Path(os.environ.get("ASCEND_COMPAT_SHARED", ROOT.parent / "shared")) / "data" / "configs"
    found = next(iter(folder.glob(f"*--{name}_config.json")), None)
    if found is None:
        pytest.skip(f"the configuration of {name} is not here (set ASCEND_COMPAT_SHARED)")
    side = found.with_name(found.name.replace("_config.json", "_hf_quant_config.json"))
    modelopt = json.loads(side.read_text()) if side.exists() else None
    return facts(json.loads(found.read_text()), modelopt=modelopt)


#: What publishers say: elements and bytes of all tensors, ``None`` where no figure is known. Elements are
#: ``safetensors.total`` of the Hub, bytes ``metadata.total_size`` of model.safetensors.index.json.
PUBLISHED: dict[str, tuple[int | None, int | None]] = {
    "Qwen3-8B": (8_190_735_360, 16_381_470_720),
    "Qwen3-235B-A22B": (235_093_634_560, 470_187_269_120),
    "DeepSeek-V3": (684_531_386_000, None),
    "GLM-4.7": (358_337_791_296, None),
    "Meta-Llama-3.1-405B": (405_853_388_800, None),
    "Mixtral-8x22B-v0.1": (None, 281_241_268_224),
    "Qwen3.5-397B-A17B": (403_397_928_944, 806_795_875_168),
    "gpt-oss-120b": (None, 65_248_815_744),
    "Qwen3-VL-8B-Instruct": (8_767_123_696, None),
    "gemma-4-26B-A4B": (25_805_936_206, None),
    "DeepSeek-V4-Flash": (158_069_433_298, 159_609_485_896),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name: str) -> None:
    found = configured(_published(name))
    elements, size = PUBLISHED[name]
    assert found.table is not None and found.table.level == "verified"
    assert elements in (None, found.elements)
    assert size in (None, found.checkpoint_bytes)


def test_a_precision_that_stores_less_has_the_same_parameters() -> None:
    """Four-bit experts of gpt-oss and of NVIDIA's GLM-5 count as the weights they stand for."""
    assert classify(configured(_published("gpt-oss-120b"))).parameters == 116_829_156_672
    assert classify(configured(_published("GLM-5-NVFP4"))).parameters == 753_864_139_008


def test_dtypes_of_a_block_quantized_model_are_the_published_ones() -> None:
    found = configured(_published("DeepSeek-V3"))
    elements: dict[str, int] = {}
    for group in found.tensors:
        elements[group.dtype] = elements.get(group.dtype, 0) + group.elements
    assert elements == {"BF16": 3_918_786_560, "F8_E4M3": 680_571_043_840, "F32": 41_555_600}


@pytest.mark.parametrize("name", ["glm-4.7-bf16", "glm-4.7-fp8", "glm-4.7-w8a8", "qwen3.5-0.8b"])
def test_the_table_is_what_the_headers_say(checkpoint: Checkpoint, name: str) -> None:
    """Names, dtypes, shapes, counts and bytes: one engine writes the fixture and computes the table."""
    read = read_checkpoint(LocalSource(name, checkpoint(name)))
    bare = replace(read, tensors=(), has_weights=False, shards=0)
    computed = configured(bare)
    assert [replace(group, computed=False) for group in computed.tensors] == list(read.tensors)
    mine, theirs = classify(computed), classify(read)
    assert (mine.parameters, mine.mtp and mine.mtp.layers) == (theirs.parameters, theirs.mtp and theirs.mtp.layers)
    assert mine.quantization.groups == theirs.quantization.groups
    assert [(g.kind, g.layers, g.heads, g.kv_heads, g.head_dim) for g in mine.attention] == [
        (g.kind, g.layers, g.heads, g.kv_heads, g.head_dim) for g in theirs.attention
    ]


def test_the_report_says_where_the_table_comes_from() -> None:
    found = configured(facts(_llama(), files=["config.json"]))
    assert found.table is not None and found.table.missing is None
    assert "hidden_size = 64" in found.table.fields and "num_key_value_heads = 2" in found.table.fields
    (said,) = [finding for finding in found.problems if finding.message.id == "AC115.computed"]
    assert said.evidence[0].path == "rules/families/text.toml"
    assert any(item.detail == "hidden_size = 64" for item in said.evidence)
    profile = classify(found)
    places = [item.path for _, said_by in profile.sources for item in said_by]
    assert set(places) == {"config.json"}, "nothing may claim a header that was not read"


def test_facts_with_tensors_are_left_as_they_are(checkpoint: Checkpoint) -> None:
    read = read_checkpoint(LocalSource("qwen", checkpoint("qwen3.5-0.8b")))
    assert configured(read) is read


def _llama(**fields: Any) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "intermediate_size": 96,
        "vocab_size": 128, "tie_word_embeddings": False, **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"hidden_size": None}, "hidden_size"),
        ({"intermediate_size": None}, "intermediate_size"),
        ({"torch_dtype": None}, "dtype"),
        ({"torch_dtype": ["bfloat16"]}, "dtype"),
        ({"model_type": None}, "model_type"),
        ({"model_type": "qwen3_vl"}, "text_config"),
        ({"quantization_config": {"quant_method": "quark"}}, "quark"),
        ({"num_hidden_layers": 10**9}, "1,000,000,000"),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, Any], missing: str) -> None:
    found = configured(facts(_llama(**fields)))
    assert found.tensors == ()
    assert found.table is not None and missing in (found.table.missing or "")


def test_an_unknown_model_type_is_a_guess() -> None:
    found = configured(facts(_llama(model_type="never_seen", num_experts=4, moe_intermediate_size=32)))
    assert found.table is not None and found.table.level == "inferred"
    assert "model.layers.*.mlp.experts.*.up_proj.weight" in {group.template for group in found.tensors}


STORED = {
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 32},
        {"qweight": ("I32", (64, 8)), "scales": ("F16", (2, 64))},
    ),
    "gptq": (
        {"quant_method": "gptq", "bits": 4, "group_size": 32},
        {"qweight": ("I32", (8, 64)), "g_idx": ("I32", (64,))},
    ),
    "fp8": (
        {"quant_method": "fp8", "activation_scheme": "static"},
        {"weight": ("F8_E4M3", (64, 64)), "input_scale": ("F32", ())},
    ),
    "nvfp4": (
        {"quant_method": "modelopt", "quant_algo": "NVFP4"},
        {"weight": ("U8", (64, 32)), "weight_scale": ("F8_E4M3", (64, 4))},
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_declared_formats_store_what_their_tools_write(name: str) -> None:
    declared, expected = STORED[name]
    found = {spec.name: (spec.dtype, spec.shape) for spec in named_tensors(_llama(quantization_config=declared))}
    for suffix, tensor in expected.items():
        assert found[f"model.layers.1.self_attn.q_proj.{suffix}"] == tensor
    assert found["model.layers.1.input_layernorm.weight"] == ("BF16", (64,))


def test_every_family_can_be_sized() -> None:
    """A table that names a value no configuration could give would only show on the first model of its kind."""
    assert all(family.source and family.sections for family in families().values())
    assert {"*", "llama", "deepseek_v3", "qwen3_5_moe", "gpt_oss"} <= families().keys()


value = st.one_of(
    leaf, st.integers(0, 300), st.lists(st.integers(0, 9) | st.sampled_from(["full_attention"]), max_size=4)
)
TYPES = sorted(set(families()) - {"*"})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), value, max_size=12),
    st.sampled_from([None, *METHODS]),
)
def test_no_configuration_makes_it_raise(model_type: str, fields: dict[str, Any], method: str | None) -> None:
    config = {**_llama(), **fields, "model_type": model_type, "text_config": {**_llama(), **fields}}
    if method is not None:
        config["quantization_config"] = {"quant_method": method, **fields}
    found = configured(facts(config))
    assert found.tensors or (found.table is not None and found.table.missing)
    classify(found)


def test_delta_layers_are_not_taken_for_mamba_by_their_state_tensors() -> None:
    config = {
        "model_type": "kimi_linear", "architectures": ["KimiLinearForCausalLM"], "dtype": "bfloat16",
        "hidden_size": 64, "vocab_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8,
        "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 2, "v_head_dim": 4,
        "linear_attn_config": {"kda_layers": [1], "full_attn_layers": [2], "num_heads": 2, "head_dim": 16,
                               "short_conv_kernel_size": 4},
    }  # fmt: skip
    facts = configured(CheckpointFacts("", "", None, config, ("config.json",), (), False))
    assert any(group.template.endswith("self_attn.A_log") for group in facts.tensors)
    kinds = {group.kind.value: group.layers for group in classify(facts).attention}
    assert kinds == {"kda": (0,), "mla": (1,)}


def test_a_state_without_attention_heads_is_mamba_alone() -> None:
    config = {
        "model_type": "mamba2", "architectures": ["Mamba2ForCausalLM"], "hidden_size": 64, "vocab_size": 32,
        "num_hidden_layers": 2, "num_heads": 8, "head_dim": 16, "state_size": 16, "conv_kernel": 4,
    }  # fmt: skip
    (group,) = classify(CheckpointFacts("", "", None, config, ("config.json",), (), False)).attention
    assert (group.kind.value, group.layers) == ("mamba", (0, 1))
    beside = {**config, "num_attention_heads": 8}
    (group,) = classify(CheckpointFacts("", "", None, beside, ("config.json",), (), False)).attention
    assert group.kind.value == "mha"


def test_latents_that_are_expanded_before_the_cache_are_heads_of_their_own() -> None:
    config = {
        "model_type": "minicpm3", "architectures": ["MiniCPM3ForCausalLM"], "dtype": "bfloat16", "hidden_size": 2560,
        "vocab_size": 32, "num_hidden_layers": 1, "num_attention_heads": 40, "num_key_value_heads": 40,
        "intermediate_size": 8, "q_lora_rank": 768, "kv_lora_rank": 256, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32,
        "v_head_dim": 64,
    }  # fmt: skip
    facts = configured(CheckpointFacts("", "", None, config, ("config.json",), (), False))
    (group,) = classify(facts).attention
    assert (group.kind.value, group.heads, group.kv_heads, group.head_dim) == ("mha", 40, 40, 96)
