"""The architecture section of the report: layers by attention kind, experts, towers, heads, and where each was read."""

from __future__ import annotations

from pydantic import Field

from ascend_compat.core.parts import EvidenceRow, Part


class AttentionRow(Part):
    """Layers of one attention kind; absent sizes are ``null``. ``at`` is which layers, as spans: ``0-2, 5``."""

    kind: str
    layers: int
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    v_head_dim: int | None = None
    kv_lora_rank: int | None = None
    window: int | None = None
    qk_norm: bool | None = None
    at: str = ""
    q_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    qk_nope_head_dim: int | None = None
    index_heads: int | None = None
    index_head_dim: int | None = None
    compress_ratio: int | None = None
    conv_kernel: int | None = None
    state_dtype: str | None = None
    output_gate: bool | None = None
    sinks: bool | None = None
    evidence: list[EvidenceRow] = Field(default_factory=list)


class MoePart(Part):
    """Experts of the model; ``layers`` counts MoE layers, ``dense_layers`` those without experts, ``at`` is which.

    ``fused_tensors``: one tensor holds all experts of a layer. Fields of the router are ``null`` where nothing says
    them.
    """

    routed: int
    shared: int
    top_k: int | None
    intermediate_size: int
    layers: int
    dense_layers: int
    at: str = ""
    shared_intermediate_size: int | None = None
    fused_tensors: bool = False
    score: str | None = None
    groups: int | None = None
    top_groups: int | None = None
    correction_bias: bool | None = None
    router_dtype: str | None = None
    zero_experts: int | None = None
    hash_layers: int | None = None


class TowerRow(Part):
    """A vision or audio tower: the prefix its tensors share, its layers, the dtype most of its bytes are in."""

    modality: str
    prefix: str
    layers: int | None
    hidden_size: int | None
    heads: int | None
    bytes: int
    dtype: str | None


class HeadRow(Part):
    """A head beside the vocabulary (score, reward, value, pooling) and where it is said."""

    kind: str
    name: str
    outputs: int | None = None


class ArchitecturePart(Part):
    """The model's structure. ``registered`` is the registry entry of the release, ``null`` when there is none.

    ``sources`` holds for every answer the field or tensor it was read from; ``unknown`` the reason for what is absent
    or uncertain. ``drafter`` names what the whole checkpoint drafts with, ``adapters`` are LoRA files or tensors.
    """

    family: str | None
    hidden_size: int | None
    layers: int | None
    vocab_size: int | None
    intermediate_size: int | None
    max_positions: int | None
    tied_embeddings: bool
    attention: list[AttentionRow]
    moe: MoePart | None
    modalities: list[str]
    rope: dict[str, str]
    norm: list[str]
    activation: str | None
    attention_bias: bool | None
    registered: str | None
    registered_at: str | None
    unknown: dict[str, str] = Field(default_factory=dict)
    mlp: str | None = None
    towers: list[TowerRow] = Field(default_factory=list)
    heads: list[HeadRow] = Field(default_factory=list)
    drafter: str | None = None
    adapters: list[str] = Field(default_factory=list)
    sources: dict[str, list[EvidenceRow]] = Field(default_factory=dict)
