"""What the budget holds beside weights and KV: profiled activations, communication buffers, graph memory."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.case import Case, cdiv
from ascend_compat.memory.pieces import Piece
from ascend_compat.memory.weights import redundant_experts


def ep_size(layout: Layout) -> int:
    """Ranks the experts are spread over: tp x dp of one stage with expert parallelism, else 1."""
    return layout.tp * layout.dp if layout.ep else 1


def local_experts(case: Case, layout: Layout) -> int:
    """Routed experts a rank holds, redundant copies included."""
    moe = case.profile.moe
    return cdiv(moe.routed + redundant_experts(case), ep_size(layout)) if moe else 0


def uses_mc2(case: Case, layout: Layout) -> bool:
    """Whether the MC2 communicator is created (A 0.23.0 vllm_ascend/ascend_forward_context.py:240)."""
    device, size = case.target.soc.device_type, ep_size(layout)
    if case.profile.moe is None or size == 1:
        return False
    if device == "A2":
        few = local_experts(case, layout) <= case.rules.integer("a2_mc2_max_local_experts")
        return few and size >= case.rules.integer("a2_mc2_min_ep")
    return device in ("A3", "A5")


def gathers(case: Case, layout: Layout) -> bool:
    """Whether the profiled batch is all-gathered over dp, so that every rank sorts all routed rows.

    Source: A 0.18.0 vllm_ascend/ascend_forward_context.py:203; A5 gathers when the world is no larger than top-k.
    """
    moe, device = case.profile.moe, case.target.soc.device_type
    if moe is None or ep_size(layout) == 1:
        return True
    if uses_mc2(case, layout) and case.batched_tokens <= case.rules.integer("mc2_token_capacity"):
        return False
    if device == "A5":
        return layout.npus <= (moe.top_k or 1)
    return device != "A3"


def activation_bytes(case: Case, pieces: Sequence[Piece], layout: Layout) -> int:
    """Upper bound of the torch peak of the profile run: hidden states, the larger of dense and MoE work, logits, tower.

    Only ``max_num_seqs`` rows of logits are computed; attention is skipped by the profile run.
    """
    hidden = case.profile.hidden_size or 0
    size, tokens = case.element_bytes, case.batched_tokens
    states = case.rules.integer("hidden_copies") * tokens * hidden * size
    inner = cdiv(case.profile.intermediate_size or 0, layout.tp)
    dense = case.rules.integer("dense_copies") * tokens * inner * size
    logits = case.num_seqs * case.padded_vocab * size
    return states + max(dense, _moe_bytes(case, pieces, layout)) + logits + vision_bytes(case)


def _moe_bytes(case: Case, pieces: Sequence[Piece], layout: Layout) -> int:
    """Bound of expert work: routed rows x (permuted input and output, gate and up, product)."""
    moe, hidden = case.profile.moe, case.profile.hidden_size or 0
    if moe is None:
        return 0
    size, top_k = case.element_bytes, moe.top_k or 1
    act = 1 if _quantized_activations(pieces) else size
    inner = moe.intermediate_size if layout.ep else cdiv(moe.intermediate_size, layout.tp * layout.dp)
    if gathers(case, layout):
        tokens = layout.dp * case.batched_tokens
        rows = tokens * top_k
    else:
        tokens = case.batched_tokens
        rows = cdiv(tokens * top_k, layout.tp)
    passes = case.rules.integer("moe_activation_passes")
    return tokens * hidden * size + rows * (hidden * (act + size) + inner * (passes * size + act))


def _quantized_activations(pieces: Sequence[Piece]) -> bool:
    experts = (piece for piece in pieces if piece.shard.startswith("expert"))
    return any(piece.scheme is not None and not piece.scheme.weight_only for piece in experts)


def vision_bytes(case: Case) -> int:
    """Estimate of the encoder's profile run on the largest image; 0 without a vision tower of known width."""
    widths = [tower.hidden_size or 0 for tower in case.profile.towers if tower.modality in ("vision", "image", "video")]
    factor = case.rules.integer("vision_width_factor") * case.rules.integer("vision_patches")
    return max(widths, default=0) * factor * case.element_bytes


def non_torch_bytes(case: Case, layout: Layout) -> int:
    """Runtime plus one pair of HCCL buffers per communicator that is used (A 0.18.0 vllm_ascend/utils.py:953)."""
    rules = case.rules
    group = rules.integer("hccl_group_bytes")
    total = rules.integer("runtime_bytes")
    if layout.tp > 1:
        total += group
    if ep_size(layout) > 1 and (layout.dp > 1 or case.switch("ep_group_separate")):
        total += group
    if layout.dp > 1:
        total += rules.integer("hccl_dp_group_bytes")
    if uses_mc2(case, layout):
        total += rules.integer("hccl_mc2_group_bytes")
    return total + (group if layout.pp > 1 else 0)


def graph_bytes(case: Case) -> int:
    """Graph capture pool outside the budget; 0 in eager mode."""
    if case.launch.enforce_eager:
        return 0
    return case.rules.integer("graph_moe_bytes" if case.profile.moe else "graph_dense_bytes")


def sampler_bytes(case: Case) -> int:
    """Float32 copy of the logits, which the profile run does not make."""
    return case.num_seqs * case.padded_vocab * 4


def chunk_bytes(case: Case, layout: Layout) -> int:
    """Transient up-projection of MLA chunked context, which the profile run does not see; 0 without latent attention.

    Tokens of the workspace x local heads x (nope + value dim). Source: A 0.23.0 vllm_ascend/attention/utils.py:76.
    """
    group = next((group for group in case.profile.attention if group.kind is AttentionKind.MLA), None)
    if group is None or not group.heads or not group.qk_nope_head_dim or not group.v_head_dim:
        return 0
    floor = case.num_seqs * case.block_size
    tokens = max(min(max(8 * case.max_model_len, 4 * floor), case.rules.integer("mla_chunk_tokens")), floor)
    width = group.qk_nope_head_dim + group.v_head_dim
    return tokens * cdiv(group.heads, layout.tp) * width * case.element_bytes
