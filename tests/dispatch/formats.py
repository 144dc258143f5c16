"""Checkpoints of two small models in every format that people publish, as tensor tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.units import tensor_bytes

LAYERS = (0, 1)
EXPERTS = 4
DENSE: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "num_hidden_layers": 2, "hidden_size": 512,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "intermediate_size": 1024, "vocab_size": 1024,
    "rms_norm_eps": 1e-6, "hidden_act": "silu", "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    "max_position_embeddings": 4096,
}  # fmt: skip
SPARSE: dict[str, Any] = {
    **DENSE, "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "num_experts": EXPERTS,
    "num_experts_per_tok": 2, "moe_intermediate_size": 512, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "norm_topk_prob": True,
}  # fmt: skip
ATTENTION = {
    "self_attn.q_proj": (512, 512), "self_attn.k_proj": (256, 512), "self_attn.v_proj": (256, 512),
    "self_attn.o_proj": (512, 512),
}  # fmt: skip
MLP = {"mlp.gate_proj": (1024, 512), "mlp.up_proj": (1024, 512), "mlp.down_proj": (512, 1024)}
EXPERT = {f"mlp.experts.*.{name}": shape for name, shape in
          (("gate_proj", (512, 512)), ("up_proj", (512, 512)), ("down_proj", (512, 512)))}  # fmt: skip

Shape = Callable[[int, int], tuple[int, ...]]
#: Shapes of what is stored for a weight of ``out`` rows and ``inp`` columns.
FULL: Shape = lambda out, inp: (out, inp)  # noqa: E731  (a table of shapes reads better than eight functions)
ROWS: Shape = lambda out, inp: (out, 1)  # noqa: E731  (as above)
FLAT: Shape = lambda out, inp: (out,)  # noqa: E731  (as above)
ONE: Shape = lambda out, inp: (1,)  # noqa: E731  (as above)


def grouped(size: int, rows: int = 1) -> Shape:
    """One value per ``size`` columns (and ``rows`` rows)."""
    return lambda out, inp: (out // rows, inp // size)


def packed(ratio: int) -> Shape:
    """``ratio`` values in one stored element along the columns."""
    return lambda out, inp: (out, inp // ratio)


@dataclass(frozen=True)
class Format:
    """How a quantized weight is stored, and what declares it; ``slim`` is a ModelSlim type instead of a config.

    ``keys`` are further keys of ModelSlim's description, ``experts`` what experts store where that differs, ``rows`` the
    shapes of row-parallel projections that differ.
    """

    tensors: Mapping[str, tuple[str, Shape]]
    config: Mapping[str, Any] | None = None
    slim: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    experts: Mapping[str, tuple[str, Shape]] | None = None
    rows: Mapping[str, Shape] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def make(form: Format, moe: bool, base: Mapping[str, Any] | None = None) -> CheckpointFacts:
    """The checkpoint of ``form``: linear layers quantized, or (``moe``) the experts only."""
    config = {**(base or (SPARSE if moe else DENSE)), **form.extra}
    if form.config is not None:
        config["quantization_config"] = {**form.config, **_left_out(form.config, moe)}
    tensors = list(_tensors(form, moe))
    description = _description(form, moe) if form.slim else None
    files = ("config.json", "model.safetensors", *(("quant_model_description.json",) if form.slim else ()))
    return CheckpointFacts(
        "test", "local", None, config, files, tuple(tensors), True, shards=1, quant_description=description
    )


def _left_out(config: Mapping[str, Any], moe: bool) -> dict[str, Any]:
    """The list of modules the format leaves alone, under the key and in the spelling of the format."""
    method = config.get("quant_method")
    if method == "compressed-tensors":
        names = ["lm_head", *(["re:.*self_attn.*", "re:.*mlp\\.gate$"] if moe else [])]
        return {"ignore": [*config.get("ignore", []), *names]}
    if method in ("modelopt", "mxfp8"):
        return {
            "ignore" if method == "modelopt" else "ignored_layers": [
                "lm_head",
                *(["*self_attn*", "*mlp.gate"] if moe else []),
            ]
        }
    if method == "fp8":
        names = [f"model.layers.{n}.{name}" for n in LAYERS for name in (*ATTENTION, "mlp.gate")] if moe else []
        return {"modules_to_not_convert": ["lm_head", *names]}
    return {}


def _group(template: str, dtype: str, shape: tuple[int, ...], layers: tuple[int, ...] = LAYERS) -> TensorGroup:
    count = max(1, len(layers)) * (EXPERTS if ".experts." in template else 1)
    return TensorGroup(template, dtype, shape, count, tensor_bytes(dtype, shape) * count, layers)


def _stored(form: Format, moe: bool) -> Mapping[str, tuple[str, Shape]]:
    return form.experts if moe and form.experts is not None else form.tensors


def _tensors(form: Format, moe: bool) -> Iterator[TensorGroup]:
    yield _group("model.embed_tokens.weight", "BF16", (1024, 512), ())
    yield _group("lm_head.weight", "BF16", (1024, 512), ())
    yield _group("model.norm.weight", "BF16", (512,), ())
    for norm in ("input_layernorm", "post_attention_layernorm"):
        yield _group(f"model.layers.*.{norm}.weight", "BF16", (512,))
    for norm in ("q_norm", "k_norm"):
        yield _group(f"model.layers.*.self_attn.{norm}.weight", "BF16", (64,))
    plain, quantized = (ATTENTION, EXPERT) if moe else ({}, {**ATTENTION, **MLP})
    if moe:
        plain = {**ATTENTION, "mlp.gate": (EXPERTS, 512)}
    for name, shape in plain.items():
        yield _group(f"model.layers.*.{name}.weight", "BF16", shape)
    for name, (out, inp) in quantized.items():
        for suffix, (dtype, shape_of) in _stored(form, moe).items():
            if name.endswith(("o_proj", "down_proj")):
                shape_of = form.rows.get(suffix, shape_of)
            yield _group(f"model.layers.*.{name}.{suffix}", dtype, shape_of(out, inp))


def _description(form: Format, moe: bool) -> dict[str, Any]:
    """ModelSlim's file: every tensor's type; what is not quantized is FLOAT."""
    described: dict[str, Any] = {"model_quant_type": form.slim, **form.keys}
    for group in _tensors(form, moe):
        module, _, suffix = group.template.rpartition(".")
        quantized = suffix in _stored(form, moe) and (
            ".experts." in module if moe else ".self_attn.q" in module or "_proj" in module
        )
        for layer in group.layers or (None,):
            names = [group.template if layer is None else group.template.replace("*", str(layer), 1)]
            if ".experts." in names[0]:
                names = [names[0].replace("*", str(n)) for n in range(EXPERTS)]
            described.update(dict.fromkeys(names, form.slim if quantized else "FLOAT"))
    return described


# compressed-tensors ---------------------------------------------------------------------------------------------------


def _args(bits: int, kind: str, strategy: str, *, symmetric: bool = True, **more: Any) -> dict[str, Any]:
    args = {"num_bits": bits, "type": kind, "strategy": strategy, "symmetric": symmetric, "dynamic": False,
            "group_size": None, "block_structure": None}  # fmt: skip
    return {**args, **more}


def _ct(weights: dict[str, Any], inputs: dict[str, Any] | None, form: str, **more: Any) -> dict[str, Any]:
    group = {"weights": weights, "input_activations": inputs, "output_activations": None, "targets": ["Linear"],
             "format": form}  # fmt: skip
    return {"quant_method": "compressed-tensors", "format": form, "config_groups": {"group_0": group},
            "quantization_status": "compressed", "kv_cache_scheme": None, **more}  # fmt: skip


_INT8 = {"weight": ("I8", FULL), "weight_scale": ("BF16", ROWS)}
_FP8 = {"weight": ("F8_E4M3", FULL), "weight_scale": ("BF16", ROWS)}
_TOKEN8 = _args(8, "int", "token", dynamic=True)
_TOKEN_FP8 = _args(8, "float", "token", dynamic=True)


def _wna16(size: int, *, symmetric: bool = True, bits: int = 4) -> Format:
    ratio = 32 // bits
    tensors = {"weight_packed": ("I32", packed(ratio)),
               "weight_scale": ("BF16", grouped(size) if size > 0 else ROWS),
               "weight_shape": ("I64", lambda out, inp: (2,))}  # fmt: skip
    if not symmetric:
        tensors["weight_zero_point"] = ("I32", lambda out, inp: (out // ratio, inp // size))
    args = _args(
        bits, "int", "group" if size > 0 else "channel", symmetric=symmetric, group_size=size if size > 0 else None
    )
    return Format(tensors, _ct(args, None, "pack-quantized"))


COMPRESSED: dict[str, Format] = {
    "int8 static": Format(
        {**_INT8, "input_scale": ("F32", ONE)},
        _ct(_args(8, "int", "channel"), _args(8, "int", "tensor"), "int-quantized"),
    ),
    "int8 dynamic": Format(_INT8, _ct(_args(8, "int", "channel"), _TOKEN8, "int-quantized")),
    "int8 asymmetric input": Format(
        {**_INT8, "input_scale": ("F32", ONE), "input_zero_point": ("I8", ONE)},
        _ct(_args(8, "int", "channel"), _args(8, "int", "tensor", symmetric=False), "int-quantized"),
    ),
    "int8 weight per tensor": Format(
        {"weight": ("I8", FULL), "weight_scale": ("BF16", ONE)},
        _ct(_args(8, "int", "tensor"), _TOKEN8, "int-quantized"),
    ),
    "int8 weight per group": Format(
        {"weight": ("I8", FULL), "weight_scale": ("BF16", grouped(128))},
        _ct(_args(8, "int", "group", group_size=128), _TOKEN8, "int-quantized"),
    ),
    "float8 dynamic": Format(_FP8, _ct(_args(8, "float", "channel"), _TOKEN_FP8, "float-quantized")),
    "float8 static channel": Format(
        {**_FP8, "input_scale": ("F32", ONE)},
        _ct(_args(8, "float", "channel"), _args(8, "float", "tensor"), "float-quantized"),
    ),
    "float8 static tensor": Format(
        {"weight": ("F8_E4M3", FULL), "weight_scale": ("F32", ONE), "input_scale": ("F32", ONE)},
        _ct(_args(8, "float", "tensor"), _args(8, "float", "tensor"), "float-quantized"),
    ),
    "float8 block": Format(
        {"weight": ("F8_E4M3", FULL), "weight_scale": ("F32", grouped(128, 128))},
        _ct(_args(8, "float", "block", block_structure=[128, 128]),
            _args(8, "float", "group", dynamic=True, group_size=128), "float-quantized"),
    ),
    "float8 weights only": Format(_FP8, _ct(_args(8, "float", "channel"), None, "naive-quantized")),
    "W4A16 group 128": _wna16(128),
    "W4A16 group 32": _wna16(32),
    "W4A16 channel": _wna16(-1),
    "W4A16 asymmetric": _wna16(32, symmetric=False),
    "W8A16": _wna16(128, bits=8),
    "W4A8 channel": Format(
        {"weight": ("I8", FULL), "weight_scale": ("BF16", ROWS)},
        _ct(_args(4, "int", "channel"), _TOKEN8, "int-quantized"),
    ),
    "W4A8 group": Format(
        {"weight": ("I8", FULL), "weight_scale": ("BF16", grouped(128))},
        _ct(_args(4, "int", "group", group_size=128), _TOKEN8, "int-quantized"),
    ),
    "W4A8 packed": Format(
        {"weight_packed": ("I32", packed(8)), "weight_scale": ("BF16", grouped(32)),
         "weight_shape": ("I64", lambda out, inp: (2,))},
        _ct(_args(4, "int", "group", group_size=32), _TOKEN8, "pack-quantized"),
    ),
    "NVFP4": Format(
        {"weight_packed": ("U8", packed(2)), "weight_scale": ("F8_E4M3", grouped(16)),
         "weight_global_scale": ("F32", ONE), "input_global_scale": ("F32", ONE)},
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

# formats known by quant_method ----------------------------------------------------------------------------------------

_BLOCK = {"weight": ("F8_E4M3", FULL), "weight_scale_inv": ("F32", grouped(128, 128))}
_AWQ = {"qweight": ("I32", lambda out, inp: (inp, out // 8)),
        "qzeros": ("I32", lambda out, inp: (inp // 128, out // 8)),
        "scales": ("F16", lambda out, inp: (inp // 128, out))}  # fmt: skip
_GPTQ = {"qweight": ("I32", lambda out, inp: (inp // 8, out)),
         "qzeros": ("I32", lambda out, inp: (inp // 128, out // 8)),
         "scales": ("F16", lambda out, inp: (inp // 128, out)), "g_idx": ("I32", lambda out, inp: (inp,))}  # fmt: skip
_SCALAR_FP8 = {"weight": ("F8_E4M3", FULL), "weight_scale": ("F32", lambda out, inp: ()),
               "input_scale": ("F32", lambda out, inp: ())}  # fmt: skip
_MX = {"weight": ("F8_E4M3", FULL), "weight_scale": ("U8", grouped(32))}

NAMED: dict[str, Format] = {
    "awq": Format(_AWQ, {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}),
    "gptq": Format(
        _GPTQ, {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True, "lm_head": False}
    ),
    "modelopt FP8": Format(_SCALAR_FP8, {"quant_method": "modelopt", "quant_algo": "FP8"}),
    "modelopt NVFP4": Format(
        {"weight": ("U8", packed(2)), "weight_scale": ("F8_E4M3", grouped(16)), "weight_scale_2": ("F32", ONE)},
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16},
    ),
    "modelopt MXFP8": Format(_MX, {"quant_method": "modelopt", "quant_algo": "MXFP8"}),
    "modelopt mixed": Format(_SCALAR_FP8, {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}),
    "mxfp8": Format(_MX, {"quant_method": "mxfp8"}),
    "mxfp4": Format(
        {"weight": ("U8", packed(2)), "weight_scale": ("U8", grouped(32))}, {"quant_method": "mxfp4"}
    ),
    "bitsandbytes": Format(
        {"weight": ("U8", lambda out, inp: (out * inp // 2, 1)), "weight.absmax": ("U8", FLAT)},
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    ),
    "quark": Format(_SCALAR_FP8, {"quant_method": "quark", "export": {}, "global_quant_config": {}}),
    "torchao": Format(
        {"weight": ("I8", FULL)}, {"quant_method": "torchao", "quant_type": {"default": "int8_weight_only"}}
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

# ModelSlim ------------------------------------------------------------------------------------------------------------

_SCALES = {"weight_scale": ("F32", ROWS), "weight_offset": ("F32", ROWS)}
_STATIC = {"input_scale": ("BF16", ONE), "input_offset": ("BF16", ONE), "quant_bias": ("I32", FLAT),
           "deq_scale": ("F32", FLAT)}  # fmt: skip
_MX4 = {"weight": ("U8", packed(2)), "weight_scale": ("U8", grouped(32))}
_W4A8 = {"weight": ("I8", lambda out, inp: (out // 2, inp)), **_SCALES, "scale_bias": ("F32", ROWS),
         "weight_scale_second": ("F32", grouped(256)), "weight_offset_second": ("F32", grouped(256))}  # fmt: skip
_SLIM: dict[str, dict[str, tuple[str, Shape]]] = {
    "W8A8": {"weight": ("I8", FULL), **_SCALES, **_STATIC},
    "W8A8_DYNAMIC": {"weight": ("I8", FULL), **_SCALES},
    "W8A8_MIX": {"weight": ("I8", FULL), **_SCALES, **_STATIC},
    "W8A8S": {"weight": ("I8", FULL), **_STATIC},
    "W8A8SC": {"weight": ("I8", lambda out, inp: (out * inp,)), "index": ("I8", lambda out, inp: (out * inp,)),
               "info": ("I64", lambda out, inp: (5,)), **_STATIC},
    "W8A16": {"weight": ("I8", FULL), **_SCALES},
    "W4A16": {"weight_packed": ("I32", packed(8)), "weight_scale": ("BF16", grouped(32)),
              "weight_offset": ("BF16", grouped(32)), "weight_shape": ("I32", lambda out, inp: (2,))},
    "W4A4_FLATQUANT_DYNAMIC": {"weight": ("I8", FULL), **_SCALES},
    "W4A4_DYNAMIC": {"weight": ("I8", FULL), **_SCALES},
    "W8A8_MXFP8": {"weight": ("F8_E4M3", FULL), "weight_scale": ("U8", grouped(32))},
    "W4A4_MXFP4": _MX4,
    "W4A8_MXFP": _MX4,
    "W4A16_MXFP4": _MX4,
    "W8A8FP8_DYNAMIC": {"weight": ("F8_E4M3", FULL), **_SCALES},
}  # fmt: skip
MODELSLIM: dict[str, Format] = {name: Format(tensors, slim=name) for name, tensors in _SLIM.items()}
MODELSLIM["W4A8_DYNAMIC"] = Format(
    _W4A8,
    slim="W4A8_DYNAMIC",
    keys={"version": "1.0.0", "group_size": 256},
    rows={"scale_bias": lambda out, inp: (out, 16)},
)
MODELSLIM["W8A8_MIX"] = Format(
    _SLIM["W8A8_MIX"],
    slim="W8A8_MIX",
    experts={"weight": ("I8", FULL), **_SCALES, "deq_scale": ("F32", FLAT), "input_offset": ("I8", ONE)},
)
