"""Where each answer of the profile was read: the field with its path, or the tensor template."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_compat.classify.attention import HIDDEN, QK_NORM, QK_TENSORS
from ascend_compat.classify.body import ACTIVATION, BIASES, EMBEDDING, HEAD, LAYERS, NORM_FIELDS, QUERY_BIAS, SANDWICH
from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import decoder_tensors, header_evidence, matching, outer_tensors
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence

Sources = tuple[tuple[str, tuple[Evidence, ...]], ...]
#: Answers that are one field, by the fields they may be read from.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "architecture": ("architectures",),
    "model_type": ("model_type",),
    "layers": LAYERS,
    "hidden_size": HIDDEN,
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "max_positions": ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "max_sequence_length"),
    "dtype": ("dtype", "torch_dtype"),
    "activation": ACTIVATION,
    "attention_bias": BIASES,
    "tied_embeddings": ("tie_word_embeddings",),
    "norm": (*NORM_FIELDS, *QK_NORM),
}
#: Answers the tensors give, by the templates that do.
_TENSORS: Mapping[str, tuple[str, ...]] = {
    "attention_bias": (QUERY_BIAS,),
    "norm": (QK_TENSORS, SANDWICH),
}


def sources(view: ConfigView, tensors: tuple[TensorGroup, ...], parts: Mapping[str, tuple[Evidence, ...]]) -> Sources:
    """Evidence by answer; ``parts`` brings that of the parts with evidence of their own."""
    stack, outside = decoder_tensors(tensors), outer_tensors(tensors)
    out: dict[str, tuple[Evidence, ...]] = {name: view.evidence(*fields) for name, fields in FIELDS.items()}
    for name, patterns in _TENSORS.items():
        seen = [group for pattern in patterns for group in matching(stack, pattern)[:1]]
        out[name] += tuple(header_evidence(group) for group in seen)
    if not out["tied_embeddings"]:
        seen = [*matching(outside, EMBEDDING)[:1], *matching(outside, HEAD)[:1]]
        out["tied_embeddings"] = tuple(header_evidence(group) for group in seen)
    if not out["layers"] and stack:
        out["layers"] = (header_evidence(stack[0]),)
    out.update(parts)
    return tuple((name, found) for name, found in sorted(out.items()) if found)
