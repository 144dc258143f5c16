"""Which kind of attention each layer has, from per-layer lists, patterns, intervals and tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ascend_compat.classify.config import ConfigView, short
from ascend_compat.classify.stored_sizes import KEY, QUERY, width
from ascend_compat.classify.tensors import decoder_prefix, decoder_tensors, layers_of, matching
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import AttentionKind

Kinds = list[AttentionKind | None]

HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "n_head_kv", "multi_query_group_num")
#: Down- and up-projections of a shared latent, as transformers, DeepSeek's own code and other trees spell them.
LATENT = r"\.(kv_a_proj(_with_mqa)?|kv_a_layernorm|kv_b_proj|wkv_a|wkv_b|kv_down_proj|kv_up_proj)\."
#: A stack of layers that see every token: BERT and its kin name theirs so.
ENCODER_STACK = r"(^|\.)encoder\.layers?$"
LINEAR = ("linear_num_value_heads", "linear_num_key_heads")

#: ``layer_types`` entries with one meaning. ``None``: the layer mixes no tokens (an MLP or experts alone).
#: Source: transformers, ALLOWED_LAYER_TYPES in configuration_utils.py; NVIDIA Nemotron-H, layers_block_type.
LAYER_TYPES: dict[str, AttentionKind | None] = {
    "sliding_attention": AttentionKind.SLIDING,
    "chunked_attention": AttentionKind.SLIDING,
    "local_attention": AttentionKind.SLIDING,
    "mamba": AttentionKind.MAMBA,
    "mamba2": AttentionKind.MAMBA,
    "cross_attention": AttentionKind.CROSS,
    "mlp": None,
    "moe": None,
}
#: Model types that store latent projections and cache the keys and values of every head, values padded to the keys.
#: Source: V 0.18.0 vllm/model_executor/models/minicpm3.py:126; is_deepseek_mla of model_arch_config_convertor.py:212.
EXPANDED = frozenset({"minicpm3"})
FULL_TYPES = frozenset({"full_attention", "attention", "global_attention", "f"})
#: One letter a layer in hybrid_override_pattern: M Mamba, * attention, - MLP, E experts. Source: Nemotron-H.
PATTERN: dict[str, AttentionKind | None] = {"M": AttentionKind.MAMBA, "-": None, "E": None}


def layer_kinds(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int) -> Kinds:
    """The kind of every layer, ``None`` for a layer without attention. The first source that answers wins."""
    full = full_kind(view, tensors)
    sources: tuple[Callable[[], Kinds | None], ...] = (
        lambda: _listed(view, tensors, layers, full),
        lambda: _crossed(view, layers, full),
        lambda: _letters(view, layers, full),
        lambda: _compressed(view, layers),
        lambda: _blocks(view, layers, full),
        lambda: _delta(view, layers, full),
        lambda: _states(view, layers),
        lambda: _stored(tensors, layers, full),
        lambda: _interval(view, layers, full),
        lambda: _switched(view, layers, full),
        lambda: _windows(view, layers, full),
    )
    for source in sources:
        found = source()
        if found is not None:
            return found
    return [full] * layers


def expands(view: ConfigView) -> bool:
    """Whether the model's latents are expanded to heads before they are cached."""
    return any(str(level.get("model_type")) in EXPANDED for _, level in view.levels)


