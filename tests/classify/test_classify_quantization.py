"""Every declared format becomes the same vocabulary, and a checkpoint that keeps its word raises no alarm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from classify_tables import DENSE, codes, facts, group, layers_of, outside

from ascend_compat.classify.profile import classify
from ascend_compat.classify.quant.names import NameList
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import ModelProfile

Shape = Callable[[int, int], tuple[int, ...]]
IGNORE = ["lm_head"]


def ct(weights: dict[str, Any], activations: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    entry = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": entry}, "ignore": IGNORE, **more}


def rows(count: int, columns: int) -> tuple[int, ...]:
    return (count, 1)


def per(size: int) -> Shape:
    return lambda count, columns: (count, columns // size)


def scalar(count: int, columns: int) -> tuple[int, ...]:
    return ()


CHANNEL8 = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
TOKEN8 = {"num_bits": 8, "type": "float", "strategy": "token", "symmetric": True, "dynamic": True}
GROUP4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": True, "dynamic": False}
NVFP4 = {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16, "ignore": IGNORE}
BLOCKS = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "modules_to_not_convert": IGNORE}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": True}

#: name: quantization_config, stored linear layers, declared weights in words (start), stored dtype.
FORMATS: dict[str, tuple[dict[str, Any], list[TensorGroup], str, str]] = {
    "float8 channel": (
        ct(CHANNEL8, TOKEN8), layers_of("F8_E4M3", {"weight_scale": ("BF16", rows)}),
        "float 8 bit channel / float 8 bit token dynamic", "F8_E4M3"),
    "float8 static": (
        ct({**CHANNEL8, "strategy": "tensor"}, {**TOKEN8, "strategy": "tensor", "dynamic": False}),
        layers_of("F8_E4M3", {"weight_scale": ("F32", scalar), "input_scale": ("F32", scalar)}),
        "float 8 bit tensor / float 8 bit tensor static", "F8_E4M3"),
    "packed int4": (
        ct(GROUP4), layers_of("I32", {"weight_scale": ("BF16", per(32)), "weight_shape": ("I64", lambda r, c: (2,))},
                              parameter="weight_packed", pack=8),
        "int 4 bit group 32 / activations unquantized", "I32"),
    "float8 blocks": (
        BLOCKS, layers_of("F8_E4M3", {"weight_scale_inv": ("F32", lambda r, c: (-(-r // 128), -(-c // 128)))}),
        "float 8 bit block 128x128 / float 8 bit group 128 dynamic", "F8_E4M3"),
    "AWQ": (
        AWQ, layers_of("I32", {"scales": ("F16", lambda r, c: (c // 32, r)),
                               "qzeros": ("I32", lambda r, c: (c // 32, r // 8))}, parameter="qweight", pack=8),
        "int 4 bit group 32 / activations unquantized", "I32"),
    "GPTQ": (
        GPTQ, layers_of("I32", {"scales": ("F16", lambda r, c: (c // 32, r)), "g_idx": ("I32", lambda r, c: (c,)),
                                "qzeros": ("I32", lambda r, c: (c // 32, r // 8))}, parameter="qweight", pack=8),
        "int 4 bit group 32 / activations unquantized", "I32"),
    "ModelOpt NVFP4": (
        NVFP4, layers_of("U8", {"weight_scale": ("F8_E4M3", per(16)), "weight_scale_2": ("F32", scalar),
                                "input_scale": ("F32", scalar)}, pack=2),
        "NVFP4", "U8"),
    "MXFP8": (
        {"quant_method": "modelopt", "quant_algo": "MXFP8"}, layers_of("F8_E4M3", {"weight_scale": ("U8", per(32))}),
        "MXFP8", "F8_E4M3"),
}  # fmt: skip


def stored(config: dict[str, Any], linear: Sequence[TensorGroup], **more: Any) -> CheckpointFacts:
    return facts({**DENSE, "quantization_config": config}, [*linear, *outside()], **more)


def profile_of(name: str) -> ModelProfile:
    config, linear, _, _ = FORMATS[name]
    return classify(stored(config, linear))


@pytest.mark.parametrize("name", FORMATS)
def test_a_consistent_checkpoint_raises_no_alarm(name: str) -> None:
    assert codes(profile_of(name).findings) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_group_names_arguments_dtype_modules_and_count(name: str) -> None:
    (found,) = profile_of(name).quantization.groups
    _, _, declared, dtype = FORMATS[name]
    assert found.declared == declared and found.stored_dtype == dtype and found.count == 28
    assert "model.layers.*.mlp.down_proj" in found.modules and "lm_head" not in found.modules


@pytest.mark.parametrize("name", FORMATS)
def test_parameters_do_not_depend_on_the_format(name: str) -> None:
    floats = classify(facts(DENSE, [*layers_of("BF16"), *outside()]))
    assert profile_of(name).parameters == floats.parameters == 2_741_504


def test_named_targets_come_before_classes() -> None:
    config = {
        "quant_method": "compressed-tensors", "ignore": IGNORE,
        "config_groups": {
            "a": {"targets": ["Linear"], "weights": CHANNEL8},
            "b": {"targets": ["re:.*mlp\\.(gate|up)_proj$"], "weights": {**CHANNEL8, "strategy": "tensor"}},
        },
    }  # fmt: skip
    by_class, by_name = classify(stored(config, layers_of("F8_E4M3"))).quantization.groups
    assert by_name.modules == ("model.layers.*.mlp.gate_proj", "model.layers.*.mlp.up_proj") and by_name.count == 8
    assert len(by_class.modules) == 5


def test_a_module_ignored_in_some_layers_is_covered_in_the_others() -> None:
    config = {**FORMATS["float8 channel"][0], "ignore": ["lm_head", "model.layers.0.self_attn.q_proj"]}
    (found,) = classify(stored(config, layers_of("F8_E4M3"))).quantization.groups
    assert "model.layers.*.self_attn.q_proj" in found.modules and found.count == 27


def test_mixed_precision_gives_a_group_for_each_algorithm() -> None:
    names = [f"model.layers.{n}.mlp" for n in range(4)]
    layers = {**{name: {"quant_algo": "NVFP4", "group_size": 16} for name in names},
              **{f"model.layers.{n}.self_attn": {"quant_algo": "FP8"} for n in range(4)}}  # fmt: skip
    config = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}
    groups = {g.declared: g for g in classify(stored(config, layers_of("F8_E4M3"))).quantization.groups}
    assert set(groups) == {"FP8", "NVFP4"} and groups["FP8"].count == 16 and groups["NVFP4"].count == 12


def test_modelopt_file_is_used_without_quantization_config() -> None:
    side = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": IGNORE}}
    quantization = classify(facts(DENSE, layers_of("F8_E4M3"), modelopt=side)).quantization
    assert quantization.method == "modelopt" and quantization.kv_cache == "FP8"
    assert quantization.evidence[0].path == "hf_quant_config.json"


def test_gpt_oss_blocks_hold_two_values_a_byte() -> None:
    layers = range(4)
    tensors = [
        *outside(), group("model.layers.*.mlp.experts.gate_up_proj_blocks", "U8", (8, 512, 8, 16), layers),
        group("model.layers.*.mlp.experts.gate_up_proj_scales", "U8", (8, 512, 8), layers),
        group("model.layers.*.self_attn.q_proj.weight", "BF16", (256, 256), layers),
    ]  # fmt: skip
    config = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]}
    profile = classify(facts({**DENSE, "num_experts": 8, "quantization_config": config}, tensors))
    assert codes(profile.findings) == [] and profile.moe is not None and profile.moe.routed == 8
    (found,) = profile.quantization.groups
    assert found.modules == ("model.layers.*.mlp.experts.gate_up_proj_blocks",) and found.stored_dtype == "U8"
    assert profile.parameters == 2 * 1000 * 256 + 256 + 4 * (8 * 512 * 256 + 256 * 256)


@pytest.mark.parametrize("method", ["bitsandbytes", "torchao", "quark", "hqq", "aqlm", "something-new"])
def test_other_methods_are_recognised_by_name(method: str) -> None:
    profile = classify(stored({"quant_method": method}, layers_of("U8", pack=2)))
    (found,) = profile.quantization.groups
    assert profile.quantization.method == method and found.count == 28
    assert method in found.declared or found.weights is not None


def test_gguf_is_named_and_not_read() -> None:
    profile = classify(facts(DENSE, files=["model-Q4_K_M.gguf"]))
    assert profile.quantization.method == "gguf" and "quantization" in dict(profile.unknown)


def test_an_unnamed_method_takes_its_reason_along() -> None:
    profile = classify(stored({"surprise": 1}, layers_of("F8_E4M3")))
    assert profile.quantization.method is None and profile.quantization.groups[0].weights is None
    assert "quantization_config" in dict(profile.unknown)


@pytest.mark.parametrize(
    ("entry", "loose", "held", "not_held"),
    [
        ("lm_head", False, "lm_head", "model.lm_head"),
        ("lm_head", True, "model.lm_head", "model.lm_head2"),
        ("re:.*mlp\\.gate$", False, "model.layers.3.mlp.gate", "model.layers.3.mlp.gate_proj"),
        ("model.layers.*.self_attn", True, "model.layers.7.self_attn.q_proj", "model.layers.7.mlp.up_proj"),
        ("model.layers.0*", True, "model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"),
        ("mlp.gate", True, "model.layers.3.mlp.gate", "model.layers.3.mlp.gate_proj"),
        ("*.attn.*", True, "layers.1.attn.wq", "layers.1.ffn.w1"),
    ],
)
def test_names_in_lists(entry: str, loose: bool, held: str, not_held: str) -> None:
    names = NameList([entry], loose)
    assert names.holds(held) and not names.holds(not_held)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)*b", ".*" * 9, "(", "a" * 900, "(?:x{1,9}){1,9}"])
def test_a_pattern_that_could_run_for_ever_is_refused(pattern: str) -> None:
    names = NameList([f"re:{pattern}"])
    assert names.refused == [f"re:{pattern}"] and not names.holds("a" * 60)


def test_a_refused_pattern_is_named_and_stops_judgements_about_coverage() -> None:
    config = {**FORMATS["float8 channel"][0], "ignore": ["re:(a+)+$"]}
    profile = classify(stored(config, layers_of("BF16", layers=[0]) + FORMATS["float8 channel"][1]))
    assert codes(profile.findings) == [] and "quantization_config.pattern" in dict(profile.unknown)
