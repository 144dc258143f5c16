"""Layouts the engine refuses before memory matters: each failing check is a message with requirement and limit."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.core.finding import Message
from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.memory.case import LATENT, RECURRENT, Case
from ascend_compat.memory.kv_state import hybrid_block
from ascend_compat.memory.kv_tokens import stored_bytes
from ascend_compat.memory.lengths import positions, unlimited
from ascend_compat.memory.pieces import declared_group
from ascend_compat.memory.spread import expert_world, extra_experts, flashcomm

_FINE_GRAINED = ("oproj", "lmhead", "embedding", "mlp", "olora")


def failures(case: Case, layout: Layout) -> tuple[Message, ...]:
    """Every static check that fails, in the order the engine would meet them."""
    checks = (
        _heads, _sizes, _experts, _layers, _context, _speculation, _length, _sequence, _fine_grained, _device, _hybrid,
        _cache,
    )  # fmt: skip
    return tuple(message for check in checks for message in check(case, layout))


def _heads(case: Case, layout: Layout) -> Iterator[Message]:
    """V 0.18.0 vllm/config/model.py:1069; A 0.23.0 vllm_ascend/ops/linear.py:180."""
    tp = layout.tp
    for group in case.profile.attention:
        if group.kind in RECURRENT:
            yield from _state_heads(group, tp)
            continue
        heads, kv = group.heads, group.kv_heads
        if heads and heads % tp:
            yield Message("AC410.heads", {"heads": heads, "tp": tp})
        if kv and group.kind not in LATENT and (tp % kv if tp >= kv else kv % tp):
            yield Message("AC410.kv_heads", {"heads": kv, "tp": tp})
        if heads and group.kind in LATENT and case.switch("mla_heads_power_of_two"):
            local = heads // tp
            if local & (local - 1):
                yield Message("AC413.latent_heads", {"heads": local, "tp": tp})


def _state_heads(group: AttentionGroup, tp: int) -> Iterator[Message]:
    for heads in (group.kv_heads, group.heads):
        if heads and heads % tp:
            yield Message("AC410.state_heads", {"heads": heads, "tp": tp})
            return


def _sizes(case: Case, layout: Layout) -> Iterator[Message]:
    """V 0.23.0 vllm/model_executor/layers/vocab_parallel_embedding.py:81 (after padding); V ``divide``."""
    if case.padded_vocab % layout.tp:
        yield Message("AC410.vocabulary", {"size": case.padded_vocab, "tp": layout.tp})
    inner = case.profile.intermediate_size
    moe = case.profile.moe
    has_dense = moe is None or bool(moe.dense_layers)
    if inner and has_dense and inner % layout.tp:
        yield Message("AC410.intermediate", {"size": inner, "tp": layout.tp})


def _experts(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.18.0 vllm_ascend/ops/fused_moe/fused_moe.py:333; V 0.23.0 layers/fused_moe/config.py:1165."""
    moe, world = case.profile.moe, expert_world(layout)
    if moe is None:
        if layout.ep:
            yield Message("AC411.none", {})
        return
    extra = extra_experts(case, layout)
    total = moe.routed + extra
    if layout.ep and total % world and case.switch("experts_divide_ep"):
        yield Message("AC411.count", {"experts": total, "ep": world})
    if extra and not layout.ep:
        yield Message("AC411.redundant", {"experts": extra})
    if not layout.ep and moe.intermediate_size % world:
        yield Message("AC411.intermediate", {"size": moe.intermediate_size, "ranks": world})
    yield from _groups(case, layout, world)


def _groups(case: Case, layout: Layout, world: int) -> Iterator[Message]:
    """Grouped weights of split experts: the local width is a multiple of the group (A methods/w4a16.py)."""
    moe = case.profile.moe
    if moe is None or layout.ep:
        return
    for group in case.profile.quantization.groups:
        size = declared_group(case, group)
        local = moe.intermediate_size // world
        if size and size > 0 and any(".experts." in module for module in group.modules) and local % size:
            yield Message("AC415.group", {"size": local, "group": size})
            return


