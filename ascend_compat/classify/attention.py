"""How each layer mixes tokens, and its sizes; position encoding."""

from __future__ import annotations

from collections.abc import Iterable

from ascend_compat.classify.tensors import header_evidence, layers_of, matching
from ascend_compat.classify.view import ConfigView
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import AttentionGroup, AttentionKind

#: Names of ``layer_types`` entries. Source: transformers, configuration_utils.py, ALLOWED_LAYER_TYPES.
LAYER_TYPES = {
    "full_attention": None,
    "attention": None,
    "linear_attention": AttentionKind.GDN,
    "sliding_attention": AttentionKind.SLIDING,
    "chunked_attention": AttentionKind.SLIDING,
    "mamba": AttentionKind.MAMBA,
}
#: One letter a layer in hybrid patterns (NVIDIA Nemotron-H): M Mamba, * attention, - and E without attention.
PATTERN = {"M": AttentionKind.MAMBA, "*": None}


def attention_groups(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int) -> tuple[AttentionGroup, ...]:
    """Layers grouped by attention kind, in layer order of first appearance."""
    kinds = _kinds(view, tensors, layers)
    by_kind: dict[AttentionKind, list[int]] = {}
    for layer, kind in enumerate(kinds):
        if kind is not None:
            by_kind.setdefault(kind, []).append(layer)
    return tuple(_group(view, tensors, kind, tuple(found)) for kind, found in by_kind.items())


def _kinds(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int) -> list[AttentionKind | None]:
    full = _full_kind(view, tensors)
    named = view.items("layer_types", "layers_block_type")
    if len(named) >= layers > 0:
        return [_named(name, full) for name in named[:layers]]
    pattern = view.text("hybrid_override_pattern")
    if pattern and len(pattern) >= layers:
        return [PATTERN.get(c, full) or full if c in PATTERN else None for c in pattern[:layers]]
    linear = set(layers_of(matching(tensors, r"layers\.\*\.linear_attn\.")))
    if linear:
        return [AttentionKind.GDN if layer in linear else full for layer in range(layers)]
    interval = view.integer("full_attention_interval")
    if interval and view.integer("linear_num_value_heads"):
        return [full if (layer + 1) % interval == 0 else AttentionKind.GDN for layer in range(layers)]
    return _windows(view, full, layers)


def _named(name: object, full: AttentionKind) -> AttentionKind:
    if not isinstance(name, str) or name not in LAYER_TYPES:
        return AttentionKind.UNKNOWN
    return LAYER_TYPES[name] or full


def _windows(view: ConfigView, full: AttentionKind, layers: int) -> list[AttentionKind | None]:
    """Sliding windows without a list of layer types: a switch, a pattern of one full layer in n, or all layers."""
    window = view.integer("sliding_window")
    if not window or view.flag("use_sliding_window") is False:
        return [full] * layers
    per_layer = view.items("hybrid_layer_pattern")
    if len(per_layer) >= layers:
        return [AttentionKind.SLIDING if kind == 1 else full for kind in per_layer[:layers]]
    every = view.integer("sliding_window_pattern", "_sliding_window_pattern")
    if every and every > 1:
        return [full if (layer + 1) % every == 0 else AttentionKind.SLIDING for layer in range(layers)]
    start = view.integer("max_window_layers")
    if start is not None:
        return [AttentionKind.SLIDING if layer >= start else full for layer in range(layers)]
    return [AttentionKind.SLIDING] * layers


