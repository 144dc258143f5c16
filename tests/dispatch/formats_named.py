"""Formats that a release knows by ``quant_method``."""

from __future__ import annotations

from formats import Format, flat, full, grouped, one, packed

_BLOCK = {"weight": ("F8_E4M3", full), "weight_scale_inv": ("F32", grouped(128, 128))}
_AWQ = {"qweight": ("I32", lambda out, inp: (inp, out // 8)),
        "qzeros": ("I32", lambda out, inp: (inp // 128, out // 8)),
        "scales": ("F16", lambda out, inp: (inp // 128, out))}  # fmt: skip
_GPTQ = {"qweight": ("I32", lambda out, inp: (inp // 8, out)),
         "qzeros": ("I32", lambda out, inp: (inp // 128, out // 8)),
         "scales": ("F16", lambda out, inp: (inp // 128, out)), "g_idx": ("I32", lambda out, inp: (inp,))}  # fmt: skip
_SCALAR_FP8 = {"weight": ("F8_E4M3", full), "weight_scale": ("F32", lambda out, inp: ()),
               "input_scale": ("F32", lambda out, inp: ())}  # fmt: skip
_MX = {"weight": ("F8_E4M3", full), "weight_scale": ("U8", grouped(32))}

NAMED: dict[str, Format] = {
    "unquantized": Format({}),
    "awq": Format(_AWQ, {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}),
    "gptq": Format(
        _GPTQ, {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True, "lm_head": False}
    ),
    "modelopt FP8": Format(_SCALAR_FP8, {"quant_method": "modelopt", "quant_algo": "FP8"}),
    "modelopt NVFP4": Format(
        {"weight": ("U8", packed(2)), "weight_scale": ("F8_E4M3", grouped(16)), "weight_scale_2": ("F32", one)},
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16},
    ),
    "modelopt MXFP8": Format(_MX, {"quant_method": "modelopt", "quant_algo": "MXFP8"}),
    "modelopt mixed": Format(_SCALAR_FP8, {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}),
    "mxfp8": Format(_MX, {"quant_method": "mxfp8"}),
    "mxfp4": Format(
        {"weight": ("U8", packed(2)), "weight_scale": ("U8", grouped(32))}, {"quant_method": "mxfp4"}
    ),
    "bitsandbytes": Format(
        {"weight": ("U8", lambda out, inp: (out * inp // 2, 1)), "weight.absmax": ("U8", flat)},
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    ),
    "quark": Format(_SCALAR_FP8, {"quant_method": "quark", "export": {}, "global_quant_config": {}}),
    "torchao": Format(
        {"weight": ("I8", full)}, {"quant_method": "torchao", "quant_type": {"default": "int8_weight_only"}}
    ),
    "auto-round": Format(
        _GPTQ, {"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True,
                "packing_format": "auto_round:auto_gptq"}
    ),
    "fp8 block": Format(
        _BLOCK, {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    ),
    "fp8 tensor": Format(_SCALAR_FP8, {"quant_method": "fp8", "activation_scheme": "static"}),
}  # fmt: skip
