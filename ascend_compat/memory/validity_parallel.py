"""Static checks of pipeline stages, context parallelism and speculative decoding."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.core.finding import Message
from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import LATENT, RECURRENT, Case, produces

_V2_RUNNER = "VLLM_USE_V2_MODEL_RUNNER"


def stages(case: Case, layout: Layout) -> Iterator[Message]:
    """More stages than layers, a model or a draft whose class does not run in stages, MTP beside stages."""
    pp, layers = layout.pp, case.profile.layers
    if pp == 1:
        return
    if layers is not None and pp > layers:
        yield Message("AC413.stages", {"layers": layers, "pp": pp})
    model, draft = case.classes.model, case.classes.draft
    if model is not None and not model.supported:
        yield Message("AC413.unstaged", {"cls": model.name, "pp": pp})
    if not (case.drafter or "mtp" in str((case.launch.speculative or {}).get("method", ""))):
        return
    if draft is not None and not draft.supported:
        yield Message("AC413.draft_stages", {"cls": draft.name, "pp": pp})
    if not (case.drafter or produces(case)):
        yield Message("AC413.mtp_stages", {"pp": pp})


def speculation(case: Case, layout: Layout) -> Iterator[Message]:
    """More speculative tokens than the decode kernels take."""
    limit = case.rules.integer("max_speculative_tokens")
    if case.spec_tokens > limit:
        yield Message("AC413.speculative", {"tokens": case.spec_tokens, "limit": limit})


def prefill_context(case: Case, layout: Layout) -> Iterator[Message]:
    """What prefill context parallelism excludes."""
    pcp = layout.pcp
    if pcp == 1:
        return
    if layout.dp > 1:
        yield Message("AC413.context_and_data", {"pcp": pcp, "dp": layout.dp})
    if not case.flag(_V2_RUNNER.lower(), _V2_RUNNER):
        yield Message("AC413.prefill_context", {"pcp": pcp})
    if case.profile.towers:
        yield Message("AC413.prefill_modality", {"pcp": pcp})
    latent = any(group.kind in LATENT for group in case.profile.attention)
    if not latent:
        yield Message("AC413.prefill_attention", {"pcp": pcp})
    if layout.pp > 1:
        yield Message("AC413.prefill_stages", {"pcp": pcp, "pp": layout.pp})
    if case.launch.speculative:
        yield Message("AC413.prefill_speculative", {"pcp": pcp})
    if layout.dcp > 1:
        yield Message("AC413.both_contexts", {"pcp": pcp, "dcp": layout.dcp})
        if pcp != layout.dcp and not latent:
            yield Message("AC413.equal_contexts", {"pcp": pcp, "dcp": layout.dcp})


def decode_context(case: Case, layout: Layout) -> Iterator[Message]:
    """Decode context parallelism: the ranks that share a key/value head split its tokens."""
    tp, dcp = layout.tp, layout.dcp
    if dcp == 1:
        return
    whole = tp * layout.pcp
    if whole % dcp:
        yield Message("AC413.decode_context", {"dcp": dcp, "limit": tp})
    for group in case.profile.attention:
        if group.kind is AttentionKind.DSA and dcp not in (whole, layout.pcp):
            yield Message("AC413.sparse_context", {"dcp": dcp, "tp": tp})
        if group.window:
            yield Message("AC413.window_context", {"dcp": dcp})
        if group.kind in LATENT:
            yield from _calls(group, tp, dcp)
        elif group.kind not in RECURRENT and group.kv_heads and group.heads:
            shared = tp // group.kv_heads
            if dcp > shared or (group.heads // group.kv_heads) % dcp:
                yield Message("AC413.decode_context", {"dcp": dcp, "limit": shared})


def _calls(group: AttentionGroup, tp: int, dcp: int) -> Iterator[Message]:
    """The attention kernel takes the heads of all dcp ranks at once, in powers of two."""
    heads = (group.heads or 0) // tp * dcp
    if group.kind is AttentionKind.MLA and heads & (heads - 1):
        yield Message("AC413.latent_calls", {"heads": heads, "dcp": dcp, "tp": tp})
