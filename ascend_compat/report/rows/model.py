"""Rows about the model and the environment: specification, versions, architecture, MTP."""

from __future__ import annotations

from ascend_compat.core.report import AttentionRow, EvidenceRow, MoePart
from ascend_compat.report.view import Sentence, Table, View, billions, code, codes, number, plain, size

_ATTENTION_SIZES = (
    "heads", "kv_heads", "head_dim", "v_head_dim", "q_lora_rank", "kv_lora_rank", "qk_rope_head_dim", "index_heads",
    "index_head_dim", "compress_ratio", "window", "state_dtype",
)  # fmt: skip
#: Rows whose answer has another name among the sources of the report.
_SOURCES = {"tied": "tied_embeddings", "kind": "modalities", "routed": "moe", "intermediate_size": "mlp",
            "towers": "modalities", "output_heads": "heads"}  # fmt: skip
#: Places named in a row; the JSON report has all.
_MOST_PLACES = 3


def specification(view: View) -> Table:
    """The model as its configuration and its tensors describe it; what the model has not is left out."""
    rows = [*_identity(view), *_structure(view), *_experts(view), *_text(view), *_beside(view), *_storage(view)]
    attention = iter(view.doc.architecture.attention)
    table = []
    for label, value in rows:
        said = next(attention).evidence if label == "attention" else _said(view, label)
        table.append((plain(view.word(f"spec.{label}")), value, codes([row.detail for row in said[:_MOST_PLACES]])))
    return view.table("attribute value read_from", table)


def environment(view: View) -> Table:
    """The versions the verdict holds for."""
    target = view.doc.target
    rows = [
        ("hardware", plain(view.platform)),
        ("vllm_ascend", plain(target.vllm_ascend)),
        ("vllm", _version(view, target.vllm)),
        ("cann", _version(view, target.cann)),
        ("torch_npu", _version(view, target.torch_npu)),
        ("minimum", plain(view.cards(view.doc.memory.minimum))),
        ("recommended", plain(view.cards(view.doc.memory.recommended))),
        ("pack", code(target.pack_digest)),
        ("tool", plain(view.doc.tool_version)),
    ]
    return view.table("component requirement", [(plain(view.word(f"environment.{name}")), row) for name, row in rows])


def architecture(view: View) -> Table:
    """Who knows the architecture: the registry of vLLM, the classes of vllm-ascend, the draft model."""
    part = view.doc.architecture
    rows = [(plain("vLLM"), plain(view.word(f"registered.{bool(part.registered)}")), _entry(view))]
    mtp = view.doc.mtp
    if mtp is not None and (mtp.declared or mtp.present):
        state = {True: "True", False: "False", None: "None"}[mtp.registered]
        name = mtp.draft_architecture
        rows.append(
            (
                plain("vLLM (MTP)"),
                plain(view.word(f"registered.{state}")),
                codes([part for part in (name, mtp.at) if part]),
            )
        )
    return view.table("side status evidence", rows)


def mtp(view: View) -> Sentence | None:
    """What is declared of multi-token prediction and what is there; ``None`` for a model without it."""
    part = view.doc.mtp
    if part is None or not (part.declared or part.present):
        return None
    layers = ", ".join(map(str, part.layers)) or "-"
    label = "mtp.present" if part.present else "mtp.missing"
    return view.say(label, declared=part.declared, tensors=number(part.tensors), layers=layers)


def unknown(view: View) -> list[Sentence]:
    """Facts neither the configuration nor the tensors say, with the reason."""
    return [view.say("unknown.fact", fact=fact, reason=why) for fact, why in view.doc.architecture.unknown.items()]


def _identity(view: View) -> list[tuple[str, Sentence]]:
    model, part = view.doc.model, view.doc.architecture
    kinds = [view.choice("modality", modality) for modality in part.modalities]
    return [
        ("name", code(model.name)),
        ("architecture", code(model.architecture)),
        ("model_type", code(model.model_type)),
        ("kind", plain(" + ".join([*kinds, *(["MoE"] if part.moe else [])]))),
        ("parameters", plain(billions(model.parameters))),
    ]


def _structure(view: View) -> list[tuple[str, Sentence]]:
    part = view.doc.architecture
    rows = [("hidden_size", plain(number(part.hidden_size))), ("layers", plain(number(part.layers)))]
    rows += [("attention", _attention(view, row)) for row in part.attention]
    return [*rows, ("intermediate_size", plain(number(part.intermediate_size)))]