def full_kind(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> AttentionKind:
    """The kind of layers that see every token: latent, sparse latent, or by the number of key heads."""
    stack = decoder_tensors(tensors)
    if expands(view):
        return AttentionKind.MHA
    if view.size("kv_lora_rank") or matching(stack, LATENT):
        sparse = view.size("index_topk", "index_n_heads") or matching(stack, r"\.indexer\.")
        return AttentionKind.DSA if sparse else AttentionKind.MLA
    encoder = re.search(ENCODER_STACK, decoder_prefix(tensors) or "")
    if encoder or view.flag("is_causal") is False or view.is_true("use_bidirectional_attention"):
        return AttentionKind.ENCODER
    heads, kv = view.size(*HEADS), view.size(*KV_HEADS)
    if heads is None:
        return _by_projections(view, stack)
    if view.flag("multi_query") and kv is None:
        return AttentionKind.MQA
    if kv is None or kv == heads:
        return AttentionKind.MHA
    return AttentionKind.MQA if kv == 1 else AttentionKind.GQA


def _by_projections(view: ConfigView, stack: tuple[TensorGroup, ...]) -> AttentionKind:
    """The kind by the rows of query and key projections, where no number of heads is declared."""
    rows, keys = width(stack, QUERY), width(stack, KEY)
    if not rows or not keys:
        view.unknown.setdefault("attention", "the number of heads is not declared")
        return AttentionKind.UNKNOWN
    kind = AttentionKind.MHA if rows == keys else AttentionKind.GQA
    view.unknown["num_attention_heads"] = f"not declared; {rows} query rows and {keys} key rows say {kind.value}"
    return kind


def linear_kind(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> AttentionKind:
    """Gated delta net where its sizes or tensors say so, else linear attention of a kind that is not told apart."""
    gated = view.size(*LINEAR) or matching(tensors, r"\.linear_attn\.(in_proj_(qkv|ba|b)|A_log)")
    if gated:
        return AttentionKind.GDN
    view.unknown["attention"] = "linear attention whose sizes (linear_num_value_heads) are not declared"
    return AttentionKind.LINEAR


def _listed(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int, full: AttentionKind) -> Kinds | None:
    names = view.per_layer(layers, "layer_types", "layers_block_type")
    if not names:
        return None
    out: Kinds = []
    for name in names:
        if name in FULL_TYPES if isinstance(name, str) else False:
            out.append(full)
        elif name == "linear_attention":
            out.append(linear_kind(view, tensors))
        elif isinstance(name, str) and name in LAYER_TYPES:
            out.append(LAYER_TYPES[name])
        else:
            view.unknown["attention"] = f"layer type {short(name)} is not known"
            out.append(AttentionKind.UNKNOWN)
    return out


def _crossed(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    """Layers of a decoder that attend to another tower alone (Llama 3.2 Vision)."""
    crossed = {n for n in view.items("cross_attention_layers") if isinstance(n, int)}
    return [AttentionKind.CROSS if layer in crossed else full for layer in range(layers)] if crossed else None


def _letters(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    pattern = view.text("hybrid_override_pattern")
    if pattern is None or len(pattern) < layers:
        return None
    return [full if letter == "*" else PATTERN.get(letter, AttentionKind.UNKNOWN) for letter in pattern[:layers]]


def _compressed(view: ConfigView, layers: int) -> Kinds | None:
    """DeepSeek-V4: ratio 0 is a plain window; other layers add keys compressed by the ratio."""
    ratios = view.per_layer(layers, "compress_ratios")
    if not ratios:
        return None
    found = sorted({ratio for ratio in ratios if isinstance(ratio, int) and ratio > 0})
    if found:
        view.unknown["attention"] = f"keys compressed by {', '.join(map(str, found[:4]))} (compress_ratios)"
    return [AttentionKind.SLIDING if ratio == 0 else AttentionKind.COMPRESSED for ratio in ratios]


def _blocks(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    """Nemotron-NAS: a block says whether it has attention; its key heads are read by the group."""
    blocks = view.per_layer(layers, "block_configs")
    if not blocks:
        return None
    return [None if _without_attention(block) else full for block in blocks]


def _without_attention(block: object) -> bool:
    attention = block.get("attention") if isinstance(block, dict) else None
    return isinstance(attention, dict) and bool(attention.get("no_op") or attention.get("replace_with_linear"))


def _delta(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    """Kimi delta attention, whose layers ``linear_attn_config`` counts from 1; its tensors look like Mamba's."""
    section = view.section("linear_attn_config")
    delta = {n for n in section.items("kda_layers") if isinstance(n, int)} if section else set()
    return [AttentionKind.KDA if layer + 1 in delta else full for layer in range(layers)] if delta else None


def _states(view: ConfigView, layers: int) -> Kinds | None:
    """Mamba alone: a state and its convolution, and no attention heads; Mamba-2 calls its own heads num_heads.

    Source: transformers MambaConfig, Mamba2Config and FalconMambaConfig.
    """
    alone = view.size("state_size") and view.size("conv_kernel") and not view.size("num_attention_heads")
    return [AttentionKind.MAMBA] * layers if alone else None


def _stored(tensors: tuple[TensorGroup, ...], layers: int, full: AttentionKind) -> Kinds | None:
    """Recurrent layers seen in the tensors of a model whose configuration lists no layer types."""
    stack = decoder_tensors(tensors)
    linear = set(layers_of(matching(stack, r"\.linear_attn\.")))
    mamba = set(layers_of(matching(stack, r"\.A_log$"))) - linear
    if not linear and not mamba:
        return None
    attention = set(layers_of(matching(stack, r"\.(self_attn|attention|attn|mixer)\.(q_proj|qkv_proj|wq|kv_a\w*)\.")))

    def kinds() -> Iterator[AttentionKind | None]:
        for layer in range(layers):
            if layer in linear or layer in mamba:
                yield AttentionKind.GDN if layer in linear else AttentionKind.MAMBA
            else:
                yield full if layer in attention else None

    return list(kinds())


def _interval(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    every = view.size("full_attention_interval")
    if not every or not view.size(*LINEAR):
        return None
    return [full if (layer + 1) % every == 0 else AttentionKind.GDN for layer in range(layers)]


def _switched(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    """Per-layer switches: block-sparse attention, MiniMax ``attn_type_list`` (1 full, 0 linear)."""
    section = view.section("sparse_attention_config")
    sparse = section.per_layer(layers, "sparse_attention_freq") if section else []
    if any(value == 1 for value in sparse):
        view.unknown["attention"] = "block-sparse attention with its own index keys (sparse_attention_config)"
        return [AttentionKind.BLOCK_SPARSE if value == 1 else full for value in sparse]
    switches = view.per_layer(layers, "attn_type_list")
    if switches and any(value != 1 for value in switches):
        view.unknown["attention"] = "linear attention of a kind that attn_type_list does not name"
        return [full if value == 1 else AttentionKind.LINEAR for value in switches]
    return None


def _windows(view: ConfigView, layers: int, full: AttentionKind) -> Kinds | None:
    """Sliding windows without a list of layer types: a switch, one full layer in n, from a layer on, or everywhere."""
    rope_layers = view.per_layer(layers, "no_rope_layers")
    if view.size("attention_chunk_size") and not view.has("sliding_window"):
        if rope_layers:  # 1: rotary position and chunked attention, 0: neither. Source: transformers Llama4TextConfig.
            return [AttentionKind.SLIDING if value == 1 else full for value in rope_layers]
        interval = view.size("no_rope_layer_interval")
        if interval:
            return [full if (layer + 1) % interval == 0 else AttentionKind.SLIDING for layer in range(layers)]
        view.unknown["attention_chunk_size"] = "set, and the layers it applies to are not listed"
    if not view.size("sliding_window") or view.flag("use_sliding_window") is False:
        return None
    switches = view.per_layer(layers, "hybrid_layer_pattern")
    if switches:
        return [AttentionKind.SLIDING if value == 1 else full for value in switches]
    every = view.size("sliding_window_pattern", "_sliding_window_pattern")
    if every and every > 1:
        return [full if (layer + 1) % every == 0 else AttentionKind.SLIDING for layer in range(layers)]
    letters = view.text("sliding_window_pattern")
    if letters and set(letters) <= {"L", "G"}:  # EXAONE-4: L local, G global, repeated.
        return [full if letters[layer % len(letters)] == "G" else AttentionKind.SLIDING for layer in range(layers)]
    start = view.integer("max_window_layers")
    if start is not None and view.has("use_sliding_window"):
        return [AttentionKind.SLIDING if layer >= start else full for layer in range(layers)]
    return [AttentionKind.SLIDING] * layers
