"""Small checkpoints for the tests: a configuration and a tensor table, written down by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.units import tensor_bytes

DENSE: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 4, "hidden_size": 256,
    "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000,
    "rms_norm_eps": 1e-6, "hidden_act": "silu", "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip
#: Rows and columns of the linear layers of DENSE.
LINEAR = {
    "self_attn.q_proj": (256, 256), "self_attn.k_proj": (64, 256), "self_attn.v_proj": (64, 256),
    "self_attn.o_proj": (256, 256), "mlp.gate_proj": (512, 256), "mlp.up_proj": (512, 256), "mlp.down_proj": (256, 512),
}  # fmt: skip


def group(
    template: str, dtype: str, shape: Sequence[int], layers: Sequence[int] = (), per_layer: int = 1
) -> TensorGroup:
    count = per_layer * max(1, len(layers))
    return TensorGroup(
        template, dtype, tuple(shape), count, tensor_bytes(dtype, tuple(shape)) * count, tuple(layers)
    )  # fmt: skip


def outside(dtype: str = "BF16") -> list[TensorGroup]:
    """Embedding, last norm and head of DENSE."""
    return [
        group("model.embed_tokens.weight", dtype, (1000, 256)), group("model.norm.weight", dtype, (256,)),
        group("lm_head.weight", dtype, (1000, 256)),
    ]  # fmt: skip


def layers_of(
    dtype: str,
    scales: Mapping[str, tuple[str, Any]] | None = None,
    layers: Sequence[int] = range(4),
    parameter: str = "weight",
    pack: int = 1,
) -> list[TensorGroup]:
    """The linear layers of DENSE; ``scales``: companion to dtype and shape as a function of rows, columns."""
    out = [group("model.layers.*.input_layernorm.weight", "BF16", (256,), tuple(layers))]
    for name, (rows, columns) in LINEAR.items():
        module = f"model.layers.*.{name}"
        out.append(group(f"{module}.{parameter}", dtype, (rows, columns // pack), tuple(layers)))
        for companion, (kind, shape) in (scales or {}).items():
            out.append(group(f"{module}.{companion}", kind, shape(rows, columns), tuple(layers)))
    return out


def facts(
    config: Mapping[str, Any],
    tensors: Sequence[TensorGroup] = (),
    *,
    description: Mapping[str, Any] | None = None,
    modelopt: Mapping[str, Any] | None = None,
    files: Sequence[str] = (),
) -> CheckpointFacts:
    return CheckpointFacts(
        "test", "local", None, config, tuple(files), tuple(tensors), bool(tensors), shards=1 if tensors else 0,
        quant_description=description, hf_quant_config=modelopt,
    )  # fmt: skip


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]
