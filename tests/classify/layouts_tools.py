"""Real layouts of AWQ, GPTQ, AutoRound, bitsandbytes, MLX, Quark and torchao."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from classify_tables import facts, group
from real_layouts import (
    ALL,
    BASE,
    Layout,
    awq,
    bf16,
    declared,
    fp8,
    gptq,
    model,
    moe_config,
)

from ascend_compat.core.facts import TensorGroup


def awq_dense() -> Layout:
    config = {
        "quant_method": "awq",
        "bits": 4,
        "group_size": 128,
        "zero_point": True,
        "version": "gemm",
        "modules_to_not_convert": None,
    }
    return Layout(declared({**BASE, "dtype": "float16"}, config, model(awq, awq)))


def awq_from_its_own_file() -> Layout:
    side = {"quant_config.json": {"w_bit": 4, "q_group_size": 128, "zero_point": True, "version": "GEMM"}}
    found = facts(BASE, model(awq, awq))
    return Layout(found.__class__(**{**_fields(found), "quantize_configs": side}))


def _fields(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__slots__}


def gptq_experts() -> Layout:
    config = {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": 128,
        "desc_act": False,
        "sym": True,
        "lm_head": False,
        "dynamic": {"-:.*shared_experts.*": {}},
    }
    tensors = model(gptq, gptq, experts=gptq, shared=bf16)
    return Layout(declared(moe_config(), config, tensors))


def nf4_with_exceptions() -> Layout:
    def store(name: str, rows: int, columns: int, layers: Any, each: int) -> list[TensorGroup]:
        size = rows * columns
        parts = {
            "absmax": ("U8", (size // 64,)),
            "quant_map": ("F32", (16,)),
            "nested_absmax": ("F32", (size // 16384,)),
            "nested_quant_map": ("F32", (256,)),
            "quant_state.bitsandbytes__nf4": ("U8", (120,)),
        }
        return [
            group(f"{name}.weight", "U8", (size // 2, 1), layers, each),
            *(group(f"{name}.weight.{key}", dtype, shape, layers) for key, (dtype, shape) in parts.items()),
        ]

    tensors = model(lambda *args: iter(store(*args)), None)
    config = {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "_load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "llm_int8_skip_modules": ["lm_head", "mlp"],
    }
    return Layout(declared(BASE, config, tensors))


def eight_bit_rows() -> Layout:
    def store(name: str, rows: int, columns: int, layers: Any, each: int) -> list[TensorGroup]:
        return [
            group(f"{name}.weight", "I8", (rows, columns), layers, each),
            group(f"{name}.SCB", "F32", (rows,), layers, each),
            group(f"{name}.weight_format", "U8", (), layers, each),
        ]

    tensors = model(lambda *args: iter(store(*args)), lambda *args: iter(store(*args)))
    return Layout(declared(BASE, {"quant_method": "bitsandbytes", "load_in_8bit": True}, tensors))


def mlx_four_bits() -> Layout:
    def store(name: str, rows: int, columns: int, layers: Any, each: int) -> list[TensorGroup]:
        return [
            group(f"{name}.weight", "U32", (rows, columns // 8), layers, each),
            *(group(f"{name}.{n}", "BF16", (rows, columns // 64), layers, each) for n in ("scales", "biases")),
        ]

    tensors = model(lambda *args: iter(store(*args)), lambda *args: iter(store(*args)))
    return Layout(facts({**BASE, "quantization": {"group_size": 64, "bits": 4}}, tensors))


def quark_float8() -> Layout:
    tensor = {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False, "symmetric": None}
    config = {
        "quant_method": "quark",
        "global_quant_config": {"weight": tensor, "input_tensors": tensor},
        "exclude": ["lm_head"],
        "export": {"kv_cache_group": ["*k_proj", "*v_proj"], "pack_method": "reorder"},
        "layer_quant_config": {
            "*k_proj": {"weight": tensor, "input_tensors": tensor, "output_tensors": tensor},
            "*v_proj": {"weight": tensor, "input_tensors": tensor, "output_tensors": tensor},
        },
    }
    store = fp8("weight_scale", "F32", None, input_scale="F32")
    scales = [group(f"model.layers.*.self_attn.{n}_proj.output_scale", "F32", (), ALL) for n in ("k", "v")]
    return Layout(declared(BASE, config, [*model(store, store), *scales]))


def quark_mxfp4() -> Layout:
    def store(name: str, rows: int, columns: int, layers: Any, each: int) -> list[TensorGroup]:
        return [
            group(f"{name}.weight", "U8", (rows, columns // 2), layers, each),
            group(f"{name}.weight_scale", "U8", (rows, columns // 32), layers, each),
        ]

    four = {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "scale_format": "e8m0", "is_dynamic": True}
    config = {
        "quant_method": "quark",
        "global_quant_config": {"weight": {**four, "is_dynamic": False}, "input_tensors": four},
        "exclude": ["lm_head"],
    }
    each = lambda *args: iter(store(*args))  # noqa: E731 - one line used twice
    return Layout(declared(BASE, config, model(each, each)))


def torchao_int8() -> Layout:
    def store(name: str, rows: int, columns: int, layers: Any, each: int) -> list[TensorGroup]:
        return [
            group(f"{name}._weight_qdata", "I8", (rows, columns), layers, each),
            group(f"{name}._weight_scale", "BF16", (rows, 1), layers, each),
        ]

    kind = {"default": {"_type": "Int8WeightOnlyConfig", "_version": 1, "_data": {"group_size": None}}}
    each = lambda *args: iter(store(*args))  # noqa: E731 - one line used twice
    config = {"quant_method": "torchao", "quant_type": kind, "modules_to_not_convert": ["lm_head"]}
    return Layout(declared(BASE, config, model(each, each)))


def auto_round_two_widths() -> Layout:
    def store(bits: int, size: int) -> Callable[..., Any]:
        def inner(name: str, rows: int, columns: int, layers: Any, each: int) -> Any:
            yield group(f"{name}.qweight", "I32", (columns * bits // 32, rows), layers, each)
            yield group(f"{name}.qzeros", "I32", (columns // size, rows * bits // 32), layers, each)
            yield group(f"{name}.scales", "F16", (columns // size, rows), layers, each)

        return inner

    extra = {f"model.layers.{n}.self_attn.{name}_proj": {"bits": 8, "group_size": 64} for n in ALL for name in "qkvo"}
    config = {
        "quant_method": "auto-round",
        "bits": 4,
        "group_size": 128,
        "sym": True,
        "data_type": "int",
        "packing_format": "auto_round:auto_gptq",
        "extra_config": {**extra, "lm_head": {"bits": 16}},
    }
    return Layout(declared(BASE, config, model(store(8, 64), store(4, 128))))
