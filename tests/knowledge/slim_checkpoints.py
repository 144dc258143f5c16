"""A small dense and a small sparse checkpoint as ModelSlim writes them, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.units import tensor_bytes

FILE = "quant_model_description.json"
LAYERS, EXPERTS = (0, 1), 4
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
EXPERT = {f"mlp.experts.*.{name}": (512, 512) for name in ("gate_proj", "up_proj", "down_proj")}

Edit = Callable[[dict[str, Any]], None]


def _group(template: str, dtype: str, shape: tuple[int, ...], layers: tuple[int, ...] = LAYERS) -> TensorGroup:
    count = max(1, len(layers)) * (EXPERTS if ".experts." in template else 1)
    return TensorGroup(template, dtype, shape, count, tensor_bytes(dtype, shape) * count, layers)


def _quantized(sparse: bool) -> dict[str, tuple[int, int]]:
    return {**ATTENTION, **EXPERT} if sparse else {**ATTENTION, **MLP}


def _tensors(sparse: bool) -> Iterator[TensorGroup]:
    yield _group("model.embed_tokens.weight", "BF16", (1024, 512), ())
    yield _group("lm_head.weight", "BF16", (1024, 512), ())
    yield _group("model.norm.weight", "BF16", (512,), ())
    for norm, size in (("input_layernorm", 512), ("post_attention_layernorm", 512), ("self_attn.q_norm", 64),
                       ("self_attn.k_norm", 64)):  # fmt: skip
        yield _group(f"model.layers.*.{norm}.weight", "BF16", (size,))
    if sparse:
        yield _group("model.layers.*.mlp.gate.weight", "BF16", (EXPERTS, 512))
    for name, (rows, columns) in _quantized(sparse).items():
        yield _group(f"model.layers.*.{name}.weight", "I8", (rows, columns))
        for scale in ("weight_scale", "weight_offset"):
            yield _group(f"model.layers.*.{name}.{scale}", "F32", (rows, 1))


def _names(group: TensorGroup) -> Iterator[str]:
    for layer in group.layers or (None,):
        name = group.template if layer is None else group.template.replace("*", str(layer), 1)
        yield from (name.replace("*", str(n)) for n in range(EXPERTS)) if "*" in name else (name,)


def slim(
    *,
    sparse: bool = False,
    edit: Edit | None = None,
    described: bool = True,
    declared: Mapping[str, Any] | None = None,
    model_type: str | None = None,
) -> CheckpointFacts:
    """A W8A8_DYNAMIC checkpoint: ``edit`` changes the description, ``declared`` is a ``quantization_config``."""
    config = dict(SPARSE if sparse else DENSE)
    if declared is not None:
        config["quantization_config"] = dict(declared)
    if model_type is not None:
        config["model_type"] = model_type
    tensors = tuple(_tensors(sparse))
    description: dict[str, Any] = {"model_quant_type": "W8A8_DYNAMIC"}
    linear = {f"model.layers.*.{name}" for name in _quantized(sparse)}
    for group in tensors:
        kind = "W8A8_DYNAMIC" if group.module in linear else "FLOAT"
        description.update(dict.fromkeys(_names(group), kind))
    if edit is not None:
        edit(description)
    files = ("config.json", "model.safetensors", *((FILE,) if described else ()))
    return CheckpointFacts(
        "test", "local", None, config, files, tensors, True, shards=1,
        quant_description=description if described else None,
    )  # fmt: skip


def declare(kind: str, *projections: str) -> Edit:
    """Give projections another type in every layer."""

    def edit(description: dict[str, Any]) -> None:
        for name in [name for name in description if name.split(".")[-2:-1] and name.split(".")[-2] in projections]:
            description[name] = kind

    return edit


def leave_out(*parts: str) -> Edit:
    """Take entries out whose names hold a part."""

    def edit(description: dict[str, Any]) -> None:
        for name in [name for name in description if any(part in name for part in parts)]:
            del description[name]

    return edit
