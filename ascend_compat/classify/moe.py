"""Experts: how many, how wide, in which layers; tensors outweigh the configuration."""

from __future__ import annotations

from ascend_compat.classify.tensors import header_evidence, layers_of, matching
from ascend_compat.classify.view import ConfigView
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Finding, Message
from ascend_compat.core.profile import MoeProfile
from ascend_compat.core.verdict import Basis, Effect, Severity

ROUTED = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts", "num_moe_experts")
SHARED = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
TOP_K = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k", "top_k_experts")
WIDTH = ("moe_intermediate_size", "expert_intermediate_size", "intermediate_size_mlp", "expert_ffn_hidden_size")


def moe_profile(
    view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int, mtp: frozenset[int]
) -> tuple[MoeProfile | None, tuple[Finding, ...]]:
    """The experts of the main model, ``None`` for a dense one."""
    gates = [g for g in matching(tensors, r"experts\.\*\.(gate_proj|w1)\.weight(_packed)?$") if len(g.shape) == 2]
    fused = matching(tensors, r"experts\.(gate_up_proj|gate_proj|w1|up_proj)(_blocks|_weight)?$")
    routed = view.integer(*ROUTED)
    seen = gates[0].per_layer if gates else fused[0].shape[0] if fused and len(fused[0].shape) >= 3 else None
    findings: list[Finding] = []
    if seen is not None and routed is not None and seen != routed:
        first = (gates or fused)[0]
        findings.append(
            Finding(
                "AC211",
                Severity.BLOCKER,
                Effect.FAILS_AT_STARTUP,
                Basis.SOURCE,
                first.template,
                Message("AC211", {"declared": routed, "present": seen, "template": first.template}),
                (header_evidence(first), *view.evidence(*ROUTED)),
            )
        )
    count = seen or routed
    if not count or count < 2:
        return None, tuple(findings)
    width = gates[0].shape[0] if gates else view.integer(*WIDTH) or view.integer("intermediate_size")
    in_tensors = tuple(n for n in layers_of([*gates, *fused]) if n not in mtp)
    with_experts = in_tensors or _declared_layers(view, layers)
    shared = view.integer(*SHARED) or (1 if view.integer("shared_expert_intermediate_size") else 0)
    return MoeProfile(
        routed=count,
        shared=shared,
        top_k=view.integer(*TOP_K),
        intermediate_size=width or 0,
        shared_intermediate_size=view.integer("shared_expert_intermediate_size") or ((width or 0) * shared or None),
        layers=with_experts,
        dense_layers=tuple(n for n in range(layers) if n not in set(with_experts)),
        fused_tensors=bool(fused) and not gates,
        evidence=(*view.evidence(*ROUTED, *TOP_K, *WIDTH), *(header_evidence(g) for g in (gates or fused)[:1])),
    ), tuple(findings)


def _declared_layers(view: ConfigView, layers: int) -> tuple[int, ...]:
    """MoE layers by configuration alone."""
    dense_first = view.integer("first_k_dense_replace", "moe_layer_start_index") or 0
    step = view.integer("decoder_sparse_step", "interleave_moe_layer_step") or 1
    only_dense = {n for n in view.items("mlp_only_layers") if isinstance(n, int)}
    frequency = view.items("moe_layer_freq")
    if len(frequency) >= layers:
        return tuple(n for n in range(layers) if frequency[n])
    return tuple(n for n in range(dense_first, layers) if (n + 1) % step == 0 and n not in only_dense)