def _full_kind(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> AttentionKind:
    latent = view.integer("kv_lora_rank") or matching(tensors, r"self_attn\.kv_a_proj_with_mqa\.weight$")
    if latent:
        sparse = view.integer("index_topk", "index_n_heads") or matching(tensors, r"self_attn\.indexer\.")
        return AttentionKind.DSA if sparse else AttentionKind.MLA
    heads = view.integer("num_attention_heads", "n_head", "n_heads")
    kv = view.integer("num_key_value_heads", "num_kv_heads", "n_kv_heads", "multi_query_group_num")
    if heads is None:
        return AttentionKind.UNKNOWN
    if kv is None or kv == heads:
        return AttentionKind.MHA
    return AttentionKind.MQA if kv == 1 else AttentionKind.GQA


def _group(
    view: ConfigView, tensors: tuple[TensorGroup, ...], kind: AttentionKind, layers: tuple[int, ...]
) -> AttentionGroup:
    if kind is AttentionKind.GDN:
        names = ("linear_num_value_heads", "linear_num_key_heads", "linear_key_head_dim", "linear_value_head_dim")
        heads, kv_heads, key_dim, value_dim = (view.integer(name) for name in names)
        return AttentionGroup(
            kind, layers, heads, kv_heads, key_dim, value_dim,
            conv_kernel=view.integer("linear_conv_kernel_dim"),
            state_dtype=view.text("mamba_ssm_dtype"),
            evidence=view.evidence(*names, "layer_types"),
        )  # fmt: skip
    if kind is AttentionKind.MAMBA:
        return AttentionGroup(
            kind, layers, view.integer("mamba_num_heads", "mamba_n_heads"),
            view.integer("n_groups", "mamba_n_groups"),
            view.integer("mamba_head_dim", "mamba_d_head"), view.integer("ssm_state_size", "mamba_d_state"),
            conv_kernel=view.integer("conv_kernel", "mamba_d_conv"), state_dtype=view.text("mamba_ssm_cache_dtype"),
            evidence=view.evidence("mamba_num_heads", "hybrid_override_pattern"),
        )  # fmt: skip
    return _softmax(view, tensors, kind, layers)


def _softmax(
    view: ConfigView, tensors: tuple[TensorGroup, ...], kind: AttentionKind, layers: tuple[int, ...]
) -> AttentionGroup:
    heads = view.integer("num_attention_heads", "n_head", "n_heads")
    hidden = view.integer("hidden_size", "n_embd", "d_model")
    head_dim = view.integer("head_dim", "kv_channels", "attention_head_dim")
    if head_dim is None and heads and hidden:
        head_dim = hidden // heads
    norms = matching(tensors, r"layers\.\*\..*\.(q_norm|q_layernorm|query_layernorm)\.weight$")
    declared = view.flag("use_qk_norm", "qk_norm", "qk_layernorm")
    return AttentionGroup(
        kind,
        layers,
        heads=heads,
        kv_heads=view.integer("num_key_value_heads", "num_kv_heads", "n_kv_heads", "multi_query_group_num") or heads,
        head_dim=head_dim,
        v_head_dim=view.integer("v_head_dim"),
        kv_lora_rank=view.integer("kv_lora_rank"),
        q_lora_rank=view.integer("q_lora_rank"),
        qk_rope_head_dim=view.integer("qk_rope_head_dim"),
        qk_nope_head_dim=view.integer("qk_nope_head_dim"),
        index_head_dim=view.integer("index_head_dim"),
        index_heads=view.integer("index_n_heads"),
        window=view.integer("sliding_window", "attention_chunk_size") if kind is AttentionKind.SLIDING else None,
        qk_norm=bool(norms) if tensors else declared,
        output_gate=view.flag("attn_output_gate"),
        evidence=(
            *view.evidence("num_attention_heads", "num_key_value_heads", "head_dim", "kv_lora_rank", "layer_types"),
            *(header_evidence(group) for group in norms[:1]),
        ),
    )


def rope(view: ConfigView, head_dim: int | None) -> tuple[tuple[tuple[str, str], ...], int | None]:
    """Position encoding as (name, text) pairs, and the rotated dimension in elements."""
    parameters = view.mapping("rope_parameters", "rope_scaling")
    theta = view.number("rope_theta") or _number(parameters.get("rope_theta"))
    partial = view.number("partial_rotary_factor", "rotary_pct") or _number(parameters.get("partial_rotary_factor"))
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    pairs = [("type", str(kind))]
    if theta is not None:
        pairs.append(("theta", f"{theta:g}"))
    if partial is not None:
        pairs.append(("partial_rotary_factor", f"{partial:g}"))
    if "mrope_section" in parameters:
        pairs.append(("mrope_section", str(parameters["mrope_section"])))
    if parameters.get("mrope_interleaved") is True:
        pairs.append(("interleaved", "true"))
    factor = _number(parameters.get("factor"))
    if factor is not None:
        pairs.append(("factor", f"{factor:g}"))
    rotated = view.integer("qk_rope_head_dim")
    if rotated is None and head_dim is not None:
        rotated = int(head_dim * partial) if partial is not None else head_dim
    return tuple(pairs), rotated


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def last_layer(groups: Iterable[TensorGroup]) -> int | None:
    """The highest decoder layer index in the tensors, ``None`` without one."""
    found = layers_of(matching(groups, r"(^|\.)(layers|h|blocks)\.\*\."))
    return found[-1] if found else None
