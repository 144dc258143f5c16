"""The workspace of the kernel that dispatches, computes and combines experts in one."""

from __future__ import annotations

from ascend_compat.core.plan import Layout
from ascend_compat.memory.case import Case
from ascend_compat.memory.communication import Method, method

#: The option that sets the rows in place of the release's own number.
ROWS = "mega_moe_max_tokens"


def workspace(case: Case, layout: Layout) -> int:
    """Bytes of one call, 0 where the kernel is not used: ``base + rows * (8 + bytes of a row)``.

    The rows do not depend on the batch. A graph that holds the call allocates it from its own pool once more
    (A 0.22.1rc1 csrc/aclnn_torch_adapter/op_api_common.h:725: an ordinary tensor). Sizes: ``fused_kernels`` of
    the rule file, read in the host code of the kernel; 3.64 GiB logged (Dots3-Note.md:250 of vllm-ascend).
    """
    if case.profile.moe is None or method(case, layout, case.batched_tokens) is not Method.FUSED:
        return 0
    widest = max((_row(case, bits) for bits in case.expert_bits), default=0)
    return case.rules.integer("fused_mc2_base_bytes") + _rows(case) * (8 + widest) if widest else 0


def _rows(case: Case) -> int:
    asked = case.option(ROWS) if case.switch("fused_mc2_rows_named") else None
    return asked if type(asked) is int and asked > 0 else int(case.switch("fused_mc2_rows"))


def _row(case: Case, bits: int) -> int:
    """Bytes of a row for experts whose weights have ``bits``; 0 where the release has no kernel for them."""
    moe, hidden = case.profile.moe, case.profile.expert_width or 0
    inner = moe.intermediate_size if moe else 0
    for kernel in case.rules.fused_kernels:
        if kernel.weight_bits == bits and kernel.holds(case.target):
            return sum(max(wide * hidden, narrow * inner) for wide, narrow in kernel.row_bytes)
    return 0