def _layers(case: Case, layout: Layout) -> Iterator[Message]:
    layers = case.profile.layers
    if layers is not None and layout.pp > layers:
        yield Message("AC413.stages", {"layers": layers, "pp": layout.pp})


def _context(case: Case, layout: Layout) -> Iterator[Message]:
    """Context parallelism: V 0.23.0 vllm/config/model.py:1209, A 0.23.0 vllm_ascend/platform.py:352, :732."""
    tp, dcp = layout.tp, layout.dcp
    if layout.pcp > 1 and layout.dp > 1:
        yield Message("AC413.context_and_data", {"pcp": layout.pcp, "dp": layout.dp})
    if dcp == 1:
        return
    if tp % dcp:
        yield Message("AC413.decode_context", {"dcp": dcp, "limit": tp})
    for group in case.profile.attention:
        if group.kind is AttentionKind.DSA and dcp != tp and case.switch("sparse_dcp_is_tp"):
            yield Message("AC413.sparse_context", {"dcp": dcp, "tp": tp})
        if group.window:
            yield Message("AC413.window_context", {"dcp": dcp})
        if group.kind in (*LATENT, *RECURRENT) or not group.kv_heads or not group.heads:
            continue
        if dcp > tp // group.kv_heads or (group.heads // group.kv_heads) % dcp:
            yield Message("AC413.decode_context", {"dcp": dcp, "limit": tp // group.kv_heads})


def _speculation(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.23.0 vllm_ascend/platform.py:435 and attention/attention_v1.py:251."""
    if case.draft_layers and layout.pp > 1:
        yield Message("AC413.mtp_stages", {"pp": layout.pp})
    limit = case.rules.integer("max_speculative_tokens")
    if case.spec_tokens > limit:
        yield Message("AC413.speculative", {"tokens": case.spec_tokens, "limit": limit})


def _length(case: Case, layout: Layout) -> Iterator[Message]:
    limit = positions(case.facts, case.profile, case.launch)
    if limit is not None and case.max_model_len > limit and not unlimited(case.launch):
        yield Message("AC412.length", {"tokens": case.max_model_len, "limit": limit})


def _sequence(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.23.0 vllm_ascend/platform.py:763: sequence parallelism (flashcomm1) needs tp, and EP for experts."""
    if flashcomm(case) and (layout.tp == 1 or (case.profile.moe is not None and not layout.ep)):
        yield Message("AC413.sequence", {"tp": layout.tp})


def _fine_grained(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.23.0 vllm_ascend/ascend_config.py:524: groups are cut out of the data-parallel ranks."""
    for name in _FINE_GRAINED:
        size = case.option("finegrained_tp_config", f"{name}_tensor_parallel_size")
        if isinstance(size, int) and size > 1 and (layout.dp % size or case.profile.moe is None):
            yield Message("AC413.fine_grained", {"name": name, "size": size, "dp": layout.dp})


def _device(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.18.0 vllm_ascend/_310p has no latent attention backend."""
    latent = any(group.kind in LATENT for group in case.profile.attention)
    if latent and case.target.soc.device_type == "_310P":
        yield Message("AC414.latent", {"soc": case.target.soc.name})


def _hybrid(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.18.0 vllm_ascend/patch/platform/patch_mamba_config.py:59: otherwise an assertion at start."""
    block = hybrid_block(case, layout.tp)
    if block is not None and not block.aligned:
        yield Message("AC412.alignment", {"keys": block.key_bytes, "state": block.state_bytes})


def _cache(case: Case, layout: Layout) -> Iterator[Message]:
    """A 0.18.0 vllm_ascend/quantization/methods/kv_c8.py: blocks of an 8-bit cache are multiples of 32 tokens."""
    step = case.rules.integer("compact_cache_block")
    if stored_bytes(case) == 1 and case.block_size % step:
        yield Message("AC412.block", {"tokens": case.block_size, "step": step})
