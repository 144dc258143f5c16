"""Real layouts of formats that config.json declares in groups, blocks and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from classify_tables import facts, group
from real_layouts import (
    ALL,
    BASE,
    EXPERTS,
    HIDDEN,
    Layout,
    bf16,
    declared,
    draft,
    fp8,
    model,
    moe_config,
    nvfp4,
    packed,
)

from ascend_compat.core.facts import TensorGroup

BLOCKS = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
CHANNEL = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
TOKEN = {"num_bits": 8, "type": "float", "strategy": "token", "symmetric": True, "dynamic": True}
GROUP = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": True, "dynamic": False}


def ct(ignore: list[str], *groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {f"group_{n}": g for n, g in enumerate(groups)},
        "ignore": ignore,
        "quantization_status": "compressed",
        **more,
    }


def block_float8_mla_mtp() -> Layout:
    tensors = model(fp8(), fp8(), kind="mla", experts=fp8(), layers=range(5))
    config = moe_config(q_lora_rank=768, kv_lora_rank=512, qk_rope_head_dim=64, num_nextn_predict_layers=1)
    return Layout(declared(config, BLOCKS, [*tensors, *draft("model.layers.*", [4])]))


def block_float8_with_a_list() -> Layout:
    left = ["lm_head", *(f"model.layers.{n}.{name}" for n in ALL for name in ("input_layernorm", "mlp.gate"))]
    tensors = model(fp8(dtype="BF16"), fp8(dtype="BF16"), experts=fp8(dtype="BF16"), moe_from=0)
    config = moe_config(first_k_dense_replace=0)
    return Layout(declared(config, {**BLOCKS, "modules_to_not_convert": left}, tensors))


def hybrid_block_float8_mtp_namespace() -> Layout:
    left = ["lm_head", "model.embed_tokens", "re:^mtp.*", *(f"model.layers.{n}.linear_attn.in_proj_ba" for n in (0, 1))]
    tensors = [
        *model(fp8(), fp8()),
        *(t for t in fp8()("model.layers.*.linear_attn.in_proj_qkvz", 1024, HIDDEN, [0, 1])),
        group("model.layers.*.linear_attn.in_proj_ba.weight", "BF16", (64, HIDDEN), [0, 1]),
        group("model.layers.*.linear_attn.conv1d.weight", "BF16", (512, 1, 4), [0, 1]),
        group("model.layers.*.linear_attn.A_log", "F32", (32,), [0, 1]),
        group("mtp.fc.weight", "BF16", (HIDDEN, 2 * HIDDEN)),
        *(t for t in bf16("mtp.layers.*.self_attn.q_proj", 1024, HIDDEN, [0])),
    ]
    return Layout(
        declared({**BASE, "mtp_num_hidden_layers": 1}, {**BLOCKS, "modules_to_not_convert": left}, tensors),
        frozenset({"AC327"}),
    )


def channel_float8() -> Layout:
    store = fp8("weight_scale", "BF16", 0)
    entry = {"targets": ["Linear"], "weights": CHANNEL, "input_activations": TOKEN}
    ignore = ["lm_head", "re:.*mlp\\.gate$", "model.layers.4.eh_proj", "model.layers.4.shared_head.head"]
    tensors = [*model(store, store, experts=store, layers=range(5)), *draft("model.layers.*", [4])]
    config = moe_config(num_nextn_predict_layers=1)
    return Layout(declared(config, ct(ignore, entry, format="float-quantized"), tensors))


def packed_experts_only() -> Layout:
    ignore = ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"]
    entry = {"targets": ["Linear"], "weights": GROUP, "input_activations": None}
    tensors = model(None, None, kind="mla", experts=packed(4, 32, "I32"), head="language_model.model")
    config = {"text_config": moe_config(q_lora_rank=768, kv_lora_rank=512), "architectures": ["Nested"]}
    return Layout(declared(config, ct(ignore, entry, format="pack-quantized"), tensors))


def packed_asymmetric_and_channel() -> Layout:
    entries = (
        {"targets": ["re:.*self_attn.*"], "weights": {**GROUP, "symmetric": False}, "input_activations": None},
        {"targets": ["re:.*mlp.*"], "weights": {**GROUP, "strategy": "channel", "group_size": None}},
    )
    tensors = model(packed(4, 32, zero=True), packed(4, 0))
    return Layout(declared(BASE, ct(["lm_head"], *entries, format="pack-quantized"), tensors))


def mixed_groups_and_cache() -> Layout:
    cache = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True}
    entries = (
        {
            "targets": ["re:.*self_attn\\.(q|k|v|o)_proj$"],
            "weights": CHANNEL,
            "input_activations": TOKEN,
            "format": "float-quantized",
        },
        {"targets": ["re:.*mlp\\.experts.*"], "weights": GROUP, "format": "pack-quantized"},
        {"targets": ["LlamaAttention"], "weights": None, "input_activations": cache},
    )
    ignore = ["lm_head", "re:.*mlp\\.gate$", "re:.*shared_experts.*", "re:model\\.layers\\.0\\.mlp.*"]
    tensors = model(fp8("weight_scale", "BF16", 0), None, experts=packed(4, 32))
    scales = [group(f"model.layers.*.self_attn.{name}", "BF16", (1,), ALL) for name in ("k_scale", "v_scale")]
    config = ct(ignore, *entries, format="mixed-precision", kv_cache_scheme=cache)
    return Layout(declared(moe_config(), config, [*tensors, *scales]))


def static_float8_scalars() -> Layout:
    store = fp8("weight_scale_inv", "BF16", None, activation_scale="BF16")
    config = {
        "quant_method": "fp8",
        "activation_scheme": "static",
        "weight_block_size": None,
        "dequantize": False,
        "modules_to_not_convert": ["lm_head", "model.vision_tower"],
    }
    return Layout(declared(BASE, config, model(store, store)))


def stacked_float8_experts() -> Layout:
    stem, tensors = "language_model.model.layers.*.feed_forward", model(None, None, head="language_model.model")
    experts = [
        group(f"{stem}.experts.gate_up_proj", "F8_E4M3", (EXPERTS, HIDDEN, 1024), ALL),
        group(f"{stem}.experts.gate_up_proj_scale", "BF16", (EXPERTS, 1, 1024), ALL),
        group(f"{stem}.experts.down_proj", "F8_E4M3", (EXPERTS, 512, HIDDEN), ALL),
        group(f"{stem}.experts.down_proj_scale", "BF16", (EXPERTS, 1, HIDDEN), ALL),
        group(f"{stem}.router.weight", "BF16", (EXPERTS, HIDDEN), ALL),
    ]
    config = {
        "quant_method": "fbgemm_fp8",
        "activation_scale_ub": 1200.0,
        "modules_to_not_convert": ["language_model.lm_head", "self_attn", "router", "shared_expert"],
    }
    text = {**BASE, "num_local_experts": EXPERTS, "num_experts_per_tok": 1}
    return Layout(declared({"text_config": text}, config, [*tensors, *experts]))


def modelopt_nvfp4() -> Layout:
    left = ["lm_head", *(f"model.layers.{n}.self_attn*" for n in ALL), "model.layers.*.mlp.gate"]
    config = {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "kv_cache_scheme": {"num_bits": 8, "type": "float"},
        "producer": {"name": "modelopt", "version": "0.37.0"},
        "ignore": left,
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 16}}},
    }
    scales = [group(f"model.layers.*.self_attn.{n}_proj.{n}_scale", "F32", (), ALL) for n in ("k", "v")]
    side = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "exclude_modules": left},
    }
    tensors = [*model(None, nvfp4, experts=nvfp4), *scales]
    return Layout(facts({**moe_config(), "quantization_config": config}, tensors, modelopt=side))


def raw_names(experts: Callable[..., Any], extra: dict[str, Any]) -> Layout:
    """The names of a release in its publisher's own layout: float8 blocks, experts of four bits."""
    attention = fp8("scale", "F8_E8M0")
    tensors = [
        group("embed.weight", "BF16", (1000, HIDDEN)),
        group("head.weight", "BF16", (1000, HIDDEN)),
        group("norm.weight", "BF16", (HIDDEN,)),
        group("layers.*.ffn.gate.weight", "BF16", (4, HIDDEN), ALL),
    ]
    for name, (rows, columns) in {"wq_a": (768, HIDDEN), "wq_b": (1024, 768), "wkv": (512, HIDDEN)}.items():
        tensors.extend(attention(f"layers.*.attn.{name}", rows, columns, ALL, 1))
    for name, (rows, columns) in {"w1": (512, HIDDEN), "w3": (512, HIDDEN), "w2": (HIDDEN, 512)}.items():
        tensors.extend(experts(f"layers.*.ffn.experts.*.{name}", rows, columns, ALL, EXPERTS))
        tensors.extend(attention(f"layers.*.ffn.shared_experts.{name}", rows, columns, ALL, 1))
    config = {**moe_config(), "expert_dtype": "fp4"}
    return Layout(declared(config, {**BLOCKS, "scale_fmt": "ue8m0", **extra}, tensors))


def four_bit_pairs(name: str, rows: int, columns: int, layers: Any, each: int) -> list[TensorGroup]:
    return [
        group(f"{name}.weight", "I8", (rows, columns // 2), layers, each),
        group(f"{name}.scale", "F8_E8M0", (rows, columns // 32), layers, each),
    ]


def float8_around_nvfp4_experts() -> Layout:
    layers = {f"layers.{n}.ffn.experts": {"quant_algo": "NVFP4", "group_size": 16} for n in ALL}
    left = ["*.attn.*", "*.ffn.shared_experts.*", "head", "mtp.*"]
    extra = {"quant_algo": "MIXED_PRECISION", "moe_quant_algo": "NVFP4", "quantized_layers": layers, "ignore": left}
    return raw_names(lambda *args: list(nvfp4(*args)), extra)
