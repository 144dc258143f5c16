"""What compressed-tensors writes: every variant that is published or that a release treats differently."""

from __future__ import annotations

from typing import Any

from formats import Format, full, grouped, one, packed, rows


def _args(bits: int, kind: str, strategy: str, *, symmetric: bool = True, **more: Any) -> dict[str, Any]:
    args = {"num_bits": bits, "type": kind, "strategy": strategy, "symmetric": symmetric, "dynamic": False,
            "group_size": None, "block_structure": None}  # fmt: skip
    return {**args, **more}


def _ct(weights: dict[str, Any], inputs: dict[str, Any] | None, form: str, **more: Any) -> dict[str, Any]:
    group = {"weights": weights, "input_activations": inputs, "output_activations": None, "targets": ["Linear"],
             "format": form}  # fmt: skip
    return {"quant_method": "compressed-tensors", "format": form, "config_groups": {"group_0": group},
            "quantization_status": "compressed", "kv_cache_scheme": None, **more}  # fmt: skip


_INT8 = {"weight": ("I8", full), "weight_scale": ("BF16", rows)}
_FP8 = {"weight": ("F8_E4M3", full), "weight_scale": ("BF16", rows)}
_TOKEN8 = _args(8, "int", "token", dynamic=True)
_TOKEN_FP8 = _args(8, "float", "token", dynamic=True)


def _wna16(size: int, *, symmetric: bool = True, bits: int = 4) -> Format:
    ratio = 32 // bits
    tensors = {"weight_packed": ("I32", packed(ratio)),
               "weight_scale": ("BF16", grouped(size) if size > 0 else rows),
               "weight_shape": ("I64", lambda out, inp: (2,))}  # fmt: skip
    if not symmetric:
        tensors["weight_zero_point"] = ("I32", lambda out, inp: (out // ratio, inp // size))
    args = _args(
        bits, "int", "group" if size > 0 else "channel", symmetric=symmetric, group_size=size if size > 0 else None
    )
    return Format(tensors, _ct(args, None, "pack-quantized"))


COMPRESSED: dict[str, Format] = {
    "int8 static": Format(
        {**_INT8, "input_scale": ("F32", one)},
        _ct(_args(8, "int", "channel"), _args(8, "int", "tensor"), "int-quantized"),
    ),
    "int8 dynamic": Format(_INT8, _ct(_args(8, "int", "channel"), _TOKEN8, "int-quantized")),
    "int8 asymmetric input": Format(
        {**_INT8, "input_scale": ("F32", one), "input_zero_point": ("I8", one)},
        _ct(_args(8, "int", "channel"), _args(8, "int", "tensor", symmetric=False), "int-quantized"),
    ),
    "int8 weight per tensor": Format(
        {"weight": ("I8", full), "weight_scale": ("BF16", one)},
        _ct(_args(8, "int", "tensor"), _TOKEN8, "int-quantized"),
    ),
    "int8 weight per group": Format(
        {"weight": ("I8", full), "weight_scale": ("BF16", grouped(128))},
        _ct(_args(8, "int", "group", group_size=128), _TOKEN8, "int-quantized"),
    ),
    "float8 dynamic": Format(_FP8, _ct(_args(8, "float", "channel"), _TOKEN_FP8, "float-quantized")),
    "float8 static channel": Format(
        {**_FP8, "input_scale": ("F32", one)},
        _ct(_args(8, "float", "channel"), _args(8, "float", "tensor"), "float-quantized"),
    ),
    "float8 static tensor": Format(
        {"weight": ("F8_E4M3", full), "weight_scale": ("F32", one), "input_scale": ("F32", one)},
        _ct(_args(8, "float", "tensor"), _args(8, "float", "tensor"), "float-quantized"),
    ),
    "float8 block": Format(
        {"weight": ("F8_E4M3", full), "weight_scale": ("F32", grouped(128, 128))},
        _ct(_args(8, "float", "block", block_structure=[128, 128]),
            _args(8, "float", "group", dynamic=True, group_size=128), "float-quantized"),
    ),
    "float8 weights only": Format(_FP8, _ct(_args(8, "float", "channel"), None, "naive-quantized")),
    "W4A16 group 128": _wna16(128),
    "W4A16 group 32": _wna16(32),
    "W4A16 group 16": _wna16(16),
    "W4A16 channel": _wna16(-1),
    "W4A16 asymmetric": _wna16(32, symmetric=False),
    "W8A16": _wna16(128, bits=8),
    "W4A8 channel": Format(
        {"weight": ("I8", full), "weight_scale": ("BF16", rows)},
        _ct(_args(4, "int", "channel"), _TOKEN8, "int-quantized"),
    ),
    "W4A8 group": Format(
        {"weight": ("I8", full), "weight_scale": ("BF16", grouped(128))},
        _ct(_args(4, "int", "group", group_size=128), _TOKEN8, "int-quantized"),
    ),
    "W4A8 packed": Format(
        {"weight_packed": ("I32", packed(8)), "weight_scale": ("BF16", grouped(32)),
         "weight_shape": ("I64", lambda out, inp: (2,))},
        _ct(_args(4, "int", "group", group_size=32), _TOKEN8, "pack-quantized"),
    ),
    "NVFP4": Format(
        {"weight_packed": ("U8", packed(2)), "weight_scale": ("F8_E4M3", grouped(16)),
         "weight_global_scale": ("F32", one), "input_global_scale": ("F32", one)},
        _ct(_args(4, "float", "tensor_group", group_size=16),
            _args(4, "float", "tensor_group", group_size=16, dynamic=True), "nvfp4-pack-quantized"),
    ),
    "MXFP4": Format(
        {"weight_packed": ("U8", packed(2)), "weight_scale": ("U8", grouped(32))},
        _ct(_args(4, "float", "group", group_size=32), None, "mxfp4-pack-quantized"),
    ),
    "layer without target": Format(
        _INT8,
        {**_ct(_args(8, "int", "channel"), _TOKEN8, "int-quantized"),
         "config_groups": {"group_0": {"weights": _args(8, "int", "channel"), "input_activations": _TOKEN8,
                                       "targets": ["re:.*nothing_here.*"], "format": "int-quantized"}}},
    ),
    "float8 KV cache": Format(
        {**_INT8},
        _ct(_args(8, "int", "channel"), _TOKEN8, "int-quantized", kv_cache_scheme=_args(8, "float", "tensor")),
    ),
}  # fmt: skip
