"""Checkpoints of one small model in every format that people publish, as tensor tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.units import tensor_bytes

EXPERTS = 4
#: Every checkpoint has quantized linear modules (attention) and quantized experts.
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "num_hidden_layers": 1, "hidden_size": 512,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "intermediate_size": 1024, "vocab_size": 1024,
    "rms_norm_eps": 1e-6, "hidden_act": "silu", "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    "max_position_embeddings": 4096, "num_experts": EXPERTS, "num_experts_per_tok": 2, "moe_intermediate_size": 512,
    "decoder_sparse_step": 1, "mlp_only_layers": [], "norm_topk_prob": True,
}  # fmt: skip
LAYERS = (0,)
ATTENTION = {
    "self_attn.q_proj": (512, 512), "self_attn.k_proj": (256, 512), "self_attn.v_proj": (256, 512),
    "self_attn.o_proj": (512, 512),
}  # fmt: skip
#: Quantized modules with their (rows, columns).
QUANTIZED = {**ATTENTION, **{f"mlp.experts.*.{name}": (512, 512) for name in ("gate_proj", "up_proj", "down_proj")}}

Shape = Callable[[int, int], tuple[int, ...]]


def full(out: int, inp: int) -> tuple[int, ...]:
    """As the weight itself: ``out`` rows of ``inp`` columns."""
    return (out, inp)


def rows(out: int, inp: int) -> tuple[int, ...]:
    """One value per row, as a column."""
    return (out, 1)


def flat(out: int, inp: int) -> tuple[int, ...]:
    """One value per row, as a vector."""
    return (out,)


def one(out: int, inp: int) -> tuple[int, ...]:
    """One value."""
    return (1,)


def grouped(size: int, lines: int = 1) -> Shape:
    """One value per ``size`` columns (and ``lines`` rows)."""
    return lambda out, inp: (out // lines, inp // size)


def packed(ratio: int) -> Shape:
    """``ratio`` values in one stored element along the columns."""
    return lambda out, inp: (out, inp // ratio)


@dataclass(frozen=True)
class Format:
    """How a quantized weight is stored, and what declares it; ``slim`` is a ModelSlim type instead of a config.

    ``keys`` are further keys of ModelSlim's description, ``experts`` what experts store where that differs,
    ``reduced`` the shapes of row-parallel projections that differ. Without tensors a module is stored as it is.
    """

    tensors: Mapping[str, tuple[str, Shape]]
    config: Mapping[str, Any] | None = None
    slim: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    experts: Mapping[str, tuple[str, Shape]] | None = None
    reduced: Mapping[str, Shape] = field(default_factory=dict)

    def stored(self, name: str) -> dict[str, tuple[str, Shape]]:
        """What is stored for the module ``name``, by parameter."""
        chosen = self.experts if ".experts." in name and self.experts is not None else self.tensors
        if name.endswith(("o_proj", "down_proj")):
            return {suffix: (dtype, self.reduced.get(suffix, shape)) for suffix, (dtype, shape) in chosen.items()}
        return dict(chosen)


def make(form: Format, config: Mapping[str, Any] = CONFIG) -> CheckpointFacts:
    """The checkpoint of ``form``: all linear modules and the experts quantized, the router and ``lm_head`` not."""
    declared = dict(config)
    if form.config is not None:
        declared["quantization_config"] = {**form.config, **_left_out(form.config)}
    tensors = tuple(_tensors(form))
    description = _description(form, tensors) if form.slim else None
    files = ("config.json", "model.safetensors", *(("quant_model_description.json",) if form.slim else ()))
    return CheckpointFacts(
        "test", "local", None, declared, files, tensors, True, shards=1, quant_description=description
    )


def _left_out(config: Mapping[str, Any]) -> dict[str, Any]:
    """The list of modules the format leaves alone, under the key and in the spelling of the format."""
    method = config.get("quant_method")
    if method == "compressed-tensors":
        return {"ignore": ["lm_head", "re:.*mlp\\.gate$"]}
    if method in ("modelopt", "mxfp8"):
        return {"ignore" if method == "modelopt" else "ignored_layers": ["lm_head", "*mlp.gate"]}
    if method == "fp8":
        return {"modules_to_not_convert": ["lm_head", *(f"model.layers.{n}.mlp.gate" for n in LAYERS)]}
    return {}


def _group(template: str, dtype: str, shape: tuple[int, ...], layers: tuple[int, ...] = ()) -> TensorGroup:
    count = max(1, len(layers)) * (EXPERTS if ".experts." in template else 1)
    return TensorGroup(template, dtype, shape, count, tensor_bytes(dtype, shape) * count, layers)


def _tensors(form: Format) -> Iterator[TensorGroup]:
    yield _group("model.embed_tokens.weight", "BF16", (1024, 512))
    yield _group("lm_head.weight", "BF16", (1024, 512))
    yield _group("model.norm.weight", "BF16", (512,))
    yield _group("model.layers.*.mlp.gate.weight", "BF16", (EXPERTS, 512), LAYERS)
    for norm in ("input_layernorm", "post_attention_layernorm"):
        yield _group(f"model.layers.*.{norm}.weight", "BF16", (512,), LAYERS)
    for norm in ("q_norm", "k_norm"):
        yield _group(f"model.layers.*.self_attn.{norm}.weight", "BF16", (64,), LAYERS)
    for name, shape in QUANTIZED.items():
        for suffix, (dtype, shape_of) in (form.stored(name) or {"weight": ("BF16", full)}).items():
            yield _group(f"model.layers.*.{name}.{suffix}", dtype, shape_of(*shape), LAYERS)


def _description(form: Format, tensors: tuple[TensorGroup, ...]) -> dict[str, Any]:
    """ModelSlim's file: every tensor's type; what is not quantized is FLOAT."""
    described: dict[str, Any] = {"model_quant_type": form.slim, **form.keys}
    quantized = {f"model.layers.*.{name}" for name in QUANTIZED}
    for group in tensors:
        for layer in group.layers or (None,):
            name = group.template if layer is None else group.template.replace("*", str(layer), 1)
            names = [name.replace("*", str(n)) for n in range(EXPERTS)] if "*" in name else [name]
            kind = form.slim if group.template.rpartition(".")[0] in quantized else "FLOAT"
            described.update(dict.fromkeys(names, kind))
    return described
