"""How expert tokens travel between ranks, and the HCCL buffers that communicators take."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ascend_compat.core.plan import Layout
from ascend_compat.core.units import MIB
from ascend_compat.memory.case import Case, cdiv
from ascend_compat.memory.spread import dynamic_balancing, expert_world, extra_experts

#: Environment variable with the buffer of one direction of a communicator, in MiB.
BUFFER = "HCCL_BUFFSIZE"
#: Value of the switch of groups opened at load that means MC2 and EP.
_BOTH = 2


class Method(str, Enum):
    """How tokens reach the experts: every rank gathers all, or each sends what others need."""

    GATHER = "all-gather"
    EXCHANGE = "all-to-all"
    MC2 = "mc2"
    FUSED = "fused-mc2"


def ep_size(layout: Layout) -> int:
    """Ranks the experts are dealt out to: all of one stage with expert parallelism, else 1."""
    return expert_world(layout) if layout.ep else 1


def local_experts(case: Case, layout: Layout) -> int:
    """Routed experts a rank holds, redundant copies included."""
    moe = case.profile.moe
    return cdiv(moe.routed + extra_experts(case, layout), ep_size(layout)) if moe else 0


def capacity(case: Case) -> int:
    """Largest batch MC2 dispatches: what a graph captures, at most the curated limit."""
    limit = case.rules.integer("mc2_token_capacity")
    if case.option("enable_prefill_mc2"):
        return max(limit, case.batched_tokens)
    return min(case.num_seqs * (1 + case.spec_tokens), limit)


def uses_mc2(case: Case, layout: Layout) -> bool:
    """Whether the MC2 communicator is created (A 0.23.0 vllm_ascend/ascend_forward_context.py:240)."""
    device, size = case.target.soc.device_type, ep_size(layout)
    if case.profile.moe is None or size == 1:
        return False
    if device == "A2":
        few = local_experts(case, layout) <= case.switch("a2_mc2_max_local_experts")
        return few and size >= case.rules.integer("a2_mc2_min_ep")
    return device in ("A3", "A5")


def method(case: Case, layout: Layout, tokens: int) -> Method:
    """The method for a batch of ``tokens`` (A 0.23.0 vllm_ascend/ascend_forward_context.py:270)."""
    moe, device = case.profile.moe, case.target.soc.device_type
    if moe is None or ep_size(layout) == 1:
        return Method.GATHER
    if device == "A3" and _fused(case) and ep_size(layout) <= case.rules.integer("fused_mc2_max_ep"):
        return Method.FUSED
    if uses_mc2(case, layout) and tokens <= capacity(case):
        return Method.MC2
    if device == "A5":
        return Method.GATHER if layout.npus <= (moe.top_k or 1) else Method.EXCHANGE
    return Method.EXCHANGE if device == "A3" else Method.GATHER


def _fused(case: Case) -> bool:
    """Whether dispatch and expert work are one kernel: an option, an environment variable in older releases."""
    value = case.option("enable_fused_mc2") if case.switch("fused_mc2_by_option") else None
    if value is None and case.switch("fused_mc2_by_variable"):
        value = (case.launch.environment or {}).get("VLLM_ASCEND_ENABLE_FUSED_MC2", "").strip()
    return value in (1, "1")


def buffer_mib(case: Case, layout: Layout) -> int:
    """``HCCL_BUFFSIZE`` as set, else the default of HCCL, raised to what MC2 needs as the launch command does."""
    asked = asked_buffer_mib(case)
    default = case.rules.integer("hccl_buffer_mib")
    return max(default, needed_buffer_mib(case, layout)) if asked is None else asked


def asked_buffer_mib(case: Case) -> int | None:
    """``HCCL_BUFFSIZE`` as the user sets it, ``None`` when it is not set."""
    text = (case.launch.environment or {}).get(BUFFER, "")
    return int(text) if text.isdigit() else None


def communicator_bytes(case: Case, layout: Layout) -> int:
    """Buffers of every communicator that is used.

    The plugin fixes the size of all but the MC2 group, which alone follows ``HCCL_BUFFSIZE``
    (A 0.18.0 vllm_ascend/utils.py:953, A 0.23.0 :1099).
    """
    return sum(size for _, size in communicators(case, layout))


def communicators(case: Case, layout: Layout) -> Iterator[tuple[str, int]]:
    """Communicators the profile run opens, by name with their bytes; groups of one rank take none."""
    group = case.rules.integer("hccl_group_bytes")
    loaded = case.switch("dispatcher_groups") if case.profile.moe and expert_world(layout) > 1 else 0
    if layout.tp > 1:
        yield "tp", group
    if loaded == _BOTH or _own_expert_group(case, layout):
        yield "ep", group
    if layout.dp > 1:
        yield "dp", case.rules.integer("hccl_dp_group_bytes")
    if loaded or uses_mc2(case, layout):
        yield "mc2", 2 * buffer_mib(case, layout) * MIB
    if layout.ep and dynamic_balancing(case):
        yield "eplb", case.rules.integer("hccl_eplb_group_bytes")
    for name in ("pcp", "dcp"):
        if getattr(layout, name) > 1:
            yield name, group


def pipeline_bytes(case: Case, layout: Layout) -> int:
    """Buffers between pipeline stages, opened when the first request is passed on."""
    return case.rules.integer("hccl_group_bytes") if layout.pp > 1 else 0


def _own_expert_group(case: Case, layout: Layout) -> bool:
    """Whether the expert-parallel group takes buffers: it is used, and no other group has the same ranks.

    Gathering within one data-parallel rank reduces over tp only.
    """
    if ep_size(layout) == 1:
        return False
    exchanged = method(case, layout, case.batched_tokens) is Method.EXCHANGE
    return layout.dp * layout.pcp > 1 or (exchanged and bool(case.switch("ep_group_separate")))


def needed_buffer_mib(case: Case, layout: Layout) -> int:
    """The least ``HCCL_BUFFSIZE`` the kernels that dispatch experts accept, in MiB; 0 where none is used.

    MC2: ``2 * (local experts * tokens * ranks * A512(A32(2H) + 64) + (k + shared) * tokens * A512(2H))`` with An
    rounding up to n. Source: CANN's check as quoted in vllm-ascend pull request 3073.
    """
    moe, hidden = case.profile.moe, case.profile.expert_width or 0
    if moe is None or not uses_mc2(case, layout):
        return 0
    tokens = cdiv(capacity(case), layout.tp)
    sent = _aligned(_aligned(2 * hidden, 32) + 64, 512)
    kept = _aligned(2 * hidden, 512)
    ranks, experts = ep_size(layout), local_experts(case, layout)
    shared = moe.shared if moe.shared_intermediate_size else 0
    need = 2 * (experts * tokens * ranks * sent + ((moe.top_k or 1) + shared) * tokens * kept)
    return max(cdiv(need, MIB), _fused_window_mib(case, layout))


def _fused_window_mib(case: Case, layout: Layout) -> int:
    """What the fused kernel of int8 experts accepts for the profiled batch: 10 MiB and ``3 * tokens * k * H`` bytes.

    Source: A 0.13.0 csrc/dispatch_ffn_combine/op_host/dispatch_ffn_combine_tiling.cpp:263, A 0.30.0rc2 :289; every
    tp rank dispatches its share of the tokens (A 0.22.1rc1 vllm_ascend/ops/fused_moe/prepare_finalize.py:291).
    """
    moe, hidden = case.profile.moe, case.profile.expert_width or 0
    if moe is None or 8 not in case.expert_bits or method(case, layout, case.batched_tokens) is not Method.FUSED:
        return 0
    tokens = cdiv(cdiv(case.batched_tokens, layout.pcp), layout.tp)
    return 10 + cdiv(3 * tokens * (moe.top_k or 1) * hidden, MIB)


def _aligned(number: int, step: int) -> int:
    return cdiv(number, step) * step
