"""Layouts the engine refuses before memory matters: each failing check is a message with requirement and limit."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.core.finding import Message
from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import AttentionGroup, AttentionKind, QuantGroup
from ascend_compat.memory.case import LATENT, RECURRENT, Case
from ascend_compat.memory.kv_state import hybrid_block
from ascend_compat.memory.kv_tokens import stored_bytes
from ascend_compat.memory.lengths import positions, unlimited
from ascend_compat.memory.pieces import declared_group
from ascend_compat.memory.spread import dynamic_balancing, expert_world, extra_experts, flashcomm
from ascend_compat.memory.validity_parallel import decode_context, prefill_context, speculation, stages
from ascend_compat.memory.vision import encoder_whole

_FINE_GRAINED = ("oproj", "lmhead", "embedding", "mlp", "olora")


def failures(case: Case, layout: Layout) -> tuple[Message, ...]:
    """Every static check of this release that fails, in the order the engine would meet them."""
    checks = (
        _stored_ranks, _heads, _draft_heads, _sizes, _towers, _experts, stages, prefill_context, decode_context,
        speculation, _length, _sequence, _fine_grained, _device, _hybrid, _cache,
    )  # fmt: skip
    found = (message for check in checks for message in check(case, layout))
    return tuple(message for message in found if case.rules.check(message.id, case.target) is not None)


def _stored_ranks(case: Case, layout: Layout) -> Iterator[Message]:
    ranks = case.facts.ranks
    if ranks is not None and layout.tp != ranks:
        yield Message("AC410.stored_ranks", {"ranks": ranks, "tp": layout.tp})


def _heads(case: Case, layout: Layout) -> Iterator[Message]:
    tp = layout.tp
    for group in case.profile.attention:
        if group.kind in RECURRENT:
            yield from _state_heads(group, tp)
            yield from _convolution(case, group, tp)
            continue
        heads, kv = group.heads, group.kv_heads
        if heads and heads % tp:
            yield Message("AC410.heads", {"heads": heads, "tp": tp})
        if kv and group.kind not in LATENT and (tp % kv if tp >= kv else kv % tp):
            yield Message("AC410.kv_heads", {"heads": kv, "tp": tp})
        if heads and group.kind in LATENT:
            local = heads // tp
            if local & (local - 1):
                yield Message("AC413.latent_heads", {"heads": local, "tp": tp})


def _draft_heads(case: Case, layout: Layout) -> Iterator[Message]:
    """A separate draft model passes the check of heads on its own tensor-parallel size."""
    own = case.drafter
    tp = (own.tp if own else None) or layout.tp
    for group in own.profile.attention if own else ():
        if group.heads and group.heads % tp:
            yield Message("AC410.draft_heads", {"heads": group.heads, "tp": tp})
            return


def _state_heads(group: AttentionGroup, tp: int) -> Iterator[Message]:
    """Heads of queries and values; the groups of Mamba2 divide too, unless there is one, which every rank copies."""
    grouped = group.kind is AttentionKind.MAMBA
    if grouped and group.kv_heads and group.kv_heads > 1 and group.kv_heads % tp:
        yield Message("AC410.state_groups", {"groups": group.kv_heads, "tp": tp})
    for heads in (None if grouped else group.kv_heads, group.heads):
        if heads and heads % tp:
            yield Message("AC410.state_heads", {"heads": heads, "tp": tp})
            return


def _convolution(case: Case, group: AttentionGroup, tp: int) -> Iterator[Message]:
    """The convolution of gated delta nets, over queries, keys and values of a rank, is cut into whole tiles."""
    sizes = (group.heads, group.kv_heads, group.head_dim, group.v_head_dim)
    heads, keys, key_dim, value_dim = (size or 0 for size in sizes)
    if group.kind is not AttentionKind.GDN or not all(sizes) or heads % tp or keys % tp:
        return
    width, tiles = (2 * keys * key_dim + heads * value_dim) // tp, case.rules.convolution_tiles
    if all(width % tile for tile in tiles):
        yield Message("AC413.conv_width", {"width": width, "tp": tp, "tiles": ", ".join(map(str, tiles))})


def _sizes(case: Case, layout: Layout) -> Iterator[Message]:
    if case.padded_vocab % layout.tp:
        yield Message("AC410.vocabulary", {"size": case.padded_vocab, "tp": layout.tp})
    inner = case.profile.intermediate_size
    moe = case.profile.moe
    has_dense = moe is None or bool(moe.dense_layers)
    if inner and has_dense and inner % layout.tp:
        yield Message("AC410.intermediate", {"size": inner, "tp": layout.tp})


def _towers(case: Case, layout: Layout) -> Iterator[Message]:
    """Heads of an encoder whose attention the release divides by tp, unless it keeps it whole on every rank."""
    file = case.classes.encoder
    if file is None or encoder_whole(case, layout.tp) or file.endswith(case.rules.padded_encoders):
        return
    for tower in case.profile.towers:
        if tower.modality == "vision" and tower.heads and tower.heads % layout.tp:
            yield Message("AC410.vision", {"heads": tower.heads, "tp": layout.tp})


def _experts(case: Case, layout: Layout) -> Iterator[Message]:
    moe, world = case.profile.moe, expert_world(layout)
    if moe is None:
        if layout.ep:
            yield Message("AC411.none", {})
        return
    extra = extra_experts(case, layout)
    total = moe.routed + extra
    if layout.ep and total % world:
        yield Message("AC411.count", {"experts": total, "ep": world})
    if extra and not layout.ep:
        yield Message("AC411.redundant", {"experts": extra})
    if extra and dynamic_balancing(case) and not case.option("expert_map_path"):
        yield Message("AC411.unplaced", {"experts": extra})
    if not layout.ep and moe.intermediate_size % world:
        yield Message("AC411.intermediate", {"size": moe.intermediate_size, "ranks": world})
    yield from _groups(case, layout, world)


def _groups(case: Case, layout: Layout, world: int) -> Iterator[Message]:
    """Grouped weights of split experts: the local width is a multiple of the group (A methods/w4a16.py)."""
    moe = case.profile.moe
    if moe is None or layout.ep:
        return
    limit, ranks = (
        case.rules.integer("packed_experts_max_ranks"),
        int(layout.tp if case.switch("packed_by_tp") else world),
    )
    if ranks > limit and any(_packed_experts(case, group) for group in case.profile.quantization.groups):
        yield Message("AC415.ranks", {"ranks": ranks, "limit": limit})
    for group in case.profile.quantization.groups:
        size = declared_group(case, group)
        local = moe.intermediate_size // world
        if size and size > 0 and any(".experts." in module for module in group.modules) and local % size:
            yield Message("AC415.group", {"size": local, "group": size})
            return


def _packed_experts(case: Case, group: QuantGroup) -> bool:
    """Whether experts are 4-bit weights that ModelSlim packed (description version 1.0.0)."""
    packed = (case.facts.quant_description or {}).get("version") == "1.0.0"
    return packed and group.declared.startswith("W4A8") and any(".experts." in module for module in group.modules)


def _length(case: Case, layout: Layout) -> Iterator[Message]:
    limit = positions(case.facts, case.profile, case.launch)
    if limit is not None and case.max_model_len > limit and not unlimited(case.launch):
        yield Message("AC412.length", {"tokens": case.max_model_len, "limit": limit})


def _sequence(case: Case, layout: Layout) -> Iterator[Message]:
    if flashcomm(case) and (layout.tp == 1 or (case.profile.moe is not None and not layout.ep)):
        yield Message("AC413.sequence", {"tp": layout.tp})


def _fine_grained(case: Case, layout: Layout) -> Iterator[Message]:
    for name in _FINE_GRAINED:
        size = case.option("finegrained_tp_config", f"{name}_tensor_parallel_size")
        if isinstance(size, int) and size > 1 and (layout.dp % size or case.profile.moe is None):
            yield Message("AC413.fine_grained", {"name": name, "size": size, "dp": layout.dp})


def _device(case: Case, layout: Layout) -> Iterator[Message]:
    if any(group.kind in LATENT for group in case.profile.attention):
        yield Message("AC414.latent", {"soc": case.target.soc.name})


def _hybrid(case: Case, layout: Layout) -> Iterator[Message]:
    block = hybrid_block(case, layout.tp)
    if block is None:
        return
    if not block.aligned:
        yield Message("AC412.alignment", {"keys": block.key_bytes, "state": block.state_bytes})
    if block.tokens > block.least:
        yield Message("AC412.hybrid_block", {"tokens": block.tokens, "least": block.least})


def _cache(case: Case, layout: Layout) -> Iterator[Message]:
    step = case.rules.integer("compact_cache_block")
    if stored_bytes(case) == 1 and case.block_size % step:
        yield Message("AC412.block", {"tokens": case.block_size, "step": step})
