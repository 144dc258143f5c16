"""What ModelSlim writes: a description of every tensor beside the weights."""

from __future__ import annotations

from formats import Format, Shape, flat, full, grouped, one, packed, rows

#: Sides of the two transforms that FlatQuant stores for inputs of 512: their product is the input size.
_LEFT, _RIGHT = 16, 32
_SCALES = {"weight_scale": ("F32", rows), "weight_offset": ("F32", rows)}
_STATIC = {"input_scale": ("BF16", one), "input_offset": ("BF16", one), "quant_bias": ("I32", flat),
           "deq_scale": ("F32", flat)}  # fmt: skip
_TRANSFORMS = {"left_trans": ("BF16", lambda out, inp: (_LEFT, _LEFT)), "clip_ratio": ("F32", one),
               "right_trans": ("BF16", lambda out, inp: (_RIGHT, _RIGHT))}  # fmt: skip
_MX4 = {"weight": ("U8", packed(2)), "weight_scale": ("U8", grouped(32))}
_W4A8 = {"weight": ("I8", lambda out, inp: (out // 2, inp)), **_SCALES, "scale_bias": ("F32", rows),
         "weight_scale_second": ("F32", grouped(256)), "weight_offset_second": ("F32", grouped(256))}  # fmt: skip
_SLIM: dict[str, dict[str, tuple[str, Shape]]] = {
    "FLOAT": {},
    "W8A8": {"weight": ("I8", full), **_SCALES, **_STATIC},
    "W8A8_DYNAMIC": {"weight": ("I8", full), **_SCALES},
    "W8A8_MIX": {"weight": ("I8", full), **_SCALES, **_STATIC},
    "W8A8S": {"weight": ("I8", full), **_STATIC},
    "W8A8SC": {"weight": ("I8", lambda out, inp: (out * inp,)), "index": ("I8", lambda out, inp: (out * inp,)),
               "info": ("I64", lambda out, inp: (5,)), **_STATIC},
    "W8A16": {"weight": ("I8", full), **_SCALES},
    "W4A16": {"weight_packed": ("I32", packed(8)), "weight_scale": ("BF16", grouped(32)),
              "weight_offset": ("BF16", grouped(32)), "weight_shape": ("I32", lambda out, inp: (2,))},
    "W4A4_FLATQUANT_DYNAMIC": {"weight": ("I8", full), **_SCALES, **_TRANSFORMS},
    "W4A4_DYNAMIC": {"weight": ("I8", full), **_SCALES},
    "W8A8_MXFP8": {"weight": ("F8_E4M3", full), "weight_scale": ("U8", grouped(32))},
    "W4A4_MXFP4": _MX4,
    "W4A4_MXFP4_FLATQUANT": {**_MX4, **_TRANSFORMS},
    "W4A8_MXFP": _MX4,
    "W4A16_MXFP4": _MX4,
    "W8A8FP8_DYNAMIC": {"weight": ("F8_E4M3", full), **_SCALES},
}  # fmt: skip
MODELSLIM: dict[str, Format] = {name: Format(tensors, slim=name) for name, tensors in _SLIM.items()}
MODELSLIM["W4A8_DYNAMIC"] = Format(
    _W4A8,
    slim="W4A8_DYNAMIC",
    keys={"version": "1.0.0", "group_size": 256},
    reduced={"scale_bias": lambda out, inp: (out, 16)},
)
MODELSLIM["W4A4_MXFP4_FLATQUANT"] = Format(
    _SLIM["W4A4_MXFP4_FLATQUANT"],
    slim="W4A4_MXFP4_FLATQUANT",
    reduced={"left_trans": lambda out, inp: (_RIGHT, _RIGHT), "right_trans": lambda out, inp: (_LEFT, _LEFT)},
)
MODELSLIM["W8A8_MIX"] = Format(
    _SLIM["W8A8_MIX"],
    slim="W8A8_MIX",
    experts={"weight": ("I8", full), **_SCALES, "deq_scale": ("F32", flat), "input_offset": ("I8", one)},
)
