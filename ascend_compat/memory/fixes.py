"""Flag values with which a layout that is short of memory fits: the change that costs least comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ascend_compat.core.finding import Message
from ascend_compat.core.graph_mode import captures
from ascend_compat.core.plan import Attempt
from ascend_compat.memory.attempt import Stage, judge, longest_context
from ascend_compat.memory.case import Case
from ascend_compat.memory.pieces import Piece

#: Shares of the device worth trying, and batch sizes in tokens.
_MORE = (0.9, 0.92, 0.94, 0.95, 0.96)
_LESS = (0.92, 0.9, 0.88, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)
_BATCHES = (8192, 4096, 2048, 1024)
#: What fails where the engine takes more of the device than it may, so that a smaller share helps.
TOO_LARGE_A_SHARE = frozenset({"AC401.tail", "AC401.copies"})


def fix(case: Case, pieces: Sequence[Piece], attempt: Attempt | None, stage: Stage | None) -> Message | None:
    """``AC401.fix`` with the flags that make the layout fit, as the same arithmetic says; ``None`` when none does."""
    changed = fitting(case, pieces, attempt, stage)
    return None if changed is None else Message("AC401.fix", {"flags": _flags(case, changed)})


def fitting(case: Case, pieces: Sequence[Piece], attempt: Attempt | None, stage: Stage | None) -> Case | None:
    """The case with the flags that make a layout fit that is short of memory; ``None`` when none does."""
    failure = attempt.first_failure if attempt else None
    if attempt is None or stage is None or failure is None or not failure.id.startswith("AC401"):
        return None
    changes = _changes(case, attempt, stage, failure.id)
    return next((changed for changed in changes if judge(changed, pieces, attempt.layout).fits), None)


def _changes(case: Case, attempt: Attempt, stage: Stage, failure: str) -> Iterator[Case]:
    lower = failure in TOO_LARGE_A_SHARE
    shares = _LESS if lower else _MORE
    others = [share for share in shares if (share < case.utilization if lower else share > case.utilization)]
    if case.launch.kv_cache_memory_bytes is None:
        yield from (replace(case, utilization=share) for share in others)
    if lower and captures(case.launch):
        yield replace(case, launch=replace(case.launch, enforce_eager=True))
    batches = [tokens for tokens in _BATCHES if tokens < case.batched_tokens]
    for tokens in batches:
        yield replace(case, batched_tokens=tokens)
    if failure == "AC401.kv":
        length = longest_context(case, attempt.layout, stage) or 0
        short = length // case.block_size * case.block_size
        if 0 < short < case.max_model_len:
            yield replace(case, max_model_len=short)
    if case.launch.kv_cache_memory_bytes is None:
        yield from (replace(case, utilization=share, batched_tokens=tokens) for share in others for tokens in batches)


def _flags(case: Case, changed: Case) -> str:
    """The flags that differ, as the command line takes them."""
    parts = []
    if changed.utilization != case.utilization:
        parts.append(f"--gpu-memory-utilization {changed.utilization:g}")
    if changed.batched_tokens != case.batched_tokens:
        parts.append(f"--max-num-batched-tokens {changed.batched_tokens}")
    if changed.max_model_len != case.max_model_len:
        parts.append(f"--max-model-len {changed.max_model_len}")
    if changed.launch.enforce_eager != case.launch.enforce_eager:
        parts.append("--enforce-eager")
    return " ".join(parts)
