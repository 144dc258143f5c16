"""What surrounds attention: norms, activation, biases, tied embeddings, the number of layers."""

from __future__ import annotations

from ascend_compat.classify.attention import QK_NORM, QK_TENSORS
from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import decoder_tensors, layers_of, matching
from ascend_compat.core.facts import TensorGroup

#: Most layers a profile is made for; a larger number in config.json is taken as damage.
LAYER_LIMIT = 4096
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
ACTIVATION = ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act", "activation")
HEAD = r"(^|\.)(lm_head|output|embed_out|head)\.(weight|qweight|weight_packed)$"
EMBEDDING = r"(^|\.)(embed_tokens|wte|tok_embeddings|word_embeddings|embeddings|embed)\.weight$"
#: Any of these two around attention or MLP output makes a norm on both sides of a block.
_SANDWICH = r"\.(pre_feedforward_layernorm|post_feedforward_layernorm|post_self_attn_layernorm|post_mlp_layernorm)\."


def layer_count(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> int | None:
    """Decoder layers: declared, else the highest index in the tensors plus one."""
    declared = view.size(*LAYERS)
    if declared is not None and declared <= LAYER_LIMIT:
        return declared
    if declared is not None:
        view.unknown["layers"] = f"{declared} layers are not credible"
        return None
    found = layers_of(decoder_tensors(tensors))
    if found and found[-1] < LAYER_LIMIT:
        view.unknown["num_hidden_layers"] = f"not declared; the tensors reach layer {found[-1]}"
        return found[-1] + 1
    view.unknown["layers"] = "num_hidden_layers is not declared and no decoder layer was found in the tensors"
    return None


def tied(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> bool:
    """Whether the output head is the embedding: declared, else no head is stored beside an embedding."""
    declared = view.flag("tie_word_embeddings")
    if declared is not None:
        return declared
    if not tensors:
        view.unknown["tied_embeddings"] = "tie_word_embeddings is not declared; taken as false"
        return False
    return bool(matching(tensors, EMBEDDING)) and not matching(tensors, HEAD)


def norms(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> tuple[str, ...]:
    """Kinds of normalisation by their epsilon fields and tensors."""
    found: list[str] = []
    if view.number("rms_norm_eps", "rms_norm_epsilon", "norm_eps") is not None:
        found.append("RMSNorm")
    elif view.number("layer_norm_eps", "layer_norm_epsilon") is not None:
        found.append("LayerNorm")
    stack = decoder_tensors(tensors)
    if matching(stack, QK_TENSORS) or view.flag(*QK_NORM):
        found.append("QK norm")
    if matching(stack, _SANDWICH):
        found.append("sandwich norm")
    return tuple(found)


def attention_bias(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> bool | None:
    """Whether the query projection has a bias: by tensors, else declared."""
    stack = decoder_tensors(tensors)
    if stack:
        return bool(matching(stack, r"\.(q_proj|qkv_proj|q_b_proj|c_attn|query_key_value|wq|Wqkv)\.bias$"))
    return view.flag("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias")