def _said(view: View, label: str) -> list[EvidenceRow]:
    """Where a row's answer was read: the fields with their path, or the tensors."""
    return view.doc.architecture.sources.get(_SOURCES.get(label, label), [])


def _attention(view: View, row: AttentionRow) -> Sentence:
    sizes = [f"{name}={getattr(row, name)}" for name in _ATTENTION_SIZES if getattr(row, name) is not None]
    flags = {"QK norm": row.qk_norm, "output gate": row.output_gate, "sinks": row.sinks}
    sizes += [name for name, holds in flags.items() if holds]
    where = f" ({row.at})" if row.at and row.layers < (view.doc.architecture.layers or 0) else ""
    return plain(f"{view.choice('attention', row.kind)} x {row.layers}{where}: {', '.join(sizes)}".rstrip(": "))


def _experts(view: View) -> list[tuple[str, Sentence]]:
    moe = view.doc.architecture.moe
    if moe is None:
        return []
    return [
        ("routed", plain(number(moe.routed))),
        ("shared", plain(number(moe.shared))),
        ("top_k", plain(number(moe.top_k))),
        ("moe_intermediate_size", plain(number(moe.intermediate_size))),
        ("moe_layers", plain(view.word("spec.moe_split", moe=moe.layers, dense=moe.dense_layers))),
        *_router(moe),
    ]


def _router(moe: MoePart) -> list[tuple[str, Sentence]]:
    """What chooses among experts, as name=value; nothing where neither configuration nor tensors say it."""
    names = ("score", "groups", "top_groups", "correction_bias", "router_dtype", "zero_experts", "hash_layers")
    found = [f"{name}={getattr(moe, name)}" for name in names if getattr(moe, name) is not None]
    return [("router", plain(", ".join(found)))] if found else []


def _beside(view: View) -> list[tuple[str, Sentence]]:
    """Towers, heads for scores and embeddings, adapters, and what a drafter drafts with."""
    part = view.doc.architecture
    towers = [
        f"{view.choice('modality', tower.modality)} ({tower.prefix}): layers={tower.layers}, "
        f"hidden_size={tower.hidden_size}, {tower.dtype or '-'}"
        for tower in part.towers
    ]
    heads = [f"{head.kind}: {head.name}" for head in part.heads]
    rows = [("towers", towers), ("output_heads", heads), ("adapters", part.adapters)]
    rows.append(("drafter", [part.drafter] if part.drafter else []))
    return [(label, plain("; ".join(found))) for label, found in rows if found]


def _text(view: View) -> list[tuple[str, Sentence]]:
    part = view.doc.architecture
    yes_no = {True: view.word("yes"), False: view.word("no"), None: "-"}
    rope = ", ".join(f"{name}={value}" for name, value in part.rope.items())
    rows = [
        ("rope", plain(rope)),
        ("norm", plain(", ".join(part.norm))),
        ("activation", plain(part.mlp or part.activation)),
        ("attention_bias", plain(yes_no[part.attention_bias])),
        ("vocab_size", plain(number(part.vocab_size))),
        ("tied", plain(yes_no[part.tied_embeddings])),
        ("max_positions", plain(number(part.max_positions))),
    ]
    draft = mtp(view)
    return [*rows, ("mtp", draft)] if draft else rows


def _storage(view: View) -> list[tuple[str, Sentence]]:
    model, quantization = view.doc.model, view.doc.quantization
    if not model.tensors:
        return [("checkpoint", plain(view.word("spec.no_weights")))]
    files = "spec.files" if model.has_weights else "spec.computed"
    dtypes = ", ".join(f"{dtype} {size(count)}" for dtype, count in model.dtypes.items())
    declared = " / ".join(part for part in (quantization.method, quantization.format) if part)
    return [
        ("quantization", code(declared) if declared else plain(view.word("spec.float"))),
        ("checkpoint", plain(view.word(files, size=size(model.checkpoint_bytes), shards=model.shards))),
        ("tensors", plain(number(model.tensors))),
        ("dtypes", plain(dtypes)),
    ]


def _version(view: View, version: str | None) -> Sentence:
    return plain(version) if version else plain(view.word("version.unsaid"))


def _entry(view: View) -> Sentence:
    part = view.doc.architecture
    return codes([name for name in (part.registered, part.registered_at) if name])
