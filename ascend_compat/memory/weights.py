"""Weight bytes per rank and pipeline stage: what DeviceMemoryProfiler of the engine would log after load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ascend_compat.core.plan import Layout, WeightItem
from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.case import LATENT, Case, cdiv, text_config
from ascend_compat.memory.pieces import Piece, Place

_TENSOR_PARALLEL = "over tp"


def stage_layers(layers: int, pp: int) -> tuple[range, ...]:
    """Decoder layers of every pipeline stage.

    ``layers // pp`` each; the remainder goes to stages from the second-last backwards (V 0.23.0
    vllm/distributed/utils.py:109).
    """
    sizes = [layers // pp] * pp
    for back in range(layers % pp):
        sizes[(pp - 2 - back) % pp] += 1
    ranges, start = [], 0
    for size in sizes:
        ranges.append(range(start, start + size))
        start += size
    return tuple(ranges)


def stage_weights(case: Case, pieces: Sequence[Piece], layout: Layout, stage: int) -> tuple[WeightItem, ...]:
    """Breakdown of the weights on one rank of ``stage`` (0 is the first), largest first."""
    own = stage_layers(case.profile.layers or 0, layout.pp)[stage]
    first, last = stage == 0, stage == layout.pp - 1
    totals: dict[tuple[str, str], int] = {}
    for piece in _resident(case, pieces, layout, first, last):
        count = 1 if piece.place is not Place.LAYER else _layers_inside(piece, own, layout)
        size = piece_bytes(case, piece, layout) * count
        if size:
            key = (f"MTP: {piece.name}" if piece.place is Place.DRAFT else piece.name, spread(piece, layout))
            totals[key] = totals.get(key, 0) + size
    for name, size in (("rope caches", rope_bytes(case)), ("MTP: own head", _draft_head(case, pieces, layout, last))):
        if size:
            totals[(name, "every rank" if name == "rope caches" else _TENSOR_PARALLEL)] = size
    items = [WeightItem(name, size, how) for (name, how), size in totals.items()]
    return tuple(sorted(items, key=lambda item: (-item.bytes, item.name)))


def _layers_inside(piece: Piece, own: range, layout: Layout) -> int:
    return len(piece.layers) if layout.pp == 1 else sum(layer in own for layer in piece.layers)


def _resident(case: Case, pieces: Iterable[Piece], layout: Layout, first: bool, last: bool) -> Iterable[Piece]:
    """Pieces this stage holds: embedding and towers on the first, head and MTP on the last, tied head on both ends."""
    tied = case.profile.tied_embeddings
    for piece in pieces:
        vocab = piece.shard == "vocab"
        if piece.place is Place.DRAFT:
            shared = vocab and (layout.pp == 1 or piece.name == "output head")
            if last and case.draft_layers and not shared:
                yield piece
        elif piece.place is Place.FIRST:
            if first or (tied and vocab and last):
                yield piece
        elif piece.place is Place.LAST:
            if last and not (tied and vocab):
                yield piece
        else:
            yield piece


def _draft_head(case: Case, pieces: Sequence[Piece], layout: Layout, last: bool) -> int:
    """The head an MTP model keeps for itself: none for MLA models (equal to the target's) and tied embeddings.

    Source: A 0.23.0 vllm_ascend/spec_decode/llm_base_proposer.py:456.
    """
    latent = any(group.kind in LATENT for group in case.profile.attention)
    if not (last and case.draft_layers) or latent or case.profile.tied_embeddings:
        return 0
    stored = sum(p.per_layer for p in pieces if p.place is Place.DRAFT and p.name == "output head" and not p.vector)
    rows = cdiv(case.padded_vocab, layout.tp)
    return max(1, stored) * rows * (case.profile.hidden_size or 0) * case.element_bytes


def piece_bytes(case: Case, piece: Piece, layout: Layout) -> int:
    """Bytes one rank holds of one layer of ``piece``."""
    if piece.shard.startswith("expert"):
        return _expert_bytes(case, piece, layout)
    out, inner = _local(case, piece, layout)
    size = _tensor_bytes(piece, out, inner) * piece.per_layer
    keeps_copies = piece.attention is None or piece.attention.kind is not AttentionKind.DSA
    # W_UV and W_UK_T are contiguous copies beside kv_b_proj; sparse attention disposes of kv_b_proj instead.
    return size * 2 if piece.shard == "latent_column" and keeps_copies else size


def _local(case: Case, piece: Piece, layout: Layout) -> tuple[int, int]:
    """Rows and columns of one tensor on a rank."""
    tp, out, inner = layout.tp, piece.out, piece.inner
    if piece.shard in ("shared_column", "shared_row") and shared_experts_whole(case):
        return out, inner
    if (piece.shard == "latent_column" or piece.latent_query) and context_parallel(case):
        return out, inner
    if piece.shard in ("column", "shared_column", "latent_column"):
        return cdiv(out, tp), inner
    if piece.shard in ("row", "shared_row"):
        return (out, inner) if piece.vector else (out, cdiv(inner, tp))
    if piece.shard == "vocab":
        step = case.rules.integer("vocabulary_padding")
        return cdiv(cdiv(out, step) * step, tp), inner
    if piece.shard in ("kv", "fused_qkv"):
        return _kv_rows(piece, tp), inner
    return out, inner


def _kv_rows(piece: Piece, tp: int) -> int:
    """Rows of a key/value projection on a rank: whole heads, at least one (replicated when tp exceeds the heads)."""
    heads = (piece.attention.heads if piece.attention else None) or 0
    kv = (piece.attention.kv_heads if piece.attention else None) or 0
    if not kv:
        return cdiv(piece.out, tp)
    if piece.shard == "kv":
        return cdiv(piece.out * max(1, cdiv(kv, tp)), kv)
    return cdiv(piece.out * (cdiv(heads, tp) + 2 * max(1, cdiv(kv, tp))), heads + 2 * kv)


def _expert_bytes(case: Case, piece: Piece, layout: Layout) -> int:
    """Experts are whole per rank with expert parallelism, else every expert is split over tp x dp: the same bytes.

    Source: V 0.23.0 vllm/model_executor/layers/fused_moe/config.py:1165.
    """
    world = layout.tp * layout.dp
    if layout.ep:
        # Extra experts come in proportion to the routed ones, so that stacked layers scale alike.
        routed = max(1, case.profile.moe.routed) if case.profile.moe else 1
        count = cdiv(piece.per_layer * (routed + redundant_experts(case)), routed * world)
        return _tensor_bytes(piece, piece.out, piece.inner) * count
    if piece.shard == "expert_column":
        out, inner = cdiv(piece.out, world), piece.inner
    elif piece.shard == "expert_row" and not piece.vector:
        out, inner = piece.out, cdiv(piece.inner, world)
    else:
        out, inner = piece.out, piece.inner
    return _tensor_bytes(piece, out, inner) * piece.per_layer


def _tensor_bytes(piece: Piece, out: int, inner: int) -> int:
    size = cdiv(out * inner * piece.bits, 8)
    scheme = piece.scheme
    if scheme is None:
        return size
    size += scheme.per_out * out + scheme.per_in * inner
    if piece.shard == "expert_column":
        size += scheme.gate_up_per_out * out
    return size + (
        scheme.group_bytes * out * cdiv(inner, piece.group_size) if piece.group_size and piece.group_size > 0 else 0
    )


def redundant_experts(case: Case) -> int:
    """Extra expert copies of EPLB, from ``additional_config.eplb_config.num_redundant_experts``."""
    value = case.option("eplb_config", "num_redundant_experts")
    return value if isinstance(value, int) and value > 0 else 0


def shared_experts_whole(case: Case) -> bool:
    """Whether every rank keeps the whole shared expert (A 0.18.0 vllm_ascend/utils.py:796)."""
    return bool(case.option("enable_shared_expert_dp") or case.option("enable_flashcomm1"))


def context_parallel(case: Case) -> bool:
    """Whether DSA context parallelism keeps whole q_b and kv_b projections (A 0.18.0 vllm_ascend/utils.py:1240)."""
    if not any(group.kind is AttentionKind.DSA for group in case.profile.attention):
        return False
    implied = case.switch("dsa_cp_with_flashcomm") and case.option("enable_flashcomm1")
    return bool(implied or case.option("enable_dsa_cp"))


def rope_bytes(case: Case) -> int:
    """Rotary caches: copies x positions x rotary elements x model dtype; 0 when the model has no rotary attention.

    Source: A 0.23.0 vllm_ascend/ops/rotary_embedding.py:104; multi-axis caches V mrope.py:238.
    """
    group = case.attending
    width = case.profile.rotary_dim or (group and (group.qk_rope_head_dim or group.head_dim)) or 0
    if group is None or not case.profile.max_positions:
        return 0
    config = text_config(case.facts, case.profile)
    spaces = [config.get("rope_parameters"), config.get("rope_scaling"), dict(case.profile.rope)]
    multi = any(isinstance(space, Mapping) and "mrope_section" in space for space in spaces)
    copies = int(case.switch("mrope_copies" if multi else "rope_copies"))
    return copies * case.profile.max_positions * width * case.element_bytes


def spread(piece: Piece, layout: Layout) -> str:
    """How a piece is distributed, for the breakdown."""
    if piece.shard.startswith("expert"):
        return "whole experts over tp x dp" if layout.ep else "every expert over tp x dp"
    if piece.shard in ("kv", "fused_qkv"):
        return "by key/value head, at least one a rank"
    return "every rank" if piece.shard == "replicated" else _TENSOR_PARALLEL
