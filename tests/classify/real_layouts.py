"""Checkpoints laid out as publishers lay them out: names, dtypes and shapes of real ones, at a fraction of the size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from classify_tables import facts, group

from ascend_compat.core.facts import CheckpointFacts, TensorGroup

Store = Callable[[str, int, int, Sequence[int], int], Iterator[TensorGroup]]
HIDDEN, WIDE, EXPERTS = 1024, 2048, 4
BASE: dict[str, Any] = {
    "num_hidden_layers": 4, "hidden_size": HIDDEN, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 128,
    "intermediate_size": WIDE, "vocab_size": 1000, "rms_norm_eps": 1e-6, "hidden_act": "silu", "dtype": "bfloat16",
    "tie_word_embeddings": False,
}  # fmt: skip
GQA = {"q_proj": (1024, HIDDEN), "k_proj": (256, HIDDEN), "v_proj": (256, HIDDEN), "o_proj": (HIDDEN, 1024)}
MLA = {"q_a_proj": (768, HIDDEN), "q_b_proj": (8 * 192, 768), "kv_a_proj_with_mqa": (576, HIDDEN),
       "kv_b_proj": (8 * 256, 512), "o_proj": (HIDDEN, 1024)}  # fmt: skip
GATED = {"gate_proj": (WIDE, HIDDEN), "up_proj": (WIDE, HIDDEN), "down_proj": (HIDDEN, WIDE)}
ALL = range(4)


class Layout(NamedTuple):
    """A checkpoint and the findings that are true of it."""

    facts: CheckpointFacts
    expected: frozenset[str] = frozenset()


def bf16(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
    yield group(f"{name}.weight", "BF16", (rows, columns), layers, each)


def fp8(scale: str = "weight_scale_inv", dtype: str = "F32", size: int | None = 128, **more: str) -> Store:
    """Float8 with scales by block, row (``size`` 0) or tensor (``None``); ``more``: dtypes of further scalars."""

    def store(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
        shape = () if size is None else (rows, 1) if size == 0 else (-(-rows // size), -(-columns // size))
        yield group(f"{name}.weight", "F8_E4M3", (rows, columns), layers, each)
        yield group(f"{name}.{scale}", dtype, shape, layers, each)
        for companion, kind in more.items():
            yield group(f"{name}.{companion}", kind, (), layers, each)

    return store


def packed(bits: int, size: int, shape_dtype: str = "I64", zero: bool = False) -> Store:
    """compressed-tensors ``pack-quantized``."""

    def store(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
        groups = columns // size if size else 1
        yield group(f"{name}.weight_packed", "I32", (rows, columns * bits // 32), layers, each)
        yield group(f"{name}.weight_scale", "BF16", (rows, groups), layers, each)
        yield group(f"{name}.weight_shape", shape_dtype, (2,), layers, each)
        if zero:
            yield group(f"{name}.weight_zero_point", "I32", (rows * bits // 32, groups), layers, each)

    return store


def awq(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
    yield group(f"{name}.qweight", "I32", (columns, rows // 8), layers, each)
    yield group(f"{name}.qzeros", "I32", (columns // 128, rows // 8), layers, each)
    yield group(f"{name}.scales", "F16", (columns // 128, rows), layers, each)


def gptq(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
    yield group(f"{name}.qweight", "I32", (columns // 8, rows), layers, each)
    yield group(f"{name}.qzeros", "I32", (columns // 128, rows // 8), layers, each)
    yield group(f"{name}.scales", "F16", (columns // 128, rows), layers, each)
    yield group(f"{name}.g_idx", "I32", (columns,), layers, each)
    yield group(f"{name}.bias", "F16", (rows,), layers, each)


def nvfp4(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
    yield group(f"{name}.weight", "U8", (rows, columns // 2), layers, each)
    yield group(f"{name}.weight_scale", "F8_E4M3", (rows, columns // 16), layers, each)
    for companion in ("weight_scale_2", "input_scale"):
        yield group(f"{name}.{companion}", "F32", (), layers, each)


def slim(kind: str, **keys: Any) -> Store:
    """ModelSlim: what each type stores beside the weight."""
    tables: dict[str, dict[str, tuple[str, str]]] = {
        "static": {"input_scale": ("BF16", "one"), "input_offset": ("BF16", "one"), "quant_bias": ("I32", "rows"),
                   "deq_scale": ("F32", "rows")},
        "dynamic": {"weight_scale": ("BF16", "column"), "weight_offset": ("BF16", "column")},
        "mx": {"weight_scale": ("U8", "groups")},
    }  # fmt: skip

    def store(name: str, rows: int, columns: int, layers: Sequence[int], each: int = 1) -> Iterator[TensorGroup]:
        shapes = {"one": (1,), "rows": (rows,), "column": (rows, 1), "groups": (rows, columns // 32),
                  "second": (rows, columns // 256)}  # fmt: skip
        dtype, pack = keys.get("dtype", "I8"), keys.get("pack", (1, 1))
        yield group(f"{name}.weight", dtype, (rows // pack[0], columns // pack[1]), layers, each)
        for part in (kind, *keys.get("also", ())):
            for companion, (scale, shape) in tables.get(part, {}).items():
                yield group(f"{name}.{companion}", scale, shapes[shape], layers, each)
        for companion, (scale, shape) in keys.get("more", {}).items():
            yield group(f"{name}.{companion}", scale, shapes[shape], layers, each)

    return store


def model(
    attention: Store | None, mlp: Store | None, *, kind: str = "gqa", experts: Store | None = None,
    layers: Sequence[int] = ALL, head: str = "model", moe_from: int = 1, shared: Store | None = None,
) -> list[TensorGroup]:  # fmt: skip
    """A decoder; a part without a store is BF16, ``experts`` makes layers from ``moe_from`` on sparse."""
    out = [group(name, "BF16", (1000, HIDDEN)) for name in (f"{head}.embed_tokens.weight", "lm_head.weight")]
    out.append(group(f"{head}.norm.weight", "BF16", (HIDDEN,)))
    stem = f"{head}.layers.*"
    for norm in ("input_layernorm", "post_attention_layernorm"):
        out.append(group(f"{stem}.{norm}.weight", "BF16", (HIDDEN,), layers))
    for name, (rows, columns) in (GQA if kind == "gqa" else MLA).items():
        out.extend((attention or bf16)(f"{stem}.self_attn.{name}", rows, columns, layers, 1))
    dense = [n for n in layers if experts is None or n < moe_from]
    sparse = [n for n in layers if n not in dense]
    for name, (rows, columns) in GATED.items():
        out.extend((mlp or bf16)(f"{stem}.mlp.{name}", rows, columns, dense, 1))
        if sparse and experts is not None:
            rows, columns = (HIDDEN, 512) if name == "down_proj" else (512, HIDDEN)
            out.extend(experts(f"{stem}.mlp.experts.*.{name}", rows, columns, sparse, EXPERTS))
            out.extend((shared or mlp or bf16)(f"{stem}.mlp.shared_experts.{name}", rows, columns, sparse, 1))
    if sparse:
        out.append(group(f"{stem}.mlp.gate.weight", "BF16", (EXPERTS, HIDDEN), sparse))
        out.append(group(f"{stem}.mlp.gate.e_score_correction_bias", "F32", (EXPERTS,), sparse))
    return out


def moe_config(**more: Any) -> dict[str, Any]:
    return {**BASE, "n_routed_experts": EXPERTS, "num_experts_per_tok": 2, "n_shared_experts": 1,
            "moe_intermediate_size": 512, "first_k_dense_replace": 1, **more}  # fmt: skip


def described(tensors: Sequence[TensorGroup], kinds: Mapping[str, str], **keys: Any) -> dict[str, Any]:
    """ModelSlim's description of some tensors: ``kinds`` by a part of the name, FLOAT for what is stored in float."""
    out: dict[str, Any] = dict(keys)
    for tensor in tensors:
        kind = next((kind for part, kind in kinds.items() if part in tensor.template), "FLOAT")
        whole = tensor.dtype in ("BF16", "F32") and tensor.parameter in ("weight", "e_score_correction_bias")
        for layer in tensor.layers or (None,):
            name = tensor.template if layer is None else tensor.template.replace("*", str(layer), 1)
            for expert in range(EXPERTS) if "*" in name else (0,):
                out[name.replace("*", str(expert))] = "FLOAT" if whole else kind
    return out


def declared(config: Mapping[str, Any], quantization: Mapping[str, Any], tensors: list[TensorGroup]) -> CheckpointFacts:
    return facts({**config, "quantization_config": dict(quantization)}, tensors)


def draft(stem: str, layers: list[int]) -> list[TensorGroup]:
    """What an MTP layer has beside a decoder layer, always in float."""
    return [
        group(f"{stem}.eh_proj.weight", "BF16", (HIDDEN, 2 * HIDDEN), layers),
        *(group(f"{stem}.{name}.weight", "BF16", (HIDDEN,), layers) for name in ("enorm", "hnorm")),
        group(f"{stem}.embed_tokens.weight", "BF16", (1000, HIDDEN), layers),
        group(f"{stem}.shared_head.head.weight", "BF16", (1000, HIDDEN), layers),
    ]
