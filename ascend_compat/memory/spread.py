"""The share of one tensor that a rank holds: rows and columns by shard, and the options that change them."""

from __future__ import annotations

from collections.abc import Iterable

from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.case import Case, cdiv, produces
from ascend_compat.memory.pieces import Piece, Place
from ascend_compat.memory.vision import encoder_whole

#: The group name of output projections.
OUTPUT = "oproj"
_FLASHCOMM2 = "VLLM_ASCEND_FLASHCOMM2_PARALLEL_SIZE"
#: Layers kept beside a rank's own: the current one and the next.
_FETCHED = 2
_FLASHCOMM = ("VLLM_ASCEND_ENABLE_FLASHCOMM1", "VLLM_ASCEND_ENABLE_FLASHCOMM")


def expert_world(layout: Layout) -> int:
    """Ranks of one stage, over which experts are spread (V 0.23.0 layers/fused_moe/config.py:1165)."""
    return layout.tp * layout.dp * layout.pcp


def piece_bytes(case: Case, piece: Piece, layout: Layout, loading: bool = False) -> int:
    """Bytes one rank holds of one layer of ``piece``; ``loading`` gives them before they are packed after load."""
    if piece.shard.startswith("expert"):
        return _expert_bytes(case, piece, layout, loading)
    out, inner = local_shape(case, piece, layout)
    size = _tensor_bytes(piece, out, inner, loading) * piece.per_layer
    return size * (1 + copies(case, piece))


def copies(case: Case, piece: Piece) -> int:
    """Extra copies of a projection that stay beside it.

    W_UV and W_UK_T stand beside ``kv_b_proj`` (A 0.23.0 attention/mla_v1.py:943; sparse attention disposes of the
    original); the fused prologue transforms q_a, kv_a and q_b of a statically quantized model (A 0.23.0 :1016).
    """
    sparse = piece.attention is not None and piece.attention.kind is AttentionKind.DSA
    if piece.shard == "latent_column":
        return 0 if sparse else 1
    static = piece.scheme is not None and piece.scheme.dynamic is False
    if not (static and piece.prologue):
        return 0
    asked = case.flag("enable_mlapo", "VLLM_ASCEND_ENABLE_MLAPO")
    return int(asked if asked is not None else bool(case.switch("mlapo_by_default")) and sparse_attention(case))


def local_shape(case: Case, piece: Piece, layout: Layout) -> tuple[int, int]:
    """Rows and columns of one tensor on a rank."""
    tp, out, inner = ranks(case, piece, layout), piece.out, piece.inner
    if piece.shard in ("shared_column", "shared_row") and shared_experts_whole(case):
        return out, inner
    if (piece.shard == "latent_column" or piece.latent_query) and context_parallel(case):
        return out, inner
    if piece.shard == "head_gate":
        return (out if piece.attention and out == piece.attention.heads else cdiv(out, tp)), inner
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


def ranks(case: Case, piece: Piece, layout: Layout) -> int:
    """Ranks a sharded tensor is cut into: tp, 1 for a tower in data mode, or the fine-grained group of its module."""
    if piece.tower and encoder_whole(case, layout.tp):
        return 1
    if piece.fine_grained == OUTPUT:
        if output_whole(case):
            return 1
        if size := flashcomm2(case, layout):
            return size
    if piece.fine_grained is not None:
        key = f"{piece.fine_grained}_tensor_parallel_size"
        for size in (case.option("finegrained_tp_config", key), case.option(key)):
            if isinstance(size, int) and size > 1:
                return size
    return layout.tp


def _kv_rows(piece: Piece, tp: int) -> int:
    """Rows of a key/value projection on a rank: whole heads, at least one (replicated when tp exceeds the heads)."""
    heads = (piece.attention.heads if piece.attention else None) or 0
    kv = (piece.attention.kv_heads if piece.attention else None) or 0
    if not kv:
        return cdiv(piece.out, tp)
    if piece.shard == "kv":
        return cdiv(piece.out * max(1, cdiv(kv, tp)), kv)
    return cdiv(piece.out * (cdiv(heads, tp) + 2 * max(1, cdiv(kv, tp))), heads + 2 * kv)


def _expert_bytes(case: Case, piece: Piece, layout: Layout, loading: bool) -> int:
    """Experts are whole per rank with expert parallelism, else every expert is split over all ranks: the same bytes.

    Source: V 0.23.0 vllm/model_executor/layers/fused_moe/config.py:1165.
    """
    world = expert_world(layout)
    if layout.ep:
        # Extra experts come in proportion to the routed ones, so that stacked layers scale alike.
        routed = max(1, case.profile.moe.routed) if case.profile.moe else 1
        count = cdiv(piece.per_layer * (routed + extra_experts(case, layout)), routed * world)
        return _tensor_bytes(piece, piece.out, piece.inner, loading) * count
    if piece.shard == "expert_column":
        out, inner = cdiv(piece.out, world), piece.inner
    elif piece.shard == "expert_row" and not piece.vector:
        out, inner = piece.out, cdiv(piece.inner, world)
    else:
        out, inner = piece.out, piece.inner
    return _tensor_bytes(piece, out, inner, loading) * piece.per_layer


