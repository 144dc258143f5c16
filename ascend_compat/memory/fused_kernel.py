"""The workspace of the kernel that dispatches, computes and combines experts in one."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_compat.core.plan import Layout
from ascend_compat.memory.case import Case
from ascend_compat.memory.communication import Method, method
from ascend_compat.memory.pieces import Piece

#: The option that sets the rows in place of the release's own number.
ROWS = "mega_moe_max_tokens"
_FLOAT_BITS = 16


def workspace(case: Case, pieces: Sequence[Piece], layout: Layout) -> int:
    """Bytes of one call, 0 where the kernel is not used: ``base + rows * (8 + bytes of a row)``.

    The rows do not depend on the batch. A graph that holds the call allocates it from its own pool once more
    (A 0.22.1rc1 csrc/aclnn_torch_adapter/op_api_common.h:725: an ordinary tensor). Sizes: ``fused_kernels`` of
    the rule file, read in the host code of the kernel; 3.64 GiB logged (Dots3-Note.md:250 of vllm-ascend).
    """
    if case.profile.moe is None or method(case, layout, case.batched_tokens) is not Method.FUSED:
        return 0
    sizes = [_row(case, piece) for piece in pieces if piece.shard.startswith("expert")]
    widest = max(sizes, default=0)
    return case.rules.integer("fused_mc2_base_bytes") + _rows(case) * (8 + widest) if widest else 0


def _rows(case: Case) -> int:
    asked = case.option(ROWS) if case.switch("fused_mc2_rows_named") else None
    return asked if type(asked) is int and asked > 0 else int(case.switch("fused_mc2_rows"))


def _row(case: Case, piece: Piece) -> int:
    """Bytes of a row for the experts of a piece; 0 where the release has no kernel for their weights."""
    moe, hidden = case.profile.moe, case.profile.expert_width or 0
    inner = moe.intermediate_size if moe else 0
    bits = piece.scheme.weight_bits if piece.scheme else _FLOAT_BITS
    for kernel in case.rules.fused_kernels:
        if kernel.weight_bits == bits and kernel.holds(case.target):
            return sum(max(wide * hidden, narrow * inner) for wide, narrow in kernel.row_bytes)
    return 0
