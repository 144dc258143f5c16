"""Experts: how many, how wide, in which layers; tensors outweigh the configuration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.findings import contradiction
from ascend_compat.classify.moe_layers import FIELDS, declared_layers
from ascend_compat.classify.router import router
from ascend_compat.classify.tensors import decoder_tensors, header_evidence, matching
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.profile import MoeProfile
from ascend_compat.core.verdict import Effect, Severity

ROUTED = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts", "num_moe_experts",
          "num_routed_experts", "n_experts")  # fmt: skip
SHARED = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
TOP_K = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_top_k", "moe_k",
         "top_k_experts", "num_selected_experts")  # fmt: skip
WIDTH = ("moe_intermediate_size", "expert_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size",
         "expert_dim")  # fmt: skip
SHARED_WIDTH = ("shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size",
                "share_expert_dim")  # fmt: skip
#: The width of experts that work in a latent of the hidden states (Nemotron-H, Kimi-K3).
LATENT_WIDTH = ("moe_latent_size", "routed_expert_hidden_size")
#: The weight that takes the hidden size to one expert's width, one tensor per expert.
_EACH = re.compile(r"\.experts\.\*\.(up_proj|gate_proj|w1|w3|linear_v|fc1)\.(weight|weight_packed|qweight)$")
#: The same for all experts of a layer in one tensor (first dimension: experts).
_FUSED = re.compile(r"experts\.(gate_up_proj|gate_proj|up_proj|w1|w13|gate_and_up_projs)(\.weight|_blocks|_weight)?$")
_EXPERT = re.compile(r"\.(experts|local_experts)\.")


class _Stored(NamedTuple):
    """What the tensors say: experts in each layer, the groups that hold them, one tensor for all experts or not."""

    experts: dict[int, int]
    groups: list[TensorGroup]
    fused: bool


def moe_profile(
    view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int, mtp: frozenset[int]
) -> tuple[MoeProfile | None, tuple[Finding, ...]]:
    """The experts of the main model, ``None`` for a dense one; layers of MTP heads are not counted."""
    stored = _stored(tensors, mtp)
    declared = view.size(*ROUTED) if view.flag("enable_moe_block") is not False else None
    seen = Counter(stored.experts.values()).most_common(1)[0][0] if stored.experts else None
    count = seen or declared
    if not count or (count < 2 and not stored.experts):
        return None, ()
    if declared is None:
        view.unknown["num_experts"] = f"not declared; {count} experts are counted in the tensors"
    by_config = declared_layers(view, layers)
    holding = tuple(sorted(stored.experts)) or by_config
    width = _width(view, stored)
    if width is None:
        view.unknown["moe_intermediate_size"] = "neither config.json nor the tensors say it"
    shared, shared_width = _shared(view, tensors, width)
    chooser, said = router(view, tensors)
    return MoeProfile(
        routed=count,
        shared=shared,
        top_k=view.size(*TOP_K),
        intermediate_size=width or 0,
        shared_intermediate_size=shared_width,
        layers=holding,
        dense_layers=tuple(n for n in range(layers) if n not in set(holding) and not _is_mixer(view, layers, n)),
        fused_tensors=stored.fused,
        router=chooser,
        latent_size=view.size(*LATENT_WIDTH),
        evidence=(
            *view.evidence(*ROUTED, *SHARED, *TOP_K, *WIDTH, *SHARED_WIDTH, *LATENT_WIDTH, *FIELDS),
            *(header_evidence(group) for group in stored.groups[:1]),
            *said,
        ),
    ), tuple(_contradictions(view, stored, declared, by_config, layers))


def _stored(tensors: tuple[TensorGroup, ...], mtp: frozenset[int]) -> _Stored:
    stack = decoder_tensors(tensors)
    each = [group for group in stack if _EACH.search(group.template)]
    fused = [g for g in stack if _FUSED.search(g.template) and len(g.shape) >= 3] if not each else []
    experts: Counter[int] = Counter()
    chosen = [group for group in each if _same(group, each[0])]
    for group in chosen:
        for layer in set(group.layers) - mtp:
            experts[layer] += group.per_layer
    for group in fused:
        experts.update(dict.fromkeys(set(group.layers) - mtp - set(experts), group.shape[0]))
    return _Stored(dict(experts), [*chosen, *fused], bool(fused))


def _same(group: TensorGroup, first: TensorGroup) -> bool:
    """Whether two groups are the same projection: only one of gate and up is counted."""
    return group.module.rpartition(".")[2] == first.module.rpartition(".")[2]


def _width(view: ConfigView, stored: _Stored) -> int | None:
    """Elements of an expert's hidden layer: rows of its weight, unless two rows of what is declared share a byte."""
    own = view.size(*WIDTH)
    rows = next((g.shape[0] for g in stored.groups if len(g.shape) == 2 and g.parameter == "weight"), None)
    if rows and own == 2 * rows:
        return own
    return rows or own or view.size("intermediate_size", "ffn_hidden_size", "n_inner")


def _shared(view: ConfigView, tensors: tuple[TensorGroup, ...], width: int | None) -> tuple[int, int | None]:
    """Number of shared experts and the width of all of them together."""
    own = view.integer(*SHARED_WIDTH)
    found = matching(decoder_tensors(tensors), r"\.(shared_experts?|shared_mlp)\.(up_proj|gate_proj|w1)\.weight$")
    rows = found[0].shape[0] if found and len(found[0].shape) == 2 else None
    count = view.integer(*SHARED)
    if count is None:
        count = 1 if own or found else 0
    if not count:
        return 0, None
    return count, rows or own or (width * count if width else None)


def _is_mixer(view: ConfigView, layers: int, layer: int) -> bool:
    """Whether a layer is a token mixer alone, as in models whose layers are one block each (Nemotron-H)."""
    pattern = view.text("hybrid_override_pattern") or ""
    if len(pattern) >= layers:
        return pattern[layer] in "M*"
    blocks = view.per_layer(layers, "layers_block_type")
    return bool(blocks) and "moe" in blocks and blocks[layer] in ("mamba", "attention")


def _contradictions(
    view: ConfigView, stored: _Stored, declared: int | None, by_config: tuple[int, ...], layers: int
) -> Iterator[Finding]:
    if not stored.groups:
        return
    first, said = stored.groups[0], view.evidence(*ROUTED)
    wrong = {layer: count for layer, count in stored.experts.items() if declared is not None and count != declared}
    if wrong:
        present = Counter(wrong.values()).most_common(1)[0][0]
        params = {"declared": declared, "present": present, "layers": len(wrong)}
        yield contradiction("AC211", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, first, said, **params)
    inside = {layer for layer in stored.experts if layer < layers}
    if declared is not None and inside != set(by_config) and any(view.has(name) for name in FIELDS):
        params = {"declared": len(by_config), "present": len(inside)}
        where = view.evidence(*FIELDS) or said
        yield contradiction("AC216", Severity.WARNING, Effect.FAILS_AT_STARTUP, first, where, **params)
