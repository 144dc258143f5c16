"""What a configuration means where it says nothing: defaults of the transformers class of its model type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: By ``model_type`` of the object of config.json that lacks the field. Only fields that change which layers attend how,
#: or what is stored. Source: transformers 4.57, models/*/configuration_*.py, arguments of ``__init__``.
CLASS_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "llama4_text": {"no_rope_layer_interval": 4, "attention_chunk_size": 8192, "interleave_moe_layer_step": 1},
    "gemma2": {"sliding_window": 4096, "sliding_window_pattern": 2, "tie_word_embeddings": True},
    "gemma3_text": {"sliding_window": 4096, "sliding_window_pattern": 6, "tie_word_embeddings": True},
    "gemma4_text": {"tie_word_embeddings": True},
    "qwen3_next": {"full_attention_interval": 4},
    "deepseek_v2": {"first_k_dense_replace": 0, "moe_layer_freq": 1},
    "qwen2_moe": {"decoder_sparse_step": 1},
    "qwen3_moe": {"decoder_sparse_step": 1},
}

#: What only an object inside another one leaves out: transformers writes into it what differs from its class, while the
#: top level says all. Source: transformers 4.57 configuration_utils.py, to_diff_dict; models/{llama,mistral}.
INNER_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "llama": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    "mistral": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
}


def default_of(level: Mapping[str, Any], name: str, inside: bool = False) -> Any:
    """The class default of a field that this object lacks, ``None`` where it names no class or the class has none.

    ``inside`` says that the object stands inside another one.
    """
    model_type = level.get("model_type")
    if not isinstance(model_type, str):
        return None
    inner = INNER_DEFAULTS.get(model_type, {}).get(name) if inside else None
    return CLASS_DEFAULTS.get(model_type, {}).get(name, inner)
