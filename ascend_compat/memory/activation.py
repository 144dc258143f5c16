"""The torch peak of the engine's profile run: hidden states, the widest layer, logits, the vision encoder."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_compat.core.plan import Estimate, Layout
from ascend_compat.memory.case import Case, cdiv, residual_blocks, stream_count
from ascend_compat.memory.communication import Method, method
from ascend_compat.memory.fused_kernel import workspace
from ascend_compat.memory.pieces import Piece
from ascend_compat.memory.spread import expert_world, flashcomm
from ascend_compat.memory.vision import kept_bytes, vision_bytes


def activation(case: Case, pieces: Sequence[Piece], layout: Layout) -> Estimate:
    """Low, likely and high peak of one profile run over ``max_num_batched_tokens``; attention is skipped by it.

    Text and encoder run after each other, the encoder's output is kept.
    """
    copies, blocks = case.rules.span("hidden_copies"), case.rules.span("residual_block_copies")
    dense, experts = _dense(case, layout), _experts(case, pieces, layout)
    towers = [int(share) for share in vision_bytes(case, layout)]
    values = []
    for n in range(3):
        text = (
            int(copies[n] * _states(case, layout) + blocks[n] * _residuals(case, layout))
            + max(dense[n], experts[n])
            + _logits(case)
        )
        values.append(max(towers[n], text + kept_bytes(case)))
    low, likely, high = values
    return Estimate("activation", low, likely, high, case.rules.constants["hidden_copies"].source)


def _states(case: Case, layout: Layout) -> float:
    """One copy of the hidden states of the profiled batch; hyper-connections keep ``hc_mult`` streams of them.

    Source: A 0.23.0rc1 vllm_ascend/models/deepseek_v4.py:989 and :1132. Sequence parallelism deals the streams out to
    the ranks and gathers what attention and MLP read, half of the copies (A 0.18.0 vllm_ascend/ops/linear_op.py:436).
    """
    one = case.batched_tokens * (case.profile.hidden_size or 0) * case.element_bytes
    streams = stream_count(case)
    if not flashcomm(case):
        return one * streams
    return one * (streams / layout.tp + (1 - 1 / layout.tp) / 2)


def _residuals(case: Case, layout: Layout) -> float:
    """One copy of the residual blocks of the profiled batch, dealt out to the ranks by sequence parallelism.

    A new block is joined to those before it (A 0.26.0rc1 vllm_ascend/models/kimi_k3.py:1035 and :1056).
    """
    one = case.batched_tokens * residual_blocks(case) * (case.profile.hidden_size or 0) * case.element_bytes
    return one / layout.tp if flashcomm(case) else one


def _dense(case: Case, layout: Layout) -> tuple[int, ...]:
    inner = cdiv(case.profile.intermediate_size or 0, layout.tp)
    work = case.batched_tokens * inner * case.element_bytes
    return tuple(int(copies * work) for copies in case.rules.span("dense_copies"))


def _logits(case: Case) -> int:
    """Only ``max_num_seqs`` rows of logits are computed, gathered over tp."""
    return case.num_seqs * case.padded_vocab * case.element_bytes


def _experts(case: Case, pieces: Sequence[Piece], layout: Layout) -> tuple[int, int, int]:
    """Expert work on the routed rows of a rank.

    Low: one output a row. Likely: the widest of the two matrix products; the quantized input is freed after the first
    (A 0.13.0 vllm_ascend/ops/fused_moe/moe_mlp.py:131), the float one is kept. High: everything at once. A fused kernel
    has its workspace instead.
    """
    moe, hidden = case.profile.moe, case.profile.expert_width or 0
    if moe is None:
        return 0, 0, 0
    size, act = case.element_bytes, activation_bytes_per_element(case, pieces)
    inner = moe.intermediate_size if layout.ep else cdiv(moe.intermediate_size, expert_world(layout))
    tokens, rows = routed_rows(case, layout)
    gathered = tokens * hidden * size
    if act < size:
        first, second = hidden * act + 2 * inner * size, inner * act + hidden * size
    else:
        first, second = hidden * size + 3 * inner * size, 2 * hidden * size + inner * size
    whole = rows * (hidden * (act + size) + inner * (2 * size + act))
    kernel = workspace(case, layout)
    likely = kernel or rows * max(first, second)
    return kernel or rows * hidden * size, gathered + likely, gathered + max(whole, likely)


def routed_rows(case: Case, layout: Layout) -> tuple[int, int]:
    """Tokens a rank sees in an expert layer and the rows they are sorted into.

    Gathered batches hold the tokens of all data-parallel ranks, and every routed row is sorted on every rank, even for
    remote experts (A vllm_ascend/ops/fused_moe/token_dispatcher.py:401); the profile run balances exchanged rows.
    """
    top_k = case.profile.moe.top_k or 1 if case.profile.moe else 1
    tokens = cdiv(case.batched_tokens, layout.pcp)
    if method(case, layout, case.batched_tokens) is Method.GATHER:
        tokens *= layout.dp * layout.pcp
        return tokens, tokens * top_k
    return tokens, cdiv(tokens * top_k, layout.tp)


def activation_bytes_per_element(case: Case, pieces: Sequence[Piece]) -> int:
    """Bytes per element of expert inputs: 1 when activations are quantized, else the model dtype."""
    experts = (piece for piece in pieces if piece.shard.startswith("expert"))
    quantized = any(piece.scheme is not None and not piece.scheme.weight_only for piece in experts)
    return 1 if quantized else case.element_bytes
