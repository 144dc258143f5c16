"""What surrounds attention: norms, activation, biases, tied embeddings, the number of layers."""

from __future__ import annotations

from ascend_compat.classify.attention import QK_NORM, QK_TENSORS
from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import decoder_tensors, header_evidence, layers_of, matching
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence

#: Most layers a profile is made for; a larger number in config.json is taken as damage.
LAYER_LIMIT = 4096
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
ACTIVATION = ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act", "activation")
HEAD = r"(^|\.)(lm_head|output|embed_out|head)\.(weight|qweight|weight_packed)$"
EMBEDDING = r"(^|\.)(embed_tokens|wte|tok_embeddings|word_embeddings|embeddings|embed)\.weight$"
#: Any of these two around attention or MLP output makes a norm on both sides of a block.
SANDWICH = r"\.(pre_feedforward_layernorm|post_feedforward_layernorm|post_self_attn_layernorm|post_mlp_layernorm)\."
_RMS = ("rms_norm_eps", "rms_norm_epsilon", "norm_eps", "layernorm_epsilon")
_LAYER = ("layer_norm_eps", "layer_norm_epsilon")
NORM_FIELDS = (*_RMS, *_LAYER)
_NORM = r"\.(input_layernorm|post_attention_layernorm|attn_norm|ffn_norm|attention_norm|ln_1|ln_2|norm|norm1)"
BIASES = ("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias")
QUERY_BIAS = r"\.(q_proj|qkv_proj|q_b_proj|c_attn|query_key_value|wq|Wqkv)\.bias$"
#: The projection that gates, alone or fused with the one it multiplies.
_GATED = r"\.(gate_proj|gate_up_proj|w3|w13|gate_and_up_projs)(_blocks|_weight|\.\w+)?$"
_UP = r"\.(up_proj|fc1|c_fc|dense_h_to_4h|w1)(\.\w+)?$"


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
    """Kinds of normalisation: a norm with a bias is a LayerNorm; without tensors the field of its epsilon says it."""
    stack = decoder_tensors(tensors)
    biased, plain = matching(stack, rf"{_NORM}\.bias$"), matching(stack, rf"{_NORM}\.weight$")
    found: list[str] = []
    if biased or plain:
        found.append("LayerNorm" if biased else "RMSNorm")
    elif view.number(*_RMS) is not None:
        found.append("RMSNorm")
    elif view.number(*_LAYER) is not None:
        found.append("LayerNorm")
    for fields in (_RMS, _LAYER):
        view.number(*fields)
    if matching(stack, QK_TENSORS) or view.flag(*QK_NORM):
        found.append("QK norm")
    if matching(stack, SANDWICH):
        found.append("sandwich norm")
    return tuple(found)


def attention_bias(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> bool | None:
    """Whether the query projection has a bias: by tensors, else declared."""
    stack = decoder_tensors(tensors)
    declared = view.flag(*BIASES)
    return bool(matching(stack, QUERY_BIAS)) if stack else declared


def mlp(tensors: tuple[TensorGroup, ...], activation: str | None) -> tuple[str | None, tuple[Evidence, ...]]:
    """The feed-forward block: ``gated silu`` where two projections are multiplied, ``plain relu2`` where one is."""
    stack = decoder_tensors(tensors)
    gated, up = matching(stack, _GATED), matching(stack, _UP)
    if not gated and not up:
        return None, ()
    said = tuple(header_evidence(group) for group in (gated or up)[:1])
    return f"{'gated' if gated else 'plain'} {activation or ''}".rstrip(), said