def _tensor_bytes(piece: Piece, out: int, inner: int, loading: bool) -> int:
    scheme = piece.scheme
    bits = max(piece.bits, piece.load_bits) if loading else piece.bits
    size = cdiv(out * inner * bits, 8)
    if scheme is None:
        return size
    size += scheme.per_out * out + scheme.per_in * inner
    if piece.shard == "expert_column":
        size += scheme.gate_up_per_out * out
    group = scheme.group_size or piece.group_size
    return size + (scheme.group_bytes * out * cdiv(inner, group) if group and group > 0 else 0)


def extra_experts(case: Case, layout: Layout) -> int:
    """Expert copies beyond the routed ones: EPLB's redundant experts, and with ``mix_placement`` one shared a rank."""
    value = case.option("eplb_config", "num_redundant_experts")
    older = case.option("init_redundancy_expert")
    count = next((n for n in (value, older) if isinstance(n, int) and n > 0), 0)
    return count + (expert_world(layout) if layout.ep and case.option("mix_placement") else 0)


def dynamic_balancing(case: Case) -> bool:
    """Whether experts move between ranks while serving (EPLB)."""
    return bool(case.option("eplb_config", "dynamic_eplb") or case.option("dynamic_eplb"))


def flashcomm(case: Case) -> bool:
    """Whether sequence parallelism (flashcomm1) is on, by option or by variable."""
    return bool(case.flag("enable_flashcomm1", *_FLASHCOMM))


def shared_experts_whole(case: Case) -> bool:
    """Whether every rank keeps the whole shared expert (A 0.18.0 vllm_ascend/utils.py:796)."""
    by_sequence = case.switch("flashcomm_replicates_shared_experts") and flashcomm(case)
    return bool(case.option("enable_shared_expert_dp") or by_sequence)


def sparse_attention(case: Case) -> bool:
    """Whether any layer has an indexer."""
    return any(group.kind is AttentionKind.DSA for group in case.profile.attention)


def context_parallel(case: Case) -> bool:
    """Whether DSA context parallelism keeps whole q_b and kv_b projections (A 0.18.0 vllm_ascend/utils.py:1240)."""
    implied = case.switch("dsa_cp_with_flashcomm") and flashcomm(case)
    return sparse_attention(case) and bool(implied or case.option("enable_dsa_cp"))


def output_whole(case: Case) -> bool:
    """Whether the prefill side keeps the whole output projection under DSA context parallelism.

    Source: A 0.13.0 vllm_ascend/ops/linear_op.py:735, A 0.23.0 :714.
    """
    return bool(case.switch("dsa_cp_producer_output")) and context_parallel(case) and produces(case)


def gathered_output(case: Case, pieces: Iterable[Piece]) -> int:
    """Bytes of the buffers in which DSA context parallelism gathers output projections where they stay over tp.

    One for every layout: that of the layers, and of MTP where it is stored otherwise. Source: A 0.18.0
    vllm_ascend/attention/sfa_v1.py:667, A 0.23.0 :1099.
    """
    if not context_parallel(case) or produces(case):
        return 0
    places = (Place.LAYER, Place.DRAFT) if case.draft_layers else (Place.LAYER,)
    outputs = (piece for piece in pieces if piece.fine_grained == OUTPUT and piece.place in places)
    return sum({cdiv(piece.out * piece.inner * piece.bits, 8) for piece in outputs if not piece.vector})


def flashcomm2(case: Case, layout: Layout) -> int:
    """Ranks FlashComm2 cuts the output projection into, 0 where it is off or asks for no fewer than tp.

    Source: A 0.18.0 vllm_ascend/ops/linear_op.py:286, utils.py:1095.
    """
    if not case.switch("flashcomm2"):
        return 0
    value = case.option("enable_flashcomm2_parallel_size")
    text = str(value if value is not None else (case.launch.environment or {}).get(_FLASHCOMM2, "")).strip()
    return int(text) if text.isdigit() and 0 < int(text) < layout.tp else 0


def resident_layers(case: Case, piece: Piece, layout: Layout, layers: int) -> int:
    """Layers of a projection a rank holds of ``layers``: all, or those dealt out to it and two that are fetched.

    ``layer_sharding`` deals layers out to all ranks that would hold the same: with DSA context parallelism on the
    prefill side, with FlashComm2 for the output projection (A 0.18.0 vllm_ascend/ops/layer_shard_linear.py:52).
    """
    asked = case.option("layer_sharding") if case.switch("layer_sharding") else None
    name = "o_proj" if piece.fine_grained == OUTPUT else "q_b_proj" if piece.latent_query else ""
    if not (isinstance(asked, list) and name in asked) or piece.vector:
        return layers
    size = flashcomm2(case, layout) if name == "o_proj" else 0
    if not (size or output_whole(case)):
        return layers
    return min(layers, cdiv(layers, expert_world(layout) // max(1, size)) + _FETCHED)


def describe(piece: Piece, layout: Layout) -> str:
    """How a piece is distributed, for the breakdown."""
    if piece.shard.startswith("expert"):
        return "whole experts over tp x dp" if layout.ep else "every expert over tp x dp"
    if piece.shard in ("kv", "fused_qkv"):
        return "by key/value head, at least one a rank"
    return "every rank" if piece.shard == "replicated" else "over tp"
