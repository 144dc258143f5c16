"""The architecture of a profile as a part of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ascend_compat.answer.document import evidence
from ascend_compat.core import report as doc
from ascend_compat.core.profile import AttentionGroup, ModelProfile, MoeProfile, Router

#: Sizes of a group that the row has under the same name.
_SAME = (
    "heads", "kv_heads", "head_dim", "v_head_dim", "kv_lora_rank", "window", "qk_norm", "q_lora_rank",
    "qk_rope_head_dim", "qk_nope_head_dim", "index_heads", "index_head_dim", "compress_ratio", "conv_kernel",
    "state_dtype", "output_gate", "sinks",
)  # fmt: skip


def architecture_part(profile: ModelProfile, pack: Mapping[str, Any]) -> doc.ArchitecturePart:
    """The model's structure and its registry entry."""
    entry = pack.get("architectures", {}).get(profile.architecture or "", {})
    return doc.ArchitecturePart(
        family=profile.model_type,
        hidden_size=profile.hidden_size,
        layers=profile.layers,
        vocab_size=profile.vocab_size,
        intermediate_size=profile.intermediate_size,
        max_positions=profile.max_positions,
        tied_embeddings=profile.tied_embeddings,
        attention=[_attention(group) for group in profile.attention],
        moe=_moe(profile.moe) if profile.moe else None,
        modalities=list(profile.modalities),
        rope=dict(profile.rope),
        norm=list(profile.norm),
        activation=profile.activation,
        attention_bias=profile.attention_bias,
        registered=f"{entry['module']}:{entry['class']}" if entry else None,
        registered_at=entry.get("at"),
        unknown=dict(profile.unknown),
        mlp=profile.mlp,
        towers=[
            doc.TowerRow(**{name: getattr(tower, name) for name in doc.TowerRow.model_fields})
            for tower in profile.towers
        ],
        heads=[doc.HeadRow(kind=head.kind, name=head.name, outputs=head.outputs) for head in profile.heads],
        drafter=profile.drafter,
        adapters=list(profile.adapters),
        sources={name: evidence(found) for name, found in profile.sources},
    )


def _attention(group: AttentionGroup) -> doc.AttentionRow:
    sizes = {name: getattr(group, name) for name in _SAME}
    return doc.AttentionRow(
        kind=group.kind.value,
        layers=len(group.layers),
        at=spans(group.layers),
        evidence=evidence(group.evidence),
        **sizes,
    )


def _moe(moe: MoeProfile) -> doc.MoePart:
    router = moe.router or Router()
    return doc.MoePart(
        routed=moe.routed,
        shared=moe.shared,
        top_k=moe.top_k,
        intermediate_size=moe.intermediate_size,
        layers=len(moe.layers),
        dense_layers=len(moe.dense_layers),
        at=spans(moe.layers),
        shared_intermediate_size=moe.shared_intermediate_size,
        fused_tensors=moe.fused_tensors,
        score=router.score,
        groups=router.groups,
        top_groups=router.top_groups,
        correction_bias=router.correction_bias,
        router_dtype=router.dtype,
        zero_experts=router.zero_experts,
        hash_layers=router.hash_layers,
    )


def spans(numbers: Iterable[int]) -> str:
    """Sorted numbers as spans: ``0-2, 5``."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in found)
