"""Layers grouped by attention kind and sizes, with the fields and tensors that say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.kinds import HEADS, KV_HEADS, LATENT, expands, layer_kinds
from ascend_compat.classify.stored_sizes import heads as stored_heads
from ascend_compat.classify.stored_sizes import width
from ascend_compat.classify.tensors import decoder_tensors, header_evidence, layers_of, matching
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence
from ascend_compat.core.profile import AttentionGroup, AttentionKind

HEAD_DIM = ("head_dim", "kv_channels", "attention_head_dim", "head_size")
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
QK_NORM = ("use_qk_norm", "qk_norm", "qk_layernorm", "use_qk_layernorm")
QK_TENSORS = r"\.(q_norm|q_layernorm|query_layernorm|query_norm)\.weight$"
_LISTS = ("layer_types", "layers_block_type", "hybrid_override_pattern", "hybrid_layer_pattern", "compress_ratios",
          "full_attention_interval", "sliding_window_pattern", "block_configs", "no_rope_layers", "kda_layers",
          "no_rope_layer_interval", "cross_attention_layers",
          "sparse_attention_freq", "attn_type_list")  # fmt: skip
_WINDOW = ("sliding_window", "attention_chunk_size", "window_size", "sliding_window_size")
_GATE = ("attn_output_gate", "attention_output_gate", "mla_use_output_gate")
_SINKS = r"\.(sinks|attn_sink|attention_sink_bias)$"
#: Index keys of sparse kinds, by the section of config.json that holds them.
_INDEX = {"sparse_attention_config": ("sparse_index_dim", "sparse_num_index_heads")}
_LATENT_NORMS = r"\.(kv_a_layernorm|kv_norm|kv_a_norm)\.weight$"
_QUERY_NORMS = r"\.(q_a_layernorm|q_a_norm)\.weight$"
_DOWN = r"\.(kv_a_proj_with_mqa|kv_a_proj|wkv_a|kv_down_proj)\.weight$"
#: Sizes of windowed layers and of full layers where a hybrid model names them apart (MiMo-V2, dots3-note, Gemma 4).
_SLIDING_NAMES = {"num_attention_heads": "swa_num_attention_heads", "num_key_value_heads": "swa_num_key_value_heads",
                  "head_dim": "swa_head_dim", "v_head_dim": "swa_v_head_dim", "kv_lora_rank": "swa_kv_lora_rank",
                  "q_lora_rank": "swa_q_lora_rank", "qk_nope_head_dim": "swa_qk_nope_head_dim",
                  "qk_rope_head_dim": "swa_qk_rope_head_dim"}  # fmt: skip
_FULL_NAMES = {"num_key_value_heads": "num_global_key_value_heads", "head_dim": "global_head_dim"}
_LATENT = (AttentionKind.MLA, AttentionKind.DSA)
_INDEXED = (AttentionKind.DSA, AttentionKind.COMPRESSED, AttentionKind.BLOCK_SPARSE, AttentionKind.UNKNOWN)


class _Latent(NamedTuple):
    """Sizes of latent attention; ``None`` where neither configuration nor tensors say them."""

    kv_rank: int | None
    q_rank: int | None
    rope: int | None


def attention_groups(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int) -> tuple[AttentionGroup, ...]:
    """Layers with the same kind and key heads, in order of their first layer; those without attention are left out."""
    heads_of, ratios = _block_heads(view, layers), view.per_layer(layers, "compress_ratios")
    found: dict[tuple[AttentionKind, int | None, int | None], list[int]] = {}
    for layer, kind in enumerate(layer_kinds(view, tensors, layers)):
        if kind is not None:
            kv = heads_of.get(layer)
            grouped = kv is not None and kind is AttentionKind.MHA
            ratio = ratios[layer] if ratios and kind is AttentionKind.COMPRESSED else None
            key = (AttentionKind.GQA if grouped else kind, kv, ratio if isinstance(ratio, int) else None)
            found.setdefault(key, []).append(layer)
    stack = decoder_tensors(tensors)
    groups = [replace(_group(view, stack, kind, tuple(own), kv), compress_ratio=ratio)
              for (kind, kv, ratio), own in found.items()]  # fmt: skip
    groups += _crossing(view, stack, layers)
    counted = view.evidence("num_hidden_layers", "n_layer", "num_layers", "n_layers") or _seen(stack, "")
    return tuple(group if group.evidence else replace(group, evidence=counted) for group in groups)


def _crossing(view: ConfigView, stack: tuple[TensorGroup, ...], layers: int) -> tuple[AttentionGroup, ...]:
    """Cross attention beside self-attention, in every decoder layer of an encoder-decoder model."""
    found = matching(stack, r"\.(encoder_attn|EncDecAttention|cross_attn|crossattention|second_sub_layer)\.")
    if not found and view.flag("is_encoder_decoder") is not True:
        return ()
    own = layers_of(found) or tuple(range(layers))
    group = _softmax(view, stack, AttentionKind.CROSS, own, None)
    said = (*view.evidence("is_encoder_decoder"), *(header_evidence(item) for item in found[:1]))
    return (replace(group, evidence=(*said, *group.evidence)),)


def _block_heads(view: ConfigView, layers: int) -> dict[int, int]:
    """Key heads per layer where a block says how many query heads share one (Nemotron-NAS)."""
    heads, out = view.size(*HEADS), {}
    for layer, block in enumerate(view.per_layer(layers, "block_configs")):
        attention = block.get("attention") if isinstance(block, dict) else None
        share = attention.get("n_heads_in_group") if isinstance(attention, dict) else None
        if heads and isinstance(share, int) and not isinstance(share, bool) and 0 < share <= heads:
            out[layer] = heads // share
    return out


def _group(
    view: ConfigView, stack: tuple[TensorGroup, ...], kind: AttentionKind, layers: tuple[int, ...], kv: int | None
) -> AttentionGroup:
    if kind is AttentionKind.GDN:
        return _gated_delta(view, stack, layers)
    if kind is AttentionKind.MAMBA:
        return _mamba(view, stack, layers)
    if kind is AttentionKind.KDA:
        return _delta(view, stack, layers)
    return _softmax(view, stack, kind, layers, kv)


def _gated_delta(view: ConfigView, stack: tuple[TensorGroup, ...], layers: tuple[int, ...]) -> AttentionGroup:
    names = ("linear_num_value_heads", "linear_num_key_heads", "linear_key_head_dim", "linear_value_head_dim")
    heads, kv_heads, key_dim, value_dim = (view.size(name) for name in names)
    _missing(view, {name: view.size(name) for name in names})
    return AttentionGroup(
        AttentionKind.GDN, layers, heads, kv_heads, key_dim, value_dim,
        conv_kernel=view.size("linear_conv_kernel_dim"), state_dtype=view.text("mamba_ssm_dtype"),
        evidence=(*view.evidence(*names, "mamba_ssm_dtype", *_LISTS), *_seen(stack, r"\.linear_attn\.")),
    )  # fmt: skip


def _delta(view: ConfigView, stack: tuple[TensorGroup, ...], layers: tuple[int, ...]) -> AttentionGroup:
    """Kimi delta attention: its sizes lie in ``linear_attn_config``. Source: vLLM 0.23.0 models/kimi_linear.py."""
    section = view.section("linear_attn_config") or ConfigView({}, nested=())
    heads, head_dim, kernel = (
        section.size("num_heads"),
        section.size("head_dim"),
        section.size("short_conv_kernel_size"),
    )
    said = (*section.evidence("num_heads", "head_dim", "short_conv_kernel_size"), *_seen(stack, r"\.A_log$"))
    return AttentionGroup(
        AttentionKind.KDA, layers, heads, heads, head_dim, head_dim, conv_kernel=kernel, evidence=said
    )  # fmt: skip


def _mamba(view: ConfigView, stack: tuple[TensorGroup, ...], layers: tuple[int, ...]) -> AttentionGroup:
    names = ("mamba_num_heads", "mamba_n_heads", "n_groups", "mamba_n_groups", "mamba_head_dim", "mamba_d_head",
             "ssm_state_size", "mamba_d_state")  # fmt: skip
    if view.has("state_size") and not view.has("ssm_state_size"):  # Mamba 2 alone: no attention shares the names.
        names = ("num_heads", "num_heads", "n_groups", "n_groups", "head_dim", "head_dim", "state_size", "state_size")
    heads, groups, head_dim, state = (view.size(*names[at : at + 2]) for at in range(0, 8, 2))
    return AttentionGroup(
        AttentionKind.MAMBA, layers, heads, groups, head_dim, state,
        conv_kernel=view.size("conv_kernel", "mamba_d_conv"),
        state_dtype=view.text("mamba_ssm_cache_dtype", "mamba_ssm_dtype"),
        evidence=(*view.evidence(*names, *_LISTS), *_seen(stack, r"\.A_log$")),
    )  # fmt: skip


def _softmax(
    view: ConfigView, stack: tuple[TensorGroup, ...], kind: AttentionKind, layers: tuple[int, ...], kv: int | None
) -> AttentionGroup:
    renamed = _SLIDING_NAMES if kind is AttentionKind.SLIDING else _FULL_NAMES

    def size(*names: str) -> int | None:
        return view.size(*(renamed[name] for name in names if name in renamed), *names)

    latent = kind in _LATENT or (kind is AttentionKind.SLIDING and _keeps_latents(view, stack, layers))
    heads = size(*HEADS)
    own = _latent_sizes(view, stack, size) if latent else _Latent(None, size("q_lora_rank"), size("qk_rope_head_dim"))
    expanded = expands(view)
    nope = size("qk_nope_head_dim") if latent or expanded else None
    head_dim = _latent_head(own, nope)
    if head_dim is None and not latent:
        head_dim = size(*HEAD_DIM) or _head_dim(view, stack, heads)
    if kind is not AttentionKind.UNKNOWN:
        _missing(view, {"num_attention_heads": heads, "head_dim": head_dim})
    norms, kv = matching(stack, QK_TENSORS), kv or (None if latent else size(*KV_HEADS))
    if heads is None and not latent:
        heads, kv = stored_heads(view, stack, head_dim)
    index_dim, index_heads, index_said = _index(view, kind)
    return AttentionGroup(
        kind,
        layers,
        heads=heads,
        kv_heads=None if latent else kv or (heads if kind is AttentionKind.MHA else None),
        head_dim=head_dim,
        v_head_dim=None if expanded else size("v_head_dim"),
        kv_lora_rank=own.kv_rank,
        q_lora_rank=own.q_rank,
        qk_rope_head_dim=own.rope,
        qk_nope_head_dim=nope,
        index_head_dim=index_dim,
        index_heads=index_heads,
        window=size(*_WINDOW) if kind is AttentionKind.SLIDING else None,
        qk_norm=bool(norms) if stack else view.flag(*QK_NORM),
        output_gate=view.flag(*_GATE),
        sinks=bool(matching(stack, _SINKS)) if stack else None,
        evidence=(
            *view.evidence(*HEADS, *KV_HEADS, *HEAD_DIM, *renamed.values(), *QK_NORM, *_LISTS, "kv_lora_rank",
                           "q_lora_rank", "qk_rope_head_dim", "index_topk", "index_n_heads", "index_head_dim",
                           *_WINDOW, *_GATE),
            *index_said,
            *(header_evidence(group) for group in norms[:1]),
            *_seen(stack, r"\.(kv_a_proj\w*|wkv_a)\.|\.indexer\." if latent else r"\.(k_proj|qkv_proj|wk|wkv)\."),
        ),
    )  # fmt: skip


def _keeps_latents(view: ConfigView, stack: tuple[TensorGroup, ...], layers: tuple[int, ...]) -> bool:
    """Whether windowed layers cache a latent: they hold its projections, or its rank is declared for them."""
    held = set(layers_of(matching(stack, LATENT)))
    return not expands(view) and (bool(held & set(layers)) or view.has(_SLIDING_NAMES["kv_lora_rank"]))


def _latent_sizes(view: ConfigView, stack: tuple[TensorGroup, ...], size: Callable[[str], int | None]) -> _Latent:
    """Ranks of the latents: declared, else the widths of their norms; the rope part is what the projection has more."""
    kv_rank = size("kv_lora_rank") or width(stack, _LATENT_NORMS)
    q_rank = size("q_lora_rank") or width(stack, _QUERY_NORMS)
    rope = size("qk_rope_head_dim")
    rows = width(stack, _DOWN)
    if rope is None and kv_rank and rows and rows > kv_rank:
        rope = rows - kv_rank
    _missing(view, {"kv_lora_rank": kv_rank, "qk_rope_head_dim": rope})
    return _Latent(kv_rank, q_rank, rope)


def _latent_head(own: _Latent, nope: int | None) -> int | None:
    return nope + own.rope if nope and own.rope else None


def _head_dim(view: ConfigView, stack: tuple[TensorGroup, ...], heads: int | None) -> int | None:
    """Elements of a head without a field for it: the width of a per-head norm, else hidden size over heads."""
    hidden, norm = view.size(*HIDDEN), width(stack, QK_TENSORS)
    if norm and (not hidden or norm < hidden):
        return norm
    if heads and hidden and hidden % heads == 0:
        return hidden // heads
    return None


def _index(view: ConfigView, kind: AttentionKind) -> tuple[int | None, int | None, tuple[Evidence, ...]]:
    """Size and number of the index keys of a sparse kind, with the section's fields that say so."""
    if kind not in _INDEXED:
        return None, None, ()
    for name, fields in _INDEX.items():
        section = view.section(name)
        if section is not None:
            sizes = [section.size(field) for field in fields]
            return sizes[0], sizes[1], section.evidence(*fields)
    return view.size("index_head_dim"), view.size("index_n_heads"), ()


def _seen(stack: tuple[TensorGroup, ...], pattern: str) -> tuple[Evidence, ...]:
    return tuple(header_evidence(group) for group in matching(stack, pattern)[:1])


def _missing(view: ConfigView, sizes: dict[str, int | None]) -> None:
    for name, value in sizes.items():
        if value is None:
            view.unknown.setdefault(name, "neither config.json nor the tensors say it")
