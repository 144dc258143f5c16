"""No configuration, description or tensor table makes the classifier raise, and what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest
from classify_tables import DENSE, LINEAR, facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.units import DTYPE_BITS
from ascend_compat.report.catalog import fields, templates

FIELDS = [
    *DENSE, "head_dim", "kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "index_topk", "layer_types",
    "layers_block_type", "hybrid_override_pattern", "hybrid_layer_pattern", "block_configs", "compress_ratios",
    "attn_type_list", "sparse_attention_config", "sparse_attention_freq", "full_attention_interval", "sliding_window",
    "sliding_window_pattern", "use_sliding_window", "max_window_layers", "attention_chunk_size", "no_rope_layers",
    "linear_num_value_heads", "mamba_num_heads", "n_groups", "rope_parameters", "rope_scaling", "rope_theta",
    "partial_rotary_factor", "mrope_section", "full_attention", "rope_type", "factor", "num_experts",
    "n_shared_experts", "num_experts_per_tok", "moe_intermediate_size", "moe_layer_freq", "first_k_dense_replace",
    "decoder_sparse_step", "mlp_only_layers", "mlp_layer_types", "moe_layers", "moe_layers_enum",
    "expert_layer_period", "expert_layer_offset", "moe_layer_end_index", "num_nextn_predict_layers", "expert_dtype",
    "vision_config", "audio_config", "depth", "text_config", "thinker_config", "language_model",
]  # fmt: skip
QUANT = [
    "quant_method", "config_groups", "group_0", "targets", "weights", "input_activations", "num_bits", "type",
    "strategy", "group_size", "dynamic", "symmetric", "block_structure", "ignore", "kv_cache_scheme", "format",
    "weight_block_size", "activation_scheme", "modules_to_not_convert", "bits", "sym", "zero_point", "extra_config",
    "quant_algo", "quantized_layers", "exclude_modules", "load_in_4bit", "quant_config", "nbits", "producer", "name",
    "kv_cache_quant_algo", "bnb_4bit_quant_type", "quantization", "quant_type", "default", "_type", "_data",
    "module_fqn_to_config", "_default", "granularity", "quant_type_kwargs", "global_quant_config", "layer_quant_config",
    "weight", "input_tensors", "output_tensors", "dtype", "qscheme", "is_dynamic", "exclude", "export",
    "kv_cache_group", "act_bits", "act_data_type", "data_type", "dynamic", "w_bit", "q_group_size", "mode",
]  # fmt: skip
METHODS = ["compressed-tensors", "fp8", "awq", "gptq", "auto-round", "modelopt", "mxfp4", "bitsandbytes", "hqq",
           "ascend", "quark", "modelslim", "torchao", "mlx", "deepseek_v4_fp8", "mxfp8"]  # fmt: skip
WORDS = ["Linear", "re:.*mlp.*", "re:(", "model.layers.*", "full_attention", "linear_attention", "mamba", "moe",
         "M*E-", "NVFP4", "FP8", "W8A8_DYNAMIC", "FLOAT", "int", "float", "channel", "group", "block", "1,2,x", "LLG",
         "Int4WeightOnlyConfig", "fp8_e4m3", "uint4", "per_group", "per_tensor", "W4A8_DYNAMIC", "1.0.0", "C8",
         ""]  # fmt: skip
SUFFIXES = [
    "weight",
    "weight_packed",
    "qweight",
    "weight_scale",
    "scales",
    "bias",
    "gate_up_proj",
    "gate_up_proj_blocks",
    "weight_scale_second",
    "weight_zero_point",
    "qzeros",
    "g_idx",
    "scale",
    "_weight_qdata",
]

leaf = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.sampled_from([2**41, -(2**70), 10**400, 4096, 5000]),
    st.floats(), st.sampled_from([*WORDS, *METHODS]), st.text(max_size=6),
)  # fmt: skip
junk = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from([*FIELDS, *QUANT]), inner, max_size=6),
    max_leaves=12,
)
declared = st.builds(
    lambda method, rest: {**rest, "quant_method": method},
    st.sampled_from(METHODS) | leaf,
    st.dictionaries(st.sampled_from(QUANT), junk, max_size=7),
)
configs = st.tuples(
    st.dictionaries(st.sampled_from(FIELDS), junk, max_size=14), st.booleans(), st.none() | declared
)  # fmt: skip


@st.composite
def tensors(draw: st.DrawFn) -> TensorGroup:
    prefix = draw(
        st.sampled_from(["model.layers.*.", "layers.*.", "mtp.layers.*.", "model.visual.blocks.*.", "", "*."])
    )
    module = draw(st.sampled_from([*LINEAR, "mlp.experts.*.up_proj", "mlp.experts", "linear_attn.A_log", "q_norm",
                                   "self_attn.kv_a_proj_with_mqa", "embed_tokens", "lm_head"]))  # fmt: skip
    template = f"{prefix}{module}.{draw(st.sampled_from(SUFFIXES))}"
    layers = tuple(sorted(draw(st.sets(st.integers(0, 12), max_size=4)))) if "*" in template else ()
    shape = tuple(draw(st.lists(st.integers(0, 64), max_size=4)))
    dtype = draw(st.sampled_from(sorted(DTYPE_BITS)))
    count = draw(st.integers(1, 3)) * max(1, len(layers))
    return TensorGroup(template, dtype, shape, count, draw(st.integers(0, 1 << 20)), layers)


KEYS = ["group_size", "version", "kv_cache_type", "fa_quant_type", "model_quant_type", "lm_head.weight",
        *(f"model.layers.{n}.{name}.weight" for n in range(3) for name in LINEAR)]  # fmt: skip
descriptions = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=9), junk, max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs, st.lists(tensors(), max_size=8), st.none() | descriptions, junk, st.booleans())
def test_nothing_makes_it_raise(
    parts: tuple[dict[str, Any], bool, dict[str, Any] | None],
    table: list[TensorGroup],
    description: Any,
    modelopt: Any,
    beside: bool,
) -> None:
    fields_of, with_base, quantization = parts
    config = {**(DENSE if with_base else {}), **fields_of}
    if quantization is not None:
        config["quantization" if beside else "quantization_config"] = quantization
    side = {"quantization": modelopt} if modelopt is not None else None
    profile = classify(facts(config, table, description=description, modelopt=side))
    assert isinstance(profile, ModelProfile)
    for finding in profile.findings:
        assert finding.evidence and fields(templates("en")[finding.message.id]) <= set(finding.message.params)


@pytest.mark.parametrize("value", ["40", -40, 4.5, True, [40], {"n": 40}, 10**30, 0])
@pytest.mark.parametrize("name", ["num_hidden_layers", "hidden_size", "vocab_size"])
def test_a_size_of_the_wrong_type_is_absent_with_its_reason(name: str, value: Any) -> None:
    profile = classify(facts({**DENSE, name: value}))
    absent = "layers" if name == "num_hidden_layers" else name
    assert getattr(profile, absent) is None
    assert {name, absent} & dict(profile.unknown).keys()


def test_a_number_of_layers_beyond_belief_is_not_counted_out() -> None:
    profile = classify(facts({**DENSE, "num_hidden_layers": 100_000}))
    assert profile.layers is None and "not credible" in dict(profile.unknown)["layers"]


def test_another_spelling_helps_where_the_first_has_the_wrong_type() -> None:
    profile = classify(facts({**DENSE, "hidden_size": "256", "n_embd": 128}))
    assert profile.hidden_size == 128 and "hidden_size" in dict(profile.unknown)


def test_deep_nesting_is_only_a_wrong_type() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    assert classify(facts({**DENSE, "hidden_size": value})).hidden_size is None
