"""Facts to meaning: runs the parts and puts the profile together."""

from __future__ import annotations

from ascend_compat.classify.attention import attention_groups, last_layer, rope
from ascend_compat.classify.modality import towers
from ascend_compat.classify.moe import moe_profile
from ascend_compat.classify.quant.audit import audit
from ascend_compat.classify.quant.lower import COMPANION, quant_profile
from ascend_compat.classify.speculative import mtp_profile
from ascend_compat.classify.tensors import matching
from ascend_compat.classify.view import ConfigView
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile, QuantProfile

#: Most layers a profile is made for; a larger number in config.json is taken as damage.
LAYER_LIMIT = 4096


def classify(facts: CheckpointFacts) -> ModelProfile:
    """The profile of a checkpoint. Never raises: what can't be read is absent, with a reason in ``unknown``."""
    view = ConfigView(facts.config)
    layers = _layers(view, facts)
    mtp = mtp_profile(view, facts.tensors, layers or 0)
    inside = frozenset(mtp.layers) if mtp and mtp.prefix == "model.layers.*" else frozenset()
    moe, moe_findings = moe_profile(view, facts.tensors, layers or 0, inside)
    attention = attention_groups(view, facts.tensors, layers or 0)
    head_dim = next((g.head_dim for g in attention if g.kind.value not in ("gdn", "mamba")), None)
    positions, rotary = rope(view, head_dim)
    quantization = quant_profile(facts)
    top = ConfigView({k: v for k, v in facts.config.items() if not isinstance(v, dict)})
    return ModelProfile(
        architecture=_architecture(facts),
        model_type=top.text("model_type"),
        text_config_path=view.text_path,
        dtype=view.text("torch_dtype", "dtype"),
        hidden_size=view.integer("hidden_size", "n_embd", "d_model"),
        layers=layers,
        vocab_size=view.integer("vocab_size"),
        intermediate_size=view.integer("intermediate_size", "ffn_hidden_size", "n_inner"),
        max_positions=view.integer("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"),
        tied_embeddings=_tied(view, facts),
        attention=attention,
        moe=moe,
        mtp=mtp,
        quantization=quantization,
        towers=towers(view, facts.tensors),
        rope=positions,
        norm=_norms(view, facts),
        activation=view.text("hidden_act", "hidden_activation", "activation_function"),
        attention_bias=_bias(view, facts),
        rotary_dim=rotary,
        parameters=_parameters(facts, quantization, view.unknown),
        findings=(*moe_findings, *audit(facts, quantization)),
        unknown=tuple(sorted(view.unknown.items())),
        evidence=view.evidence("num_hidden_layers", "hidden_size", "vocab_size"),
    )


def _architecture(facts: CheckpointFacts) -> str | None:
    names = facts.config.get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None


def _layers(view: ConfigView, facts: CheckpointFacts) -> int | None:
    declared = view.integer("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    if declared is not None and declared > LAYER_LIMIT:
        view.unknown["num_hidden_layers"] = f"{declared} layers are not credible"
        return None
    if declared is None:
        last = last_layer(facts.tensors)
        return last + 1 if last is not None and last < LAYER_LIMIT else None
    return declared


def _tied(view: ConfigView, facts: CheckpointFacts) -> bool:
    """Declared, or no output head among the tensors while an embedding is there."""
    declared = view.flag("tie_word_embeddings")
    if declared is not None:
        return declared
    has_head = bool(matching(facts.tensors, r"(^|\.)(lm_head|output)\.weight$"))
    return bool(matching(facts.tensors, r"(^|\.)embed_tokens\.weight$")) and not has_head


def _norms(view: ConfigView, facts: CheckpointFacts) -> tuple[str, ...]:
    found = ["RMSNorm"] if view.number("rms_norm_eps", "norm_eps", "rms_norm_epsilon") is not None else []
    if view.number("layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon") is not None:
        found.append("LayerNorm")
    if matching(facts.tensors, r"self_attn\.q_norm\.weight$") or view.flag("use_qk_norm"):
        found.append("QK norm")
    if matching(facts.tensors, r"layers\.\*\.(pre|post)_feedforward_layernorm\.weight$"):
        found.append("sandwich norm")
    return tuple(found)


def _bias(view: ConfigView, facts: CheckpointFacts) -> bool | None:
    if facts.tensors:
        return bool(matching(facts.tensors, r"self_attn\.(q_proj|qkv_proj|q_b_proj)\.bias$"))
    return view.flag("attention_bias", "qkv_bias")


def _parameters(facts: CheckpointFacts, quantization: QuantProfile, unknown: dict[str, str]) -> int | None:
    """Logical weights: stored elements without scales and offsets, packed integers counted as what they hold."""
    if not facts.has_weights:
        unknown["parameters"] = "no tensor was read"
        return None
    bits = [g.weights.num_bits for g in quantization.groups if g.weights]
    total = 0
    for group in facts.tensors:
        if group.parameter in ("weight_packed", "qweight"):
            if len(set(bits)) != 1 or not bits[0]:
                unknown["parameters"] = f"{group.template} is packed and its width is not declared"
                return None
            total += group.elements * 32 // bits[0] if group.dtype == "I32" else group.elements * 8 // bits[0]
        elif group.template.endswith("_blocks"):
            total += group.elements * 2
        elif not COMPANION.search(group.parameter):
            total += group.elements
    return total
