"""What a checkpoint means: layers by attention kind, experts, MTP, modalities, quantization."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.finding import Evidence, Finding
from ascend_compat.core.verdict import Word


class AttentionKind(Word):
    """How a layer mixes tokens; the names vLLM and the papers use."""

    GQA = "gqa"
    MHA = "mha"
    MQA = "mqa"
    MLA = "mla"
    DSA = "dsa"
    SLIDING = "sliding-window"
    COMPRESSED = "compressed"
    BLOCK_SPARSE = "block-sparse"
    GDN = "gdn"
    KDA = "kda"
    LINEAR = "linear-attention"
    MAMBA = "mamba"
    CROSS = "cross-attention"
    ENCODER = "encoder-only"
    UNKNOWN = "unknown"

    @property
    def recurrent(self) -> bool:
        """Whether a layer keeps a state of fixed size instead of keys."""
        return self in (AttentionKind.GDN, AttentionKind.KDA, AttentionKind.LINEAR, AttentionKind.MAMBA)

    @property
    def counted(self) -> bool:
        """Whether a cache of this kind is counted layer by layer; compressed layers are counted together."""
        return self not in _UNCOUNTED


_UNCOUNTED = frozenset((AttentionKind.COMPRESSED, AttentionKind.UNKNOWN))


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Layers with the same attention; sizes are heads and elements, ``None`` where the kind has no such thing.

    GDN: ``heads`` are value heads, ``kv_heads`` key heads, ``head_dim`` the key dim, ``v_head_dim`` the value dim.
    Mamba2: ``kv_heads`` are the groups, ``v_head_dim`` the size of the state.
    Compressed: one key stands for ``compress_ratio`` tokens. ``sinks``: a learned logit per head beside the keys.
    """

    kind: AttentionKind
    layers: tuple[int, ...]
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    v_head_dim: int | None = None
    kv_lora_rank: int | None = None
    q_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    qk_nope_head_dim: int | None = None
    index_head_dim: int | None = None
    index_heads: int | None = None
    window: int | None = None
    conv_kernel: int | None = None
    state_dtype: str | None = None
    qk_norm: bool | None = None
    output_gate: bool | None = None
    compress_ratio: int | None = None
    sinks: bool | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Router:
    """How tokens choose experts; ``None`` where neither configuration nor tensors say it.

    ``score`` is the function of the logits, ``groups`` of experts of which ``top_groups`` are kept; ``zero_experts``
    compute nothing, ``hash_layers`` choose by token id. ``dtype`` is that of the stored weight.
    """

    score: str | None = None
    groups: int | None = None
    top_groups: int | None = None
    correction_bias: bool | None = None
    dtype: str | None = None
    zero_experts: int | None = None
    hash_layers: int | None = None


@dataclass(frozen=True, slots=True)
class MoeProfile:
    """Experts: counts per layer, sizes in elements, which layers hold them, and what chooses among them.

    ``latent_size`` is the width of what routed experts take in and give back where it is not that of the hidden states.
    """

    routed: int
    shared: int
    top_k: int | None
    intermediate_size: int
    shared_intermediate_size: int | None
    layers: tuple[int, ...]
    dense_layers: tuple[int, ...]
    fused_tensors: bool = False
    router: Router | None = None
    latent_size: int | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class MtpProfile:
    """Multi-token prediction: what the configuration declares and what the tensors hold.

    ``kind`` is ``mtp`` for a namespace of its own, ``nextn`` for layers numbered on after the decoder's last.

    ``layers`` are layer indices of the MTP tensors in their own namespace; ``prefix`` is the name template they share
    (``model.layers.*`` or ``mtp.layers.*``). ``tensors`` counts them, ``bytes`` sums them.
    """

    declared: int
    layers: tuple[int, ...]
    prefix: str | None
    tensors: int
    bytes: int
    own_embedding: bool = False
    own_head: bool = False
    kind: str = "mtp"
    evidence: tuple[Evidence, ...] = ()

    @property
    def present(self) -> bool:
        """Whether any MTP tensor is in the checkpoint."""
        return self.tensors > 0


@dataclass(frozen=True, slots=True)
class QuantArgs:
    """How one kind of tensor is quantized, in the vocabulary of compressed-tensors."""

    num_bits: int
    type: str
    strategy: str | None
    dynamic: bool | str
    symmetric: bool | None
    group_size: int | None = None
    block_structure: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class QuantGroup:
    """Modules that share a declared scheme.

    ``declared`` is the format's own name for it (``W8A8_DYNAMIC``, ``float 8 bit channel / token dynamic``);
    ``modules`` are module templates; ``count`` the number of quantized weight tensors.
    """

    targets: tuple[str, ...]
    declared: str
    weights: QuantArgs | None
    activations: QuantArgs | None
    stored_dtype: str | None
    modules: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class QuantProfile:
    """The declared quantization of the whole checkpoint.

    ``method`` is ``quant_method`` of config.json, ``modelslim`` for a ModelSlim description file, ``None`` for a float
    checkpoint. ``ignore`` is as declared.
    """

    method: str | None
    format: str | None
    groups: tuple[QuantGroup, ...] = ()
    ignore: tuple[str, ...] = ()
    kv_cache: str | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class VisionProfile:
    """A vision (or audio) tower: module prefix, layers, width, bytes of its tensors."""

    modality: str
    prefix: str
    layers: int | None
    hidden_size: int | None
    heads: int | None
    bytes: int
    dtype: str | None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputHead:
    """A head beside the vocabulary: ``score``, ``reward``, ``value``, ``pooling``; ``name`` is where it is said."""

    kind: str
    name: str
    outputs: int | None = None


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """The whole model.

    ``mlp`` is the dense or expert block in words. ``drafter`` names what the whole checkpoint drafts with, ``None``
    for a model of its own; ``adapters`` are LoRA files or tensors in it. ``sources`` holds for every answer where it
    was read. A size that neither configuration nor tensors say is ``None``, with its reason in ``unknown``.
    """

    architecture: str | None
    model_type: str | None
    text_config_path: str
    dtype: str | None
    hidden_size: int | None
    layers: int | None
    vocab_size: int | None
    intermediate_size: int | None
    max_positions: int | None
    tied_embeddings: bool
    attention: tuple[AttentionGroup, ...]
    moe: MoeProfile | None
    mtp: MtpProfile | None
    quantization: QuantProfile
    towers: tuple[VisionProfile, ...] = ()
    rope: tuple[tuple[str, str], ...] = ()
    norm: tuple[str, ...] = ()
    activation: str | None = None
    attention_bias: bool | None = None
    rotary_dim: int | None = None
    parameters: int | None = None
    mlp: str | None = None
    heads: tuple[OutputHead, ...] = ()
    drafter: str | None = None
    adapters: tuple[str, ...] = ()
    sources: tuple[tuple[str, tuple[Evidence, ...]], ...] = ()
    findings: tuple[Finding, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def expert_width(self) -> int | None:
        """Elements of a token where it reaches the routed experts: those of their latent, else of the hidden states."""
        return (self.moe.latent_size if self.moe else None) or self.hidden_size

    @property
    def modalities(self) -> tuple[str, ...]:
        """``text`` and the modality of every tower."""
        return ("text", *(tower.modality for tower in self.towers))
