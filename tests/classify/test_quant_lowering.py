"""Formats by their many names and spellings, lowered to bits, type, granularity and dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from classify_tables import DENSE, codes, facts, group, layers_of, outside

from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import QuantGroup, QuantProfile


def lowered(declared: Mapping[str, Any] | None, **more: Any) -> QuantProfile:
    config = {**DENSE, **({"quantization_config": dict(declared)} if declared is not None else {})}
    return classify(facts(config, [*layers_of("I8"), *outside()], **more)).quantization


def words(found: QuantGroup) -> tuple[object, ...]:
    """Weights as bits, type, strategy, group; activations as bits, type, dynamic."""
    assert found.weights is not None
    weights = (found.weights.num_bits, found.weights.type, found.weights.strategy, found.weights.group_size)
    taken = found.activations
    return (*weights, *((taken.num_bits, taken.type, bool(taken.dynamic)) if taken else ()))


def torchao(kind: Any, **more: Any) -> dict[str, Any]:
    return {"quant_method": "torchao", "quant_type": kind, **more}


def as_object(name: str, **data: Any) -> dict[str, Any]:
    return {"default": {"_type": name, "_version": 1, "_data": data}}


def quark(dtype: str, scheme: str, size: int | None = None, inputs: bool = False) -> dict[str, Any]:
    tensor = {"dtype": dtype, "qscheme": scheme, "group_size": size, "is_dynamic": False}
    given = {**tensor, "is_dynamic": True} if inputs else None
    return {"quant_method": "quark", "global_quant_config": {"weight": tensor, "input_tensors": given}}


CASES: dict[str, tuple[dict[str, Any], tuple[object, ...]]] = {
    "torchao by name": (torchao("int8_weight_only"), (8, "int", "channel", None)),
    "torchao with arguments": (
        torchao("int4_weight_only", quant_type_kwargs={"group_size": 64}), (4, "int", "group", 64)),
    "torchao object": (torchao(as_object("Int4WeightOnlyConfig", group_size=128)), (4, "int", "group", 128)),
    "torchao without a size": (torchao(as_object("Int4WeightOnlyConfig")), (4, "int", "group", None)),
    "torchao dynamic": (
        torchao(as_object("Int8DynamicActivationInt8WeightConfig")), (8, "int", "channel", None, 8, "int", True)),
    "torchao dynamic by name": (
        torchao("float8_dynamic_activation_float8_weight"), (8, "float", "tensor", None, 8, "float", True)),
    "torchao rows": (
        torchao(as_object("Float8DynamicActivationFloat8WeightConfig", granularity=[{"_type": "PerRow", "_data": {}}])),
        (8, "float", "channel", None, 8, "float", True)),
    "torchao two widths": (
        torchao(as_object("Int8DynamicActivationInt4WeightConfig", group_size=32)),
        (4, "int", "group", 32, 8, "int", True)),
    "Quark": (quark("fp8_e4m3", "per_tensor"), (8, "float", "tensor", None)),
    "Quark channel": (quark("int8", "per_channel", None, True), (8, "int", "channel", None, 8, "int", True)),
    "Quark group": (quark("uint4", "per_group", 128), (4, "int", "group", 128)),
    "Quark float4": (quark("fp4", "per_group", 32, True), (4, "float", "group", 32, 4, "float", True)),
    "Quark two stages": (
        {"quant_method": "quark", "global_quant_config": {"weight": [{"dtype": "fp8_e4m3", "qscheme": "per_tensor"},
                                                                     {"dtype": "int4", "qscheme": "per_channel"}]}},
        (8, "float", "tensor", None)),
    "AutoRound with activations": (
        {"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp", "act_bits": 8,
         "act_data_type": "mx_fp", "act_group_size": 32}, (4, "float", "group", 32, 8, "float", True)),
    "AutoRound, another name": ({"quant_method": "Intel/auto-round", "bits": 8, "group_size": -1},
                                (8, "int", "channel", None)),
    "AWQ, another name": ({"quant_method": "awq_marlin", "bits": 4, "group_size": 64}, (4, "int", "group", 64)),
    "GPTQ, another name": ({"quant_method": "gptq_marlin", "bits": 3, "group_size": 128}, (3, "int", "group", 128)),
    "compressed-tensors, another spelling": (
        {"quant_method": "compressed_tensors", "config_groups": {"W4A8": ["Linear"]}},
        (4, "int", "channel", None, 8, "int", True)),
    "a preset of blocks": (
        {"quant_method": "compressed-tensors", "config_groups": {"FP8_BLOCK": ["Linear"]}},
        (8, "float", "block", None, 8, "float", True)),
    "ModelOpt in its old nesting": (
        {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "W4A8_AWQ", "group_size": 128}},
        (4, "int", "group", 128, 8, "float", False)),
    "HQQ": ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
            (4, "int", "group", 64)),
    "MXFP8": ({"quant_method": "mxfp8"}, (8, "float", "group", 32, 8, "float", True)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_spelling_is_lowered(name: str) -> None:
    declared, expected = CASES[name]
    (found,) = lowered(declared).groups
    assert words(found) == expected


@pytest.mark.parametrize(
    ("declared", "label"),
    [
        ({"quant_method": "quanto", "weights": "int8"}, "quanto int8"),
        ({"quant_method": "exl2", "bits": 4.5}, "exl2 4.5"),
        ({"quant_method": "bitnet", "linear_class": "autobitlinear"}, "bitnet autobitlinear"),
        ({"quant_method": "fp_quant", "forward_dtype": "mxfp4"}, "fp_quant mxfp4"),
        ({"quant_method": "torchao", "quant_type": "autoquant"}, "torchao autoquant"),
        ({"quant_method": "quark"}, "quark, weights not declared"),
    ],
)
def test_what_is_only_recognised_is_named_and_its_reason_given(declared: dict[str, Any], label: str) -> None:
    checkpoint = facts({**DENSE, "quantization_config": declared}, [*layers_of("I8"), *outside()])
    profile = classify(checkpoint)
    (found,) = profile.quantization.groups
    assert (found.declared, found.weights) == (label, None)
    assert "not interpreted" in dict(profile.unknown)["quantization_config"]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("model-Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-8B-IQ3_XXS-00001-of-00003.gguf", "IQ3_XXS"),
        ("model.bf16.gguf", "BF16"),
        ("model.gguf", None),
    ],
)
def test_a_gguf_file_is_named_with_its_type(file: str, kind: str | None) -> None:
    profile = classify(facts(DENSE, files=[file]))
    assert (profile.quantization.method, profile.quantization.format) == ("gguf", kind)


def test_modules_by_name_come_before_the_default() -> None:
    four = {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 32}}
    eight = {"_type": "Int8WeightOnlyConfig", "_data": {}}
    entries = {"_default": eight, "lm_head": None, "model.layers.0.mlp.up_proj": four}
    found = lowered(torchao(as_object("ModuleFqnToConfig", module_fqn_to_config=entries)))
    assert [(words(item)[0], item.count) for item in found.groups] == [(4, 1), (8, 27)]
    assert "lm_head" in found.ignore


def test_mlx_is_known_without_a_method() -> None:
    body = {"group_size": 64, "bits": 4, "lm_head": False, "model.layers.0.mlp.up_proj": {"bits": 8, "group_size": 64}}
    checkpoint = facts({**DENSE, "quantization": body, "quantization_config": body}, [*layers_of("U32"), *outside()])
    found = classify(checkpoint).quantization
    assert (found.method, [words(item)[0] for item in found.groups]) == ("mlx", [8, 4])


def test_files_of_older_tools_count_where_config_json_is_silent() -> None:
    def with_file(name: str, body: dict[str, Any], config: dict[str, Any] = DENSE) -> CheckpointFacts:
        made = facts(config, [*layers_of("I32"), *outside()])
        return CheckpointFacts(**{**{slot: getattr(made, slot) for slot in made.__slots__},
                                  "quantize_configs": {name: body}})  # fmt: skip

    awq = classify(with_file("quant_config.json", {"w_bit": 4, "q_group_size": 128, "zero_point": True})).quantization
    assert (awq.method, words(awq.groups[0])) == ("awq", (4, "int", "group", 128))
    assert awq.evidence[0].path == "quant_config.json"
    gptq = classify(with_file("quantize_config.json", {"bits": 8, "group_size": 32, "sym": True})).quantization
    assert (gptq.method, words(gptq.groups[0])) == ("gptq", (8, "int", "group", 32))
    config = {**DENSE, "quantization_config": {"quant_method": "fp8"}}
    assert classify(with_file("quant_config.json", {"w_bit": 4}, config)).quantization.method == "fp8"


def test_a_group_for_attention_is_the_cache_and_covers_no_weight() -> None:
    cache = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False}
    eight = {"num_bits": 8, "type": "int", "strategy": "channel"}
    attention = {"targets": ["Qwen3Attention"], "weights": None, "input_activations": cache}
    entries = {"a": attention, "b": {"targets": ["Linear"], "weights": eight}}
    found = lowered({"quant_method": "compressed-tensors", "config_groups": entries, "ignore": ["lm_head"]})
    assert found.kv_cache == "float 8 bit tensor"
    assert [(words(item), item.count) for item in found.groups] == [((8, "int", "channel", None), 28)]


SLIM = {f"model.layers.{n}.mlp.up_proj.weight": "W8A8_DYNAMIC" for n in range(4)}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("W8A8", (8, "int", "channel", None, 8, "int", False)),
        ("W8A8_DYNAMIC", (8, "int", "channel", None, 8, "int", True)),
        ("W8A8_MIX", (8, "int", "channel", None, 8, "int", False)),
        ("W8A8S", (8, "int", "channel", None, 8, "int", False)),
        ("W8A8SC", (8, "int", "channel", None, 8, "int", False)),
        ("W8A16", (8, "int", "channel", None)),
        ("W4A16", (4, "int", "group", 64)),
        ("W4A8_DYNAMIC", (4, "int", "group", 64, 8, "int", True)),
        ("W4A4_FLATQUANT_DYNAMIC", (4, "int", "group", 64, 4, "int", True)),
        ("W8A8_MXFP8", (8, "float", "group", 32, 8, "float", True)),
        ("W4A4_MXFP4", (4, "float", "group", 32, 4, "float", True)),
        ("W4A8_MXFP", (4, "float", "group", 32, 8, "float", True)),
        ("W4A16_MXFP4", (4, "float", "group", 32)),
        ("W8A8FP8_DYNAMIC", (8, "float", "channel", None, 8, "float", True)),
    ],
)
def test_modelslim_types_spell_their_arguments(kind: str, expected: tuple[object, ...]) -> None:
    found = lowered(None, description={**dict.fromkeys(SLIM, kind), "group_size": 64, "model_quant_type": kind})
    assert found.method == "modelslim" and words(found.groups[0]) == expected


def test_sixteen_bit_types_of_modelslim_are_float() -> None:
    found = lowered(None, description={**dict.fromkeys(SLIM, "W16A16S"), "lm_head.weight": "W8A8_DYNAMIC"})
    assert [item.declared for item in found.groups] == ["W8A8_DYNAMIC"]
    assert found.ignore == ("model.layers.*.mlp.up_proj",)


# the description against the tensors -----------------------------------------------------------------------------


def described(description: dict[str, Any], *more: Any) -> CheckpointFacts:
    scales = {"weight_scale": ("BF16", lambda r, c: (r, 1)), "weight_offset": ("BF16", lambda r, c: (r, 1))}
    names = {f"model.layers.{n}.{name}.weight": "W8A8_DYNAMIC" for n in range(4)
             for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                          "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")}  # fmt: skip
    tensors = [*layers_of("I8", scales), *outside(), *more]
    return facts(DENSE, tensors, description={**names, "lm_head.weight": "FLOAT", **description})


def test_a_description_that_names_what_is_not_stored() -> None:
    extra = {f"model.layers.{n}.mlp.up_proj.weight": "W8A8_DYNAMIC" for n in range(4, 7)}
    (found,) = classify(described(extra)).findings
    assert found.code == "AC336" and found.subject == "model.layers.*.mlp.up_proj.weight"
    assert (found.message.params["count"], found.message.params["total"]) == (3, 7)


@pytest.mark.parametrize(
    ("key", "kind", "tensor"),
    [
        ("kv_cache_type", "C8", "self_attn.k_proj.kv_cache_scale"),
        ("fa_quant_type", "FAKQuant", "self_attn.fa_k.scale"),
    ],
)
def test_a_declared_cache_without_a_scale(key: str, kind: str, tensor: str) -> None:
    assert codes(classify(described({key: kind})).findings) == ["AC337"]
    stored = group(f"model.layers.*.{tensor}", "F32", (1,), range(4))
    assert codes(classify(described({key: kind}, stored)).findings) == []


@pytest.mark.parametrize("name", ["quant_model_description_w8a8.json", "my-quant_model_description.json"])
def test_a_description_under_another_name_is_found_by_no_release(name: str) -> None:
    checkpoint = facts(DENSE, [*layers_of("I8"), *outside()], files=["config.json", name])
    found = [finding for finding in classify(checkpoint).findings if finding.code == "AC333"]
    assert len(found) == 1 and found[0].message.params["file"] == name and found[0].remedy is not None
    beside = ["config.json", name, "quant_model_description.json"]
    assert "AC333" not in codes(classify(facts(DENSE, [*layers_of("I8"), *outside()], files=beside)).findings)


# shapes ----------------------------------------------------------------------------------------------------------

INT4 = {"num_bits": 4, "type": "int", "strategy": "channel", "symmetric": True, "dynamic": False}


def packed(weights: dict[str, Any], pack: int, **more: Any) -> CheckpointFacts:
    config = {"quant_method": "compressed-tensors", "ignore": ["lm_head"],
              "config_groups": {"a": {"targets": ["Linear"], "weights": weights}}}  # fmt: skip
    scales = {"weight_scale": ("BF16", lambda r, c: (r, 1)), **more}
    linear = layers_of("I32", scales, parameter="weight_packed", pack=pack)
    return facts({**DENSE, "quantization_config": config}, [*linear, *outside()])


def test_a_packed_weight_of_another_width_than_the_hidden_state() -> None:
    assert codes(classify(packed(INT4, 8)).findings) == []
    found = classify(packed({**INT4, "num_bits": 8}, 8)).findings
    assert set(codes(found)) == {"AC334"} and len(found) == 3
    assert (found[0].message.params["width"], found[0].message.params["hidden"]) == (128, 256)


def test_zero_points_of_symmetric_weights() -> None:
    zero = {"weight_zero_point": ("I32", lambda r, c: (r // 8, 1))}
    found = classify(packed(INT4, 8, **zero)).findings
    assert set(codes(found)) == {"AC335"} and found[0].message.params["count"] == 4
    assert codes(classify(packed({**INT4, "symmetric": False}, 8, **zero)).findings) == []
    wrong = {"weight_zero_point": ("I32", lambda r, c: (r, 1))}
    assert set(codes(classify(packed({**INT4, "symmetric": False}, 8, **wrong)).findings)) == {"AC328"}


def test_the_last_group_of_a_row_may_be_short() -> None:
    grouped = {**INT4, "strategy": "group", "group_size": 96}
    short = {"weight_scale": ("BF16", lambda r, c: (r, -(-c // 96)))}
    assert codes(classify(packed(grouped, 8, **short)).findings) == []
    cut = {"weight_scale": ("BF16", lambda r, c: (r, c // 96))}
    assert set(codes(classify(packed(grouped, 8, **cut)).findings)) == {"AC328"}
