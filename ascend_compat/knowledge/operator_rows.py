"""Rows of the operator gate table that the operator walk gives: operators, kernels and what was looked for in vain."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.core.finding import Evidence
from ascend_compat.knowledge.operator_findings import ABSENT, adopted
from ascend_compat.knowledge.places import at
from ascend_compat.knowledge.walked import Use, Walked

#: Status of a meeting that is certain.
STATUS = {
    "replaced": "replaced", "native": "native", "backend": "replaced", "plugin-op": "replaced",
    "triton-plugin": "replaced", "no-backend": "cuda-only", "refused": "cuda-only", "dtype": "unverified",
    **dict.fromkeys(ABSENT, "cuda-only"),
}  # fmt: skip
#: Categories of what has no layer class.
CATEGORY = {"backend": "attention", "no-backend": "attention", "cuda": "cuda", "package": "cuda", "not-built": "cuda",
            "triton": "triton", "triton-plugin": "triton", "refused": "other", "dtype": "other"}  # fmt: skip
NOT_REACHED = "not-reached"
Row = tuple[str, str, str, str | None, tuple[Evidence, ...]]


def walked_rows(uses: list[Use], walked: Walked) -> Iterator[Row]:
    """``(category or "", operator, status, implementation, evidence)``; an empty category is decided by the name."""
    for use in uses:
        status = _status(use, walked.has_triton)
        if status is None:
            continue
        yield CATEGORY.get(use.kind, ""), _name(use), status, _implementation(use), _evidence(use)
    for category, kinds, name in (
        ("cuda", (*ABSENT,), "CUDA extensions, absent packages"),
        ("triton", ("triton", "triton-plugin"), "Triton kernels"),
    ):
        if not any(use.kind in kinds for use in uses):
            yield category, name, NOT_REACHED, None, (at(walked.at),)


def _status(use: Use, has_triton: bool) -> str | None:
    """How a meeting is served; ``None`` for what is no operator."""
    if use.kind in ("model", "all-reduce"):
        return None
    if not use.certain:
        return "unresolved" if STATUS.get(use.kind) == "cuda-only" else None
    if use.kind in ("triton", "triton-plugin") and not has_triton:
        return "cuda-only"
    if use.kind == "triton":
        return "patched" if adopted(use) else "unverified"
    return STATUS.get(use.kind)


def _name(use: Use) -> str:
    if use.kind in ("backend", "no-backend"):
        return "Attention backend" + (f" ({use.name})" if use.name != "plain" else "")
    return use.name if use.kind in ("cuda", "package") else use.name.rpartition(":")[2].rpartition(".")[2]


def _implementation(use: Use) -> str | None:
    if use.kind in ("triton", "triton-plugin"):
        return use.name.partition(":")[0]
    if use.kind == "plugin-op":
        return f"torch.ops.{use.name}"
    return use.by.rpartition(":")[2].rpartition(".")[2] or None


def _evidence(use: Use) -> tuple[Evidence, ...]:
    places = [place for place in (use.by_at, use.at) if place]
    return tuple(at(place) for place in places) or (at(None),)
