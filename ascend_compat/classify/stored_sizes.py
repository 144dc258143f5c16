"""Sizes that no field says, read off the tensors: widths of norms and projections, heads, vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.quant.stored import FLOAT_DTYPES
from ascend_compat.classify.tensors import decoder_tensors, matching, outer_tensors
from ascend_compat.core.facts import TensorGroup

_NORM = r"\.(input_layernorm|attn_norm|attention_norm|ln_1|pre_attention_layernorm|norm1)\.weight$"
QUERY = r"\.(q_proj|wq|query)\.weight$"
KEY = r"\.(k_proj|wk|key)\.weight$"
_GATE = r"\.(mlp|feed_forward|ffn)\.(gate_proj|up_proj|w1|w3|fc1)\.weight$"
_EMBEDDING = r"(^|\.)(embed_tokens|wte|tok_embeddings|word_embeddings|embeddings|embed)\.weight$"


def width(stack: Sequence[TensorGroup], pattern: str) -> int | None:
    """First dimension shared by all groups of a pattern, ``None`` when there is none or they differ."""
    sizes = {group.shape[0] for group in matching(stack, pattern) if group.shape}
    return sizes.pop() if len(sizes) == 1 else None


def hidden_size(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> int | None:
    """Elements of a hidden state: the width of the norm before attention."""
    return _noted(view, "hidden_size", width(decoder_tensors(tensors), _NORM), "the norms before attention")


def vocabulary(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> int | None:
    """Rows of the embedding; they may be padded."""
    found = [g for g in matching(outer_tensors(tensors), _EMBEDDING) if len(g.shape) == 2]
    rows = found[0].shape[0] if len(found) == 1 else None
    return _noted(view, "vocab_size", rows, "the embedding")


def dense_width(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> int | None:
    """Rows of the dense MLP's projections, where they are stored as they are."""
    found = matching(decoder_tensors(tensors), _GATE)
    rows = {g.shape[0] for g in found if g.shape and g.dtype in FLOAT_DTYPES}
    return _noted(view, "intermediate_size", rows.pop() if len(rows) == 1 else None, "the projections of the MLP")


def heads(view: ConfigView, stack: Sequence[TensorGroup], head_dim: int | None) -> tuple[int | None, int | None]:
    """Query and key heads: rows of the projections over the size of a head."""
    rows, keys = width(stack, QUERY), width(stack, KEY)
    if not head_dim or not rows or not keys or rows % head_dim or keys % head_dim:
        return None, None
    _noted(view, "num_attention_heads", rows // head_dim, "the query projection")
    return rows // head_dim, _noted(view, "num_key_value_heads", keys // head_dim, "the key projection")


def _noted(view: ConfigView, name: str, value: int | None, where: str) -> int | None:
    if value is not None:
        view.unknown[name] = f"not declared; {value} by {where}"
    return value
