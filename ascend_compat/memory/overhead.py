"""What the budget holds beside weights and KV, and what lies outside it: each with its range and origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascend_compat.core.graph_mode import captures
from ascend_compat.core.plan import Estimate, Layout
from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.activation import activation
from ascend_compat.memory.case import Case, cdiv
from ascend_compat.memory.communication import communicator_bytes, pipeline_bytes
from ascend_compat.memory.fused_kernel import workspace
from ascend_compat.memory.pieces import Piece
from ascend_compat.memory.spread import dynamic_balancing, piece_bytes

#: Names of the estimate: graphs outside the budget, and those that start-up measures and keeps free within it.
OUTSIDE, INSIDE = "graph", "graph_inside"
#: The variable that switches the latter off.
MEASURED = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"


@dataclass(frozen=True, slots=True)
class Overheads:
    """The estimated parts of one rank; ``graph`` lies outside the budget unless the release measures it."""

    activation: Estimate
    non_torch: Estimate
    graph: Estimate


def overheads(case: Case, pieces: Sequence[Piece], layout: Layout) -> Overheads:
    """Every estimate of a layout; where a log of this launch measured one, its three values are the measured one."""
    work, other, graph = activation(case, pieces, layout), _non_torch(case, layout), _graph(case, layout)
    known = case.factors
    scaled = None if known.activation is None else int(work.likely * known.activation)
    moved = None if known.non_torch is None else max(0, other.likely + known.non_torch)
    captured = known.graph if captures(case.launch) else None
    return Overheads(*(
        part if size is None else Estimate(part.name, size, size, size, known.source)
        for part, size in ((work, scaled), (other, moved), (graph, captured))
    ))  # fmt: skip


def _non_torch(case: Case, layout: Layout) -> Estimate:
    """Runtime plus one pair of HCCL buffers per communicator; low leaves the buffers that are made later out.

    Where a release counts all that is in use, not the increase since start-up, what was in use before comes to it.
    """
    before = int(case.switch("startup_bytes"))
    low, likely, high = (int(size) + before for size in case.rules.span("runtime_bytes"))
    buffers = communicator_bytes(case, layout)
    origin = case.rules.constants["runtime_bytes"].source
    return Estimate("non_torch", low, likely + buffers, high + buffers, origin)


def _graph(case: Case, layout: Layout) -> Estimate:
    """Graph capture pool, outside the budget where the release does not measure it; 0 where none are captured.

    A fused expert kernel takes its workspace from the pool too.
    """
    name = "graph_moe_bytes" if case.profile.moe else "graph_dense_bytes"
    origin = case.rules.constants[name].source
    if not captures(case.launch):
        return Estimate(OUTSIDE, 0, 0, 0, origin)
    low, likely, high = map(int, case.rules.span(name))
    if case.profile.moe and case.draft_layers:
        high = max(high, case.rules.integer("graph_draft_high_bytes"))
    kernel = workspace(case, layout)
    return Estimate(INSIDE if _measured(case) else OUTSIDE, low + kernel, likely + kernel, high + kernel, origin)


def _measured(case: Case) -> bool:
    """Whether start-up captures two graphs of each kind to measure them, and keeps that much of the budget free."""
    if case.launch.kv_cache_memory_bytes is not None:
        return False
    text = (case.launch.environment or {}).get(MEASURED, "1").strip()
    exempt = case.profile.model_type == "deepseek_v4"  # A 0.21.0rc1 vllm_ascend/worker/worker.py:505
    return bool(case.switch("graph_in_budget")) and text != "0" and not exempt


def unprofiled_bytes(case: Case, pieces: Sequence[Piece], layout: Layout) -> int:
    """What the profile run does not see: a float32 copy of the logits, pipeline buffers, those of dynamic balancing.

    And what was in use before start-up, where the release measures the increase since then.

    The profile run makes up what a stage receives (A 0.18.0 vllm_ascend/worker/model_runner_v1.py:2462). Balancing
    holds one layer of a rank's experts (A 0.18.0 vllm_ascend/eplb/adaptor/vllm_adaptor.py:54).
    """
    later = case.num_seqs * case.padded_vocab * 4 + pipeline_bytes(case, layout)
    if not case.switch("startup_bytes"):
        later += case.rules.integer("in_use_bytes")
    if not (layout.ep and dynamic_balancing(case)):
        return later
    experts: dict[int, int] = {}
    for piece in pieces:
        if piece.shard.startswith("expert") and piece.layers:
            experts[piece.layers[0]] = experts.get(piece.layers[0], 0) + piece_bytes(case, piece, layout)
    return later + max(experts.values(), default=0)


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
