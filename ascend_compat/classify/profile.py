"""Facts to meaning: runs the parts and puts the profile together."""

from __future__ import annotations

from dataclasses import replace

from ascend_compat.classify.attention import HIDDEN, attention_groups
from ascend_compat.classify.body import ACTIVATION, LAYERS, attention_bias, layer_count, mlp, norms, tied
from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.consistency import shape_findings
from ascend_compat.classify.extras import adapters, drafter, output_heads
from ascend_compat.classify.modality import towers
from ascend_compat.classify.moe import moe_profile
from ascend_compat.classify.parameters import parameters
from ascend_compat.classify.positions import rope
from ascend_compat.classify.quant.audit import audit
from ascend_compat.classify.quant.formats import Quantization, quantization
from ascend_compat.classify.sources import sources
from ascend_compat.classify.speculative import mtp_findings, mtp_profile
from ascend_compat.classify.stored_sizes import dense_width, hidden_size, vocabulary
from ascend_compat.classify.tensors import decoder_prefix
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, Finding
from ascend_compat.core.profile import ModelProfile, MtpProfile

#: The dense MLP's width; two models keep ``intermediate_size`` for the experts (Llama 4, MiniMax-M3).
_DENSE = ("intermediate_size_mlp", "dense_intermediate_size", "intermediate_size", "ffn_hidden_size", "n_inner",
          "ffn_dim", "inner_size")  # fmt: skip
_POSITIONS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "max_sequence_length")
_DTYPE = ("dtype", "torch_dtype")


def classify(facts: CheckpointFacts) -> ModelProfile:
    """The profile of a checkpoint. Never raises: what can't be read is absent, with a reason in ``unknown``."""
    view = ConfigView(facts.config)
    layers = layer_count(view, facts.tensors)
    mtp = mtp_profile(view, facts.tensors, layers or 0)
    stack = decoder_prefix(facts.tensors)
    beyond = frozenset(mtp.layers) if mtp and mtp.prefix == f"{stack}.*" else frozenset()
    moe, moe_findings = moe_profile(view, facts.tensors, layers or 0, beyond)
    attention = attention_groups(view, facts.tensors, layers or 0)
    positions = rope(view, attention)
    declared = quantization(facts)
    activation = view.text(*ACTIVATION)
    block, block_said = mlp(facts.tensors, activation)
    heads, heads_said = output_heads(view, facts)
    lora, lora_said = adapters(facts)
    drafts, drafts_said = drafter(facts)
    seen = towers(view, facts.tensors)
    profile = ModelProfile(
        architecture=_architecture(view, facts),
        model_type=_model_type(view),
        text_config_path=view.text_path,
        dtype=view.text(*_DTYPE),
        hidden_size=view.size(*HIDDEN) or hidden_size(view, facts.tensors),
        layers=layers,
        vocab_size=view.size("vocab_size", "padded_vocab_size") or vocabulary(view, facts.tensors),
        intermediate_size=view.size(*_DENSE) or dense_width(view, facts.tensors),
        max_positions=view.size(*_POSITIONS),
        tied_embeddings=tied(view, facts.tensors),
        attention=attention,
        moe=moe,
        mtp=mtp,
        quantization=declared.profile,
        towers=seen,
        rope=positions.pairs,
        norm=norms(view, facts.tensors),
        activation=activation,
        attention_bias=attention_bias(view, facts.tensors),
        rotary_dim=positions.rotated,
        mlp=block,
        heads=heads,
        drafter=drafts,
        adapters=lora,
        parameters=parameters(facts, declared.profile, view.unknown),
        findings=(*moe_findings, *_contradictions(view, facts, layers, mtp, declared)),
        evidence=_evidence(view),
    )
    parts = {
        "attention": tuple(dict.fromkeys(item for group in attention for item in group.evidence)),
        "rope": positions.evidence,
        "moe": moe.evidence if moe else (),
        "mtp": mtp.evidence if mtp else (),
        "modalities": tuple(item for tower in seen for item in tower.evidence),
        "mlp": tuple(view.evidence(*_DENSE)) or block_said,
        "heads": heads_said,
        "adapters": lora_said,
        "drafter": drafts_said,
    }
    said = sources(view, facts.tensors, {name: found for name, found in parts.items() if found})
    return _with_unknown(replace(profile, sources=said), view, dict(declared.reasons))


def _contradictions(
    view: ConfigView, facts: CheckpointFacts, layers: int | None, mtp: MtpProfile | None, declared: Quantization
) -> tuple[Finding, ...]:
    """Where the tensors say something else than the configuration."""
    return (
        *mtp_findings(view, facts, mtp),
        *shape_findings(view, facts, layers),
        *audit(facts, declared, mtp),
    )


def _with_unknown(profile: ModelProfile, view: ConfigView, reasons: dict[str, str]) -> ModelProfile:
    """Add the reasons for what is absent, those of the parts and one for each size that no field says."""
    known = {**view.unknown, **reasons}
    for name in ("architecture", "layers", "hidden_size", "vocab_size", "max_positions", "dtype"):
        if getattr(profile, name) is None:
            known.setdefault(name, f"no usable field for {name} in config.json")
    return replace(profile, unknown=tuple(sorted(known.items())))


def _architecture(view: ConfigView, facts: CheckpointFacts) -> str | None:
    names = facts.config.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        view.read["architectures"] = names
        return names[0]
    return None


def _model_type(view: ConfigView) -> str | None:
    """``model_type`` of the whole model: the outermost level that has one."""
    for path, level in reversed(view.levels):
        if isinstance(level.get("model_type"), str):
            view.read[path + "model_type"] = level["model_type"]
            return str(level["model_type"])
    return None


def _evidence(view: ConfigView) -> tuple[Evidence, ...]:
    return view.evidence(
        "architectures", "model_type", *LAYERS, *HIDDEN, "vocab_size", *_DENSE, *_POSITIONS, *_DTYPE, *ACTIVATION,
        "tie_word_embeddings",
    )  # fmt: skip
