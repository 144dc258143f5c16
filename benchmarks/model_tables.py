"""Tensor tables of published models in closed form, from their configuration: what the memory benchmarks judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_tables_mixed import expert_vision, gated_whisper, kimi_delta, latent_experts, speech, windowed

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.units import tensor_bytes

#: How a precision of the published rows stores routed experts, other MLPs and attention: ModelSlim's names.
PRECISIONS: Mapping[str, tuple[str, str, str]] = {
    "w8a8": ("W8A8_DYNAMIC", "W8A8_DYNAMIC", "W8A8_DYNAMIC"),
    "w8a8c8": ("W8A8_DYNAMIC", "W8A8_DYNAMIC", "W8A8_DYNAMIC"),
    "w8a8sc": ("W8A8", "W8A8", "W8A8"),
    "w4a8": ("W4A8_DYNAMIC", "W8A8_DYNAMIC", "W8A8_DYNAMIC"),
    "w4a8c8": ("W4A8_DYNAMIC", "W8A8_DYNAMIC", "W8A8_DYNAMIC"),
    "w4a16": ("W4A16", "FLOAT", "FLOAT"),
    "mxfp8": ("W8A8_MXFP8", "W8A8_MXFP8", "W8A8_MXFP8"),
    "mxfp4": ("W4A4_MXFP4", "W4A4_MXFP4", "W8A8_MXFP8"),
    "w4a4c8-mxfp4": ("W4A4_MXFP4", "W4A4_MXFP4", "W8A8_MXFP8"),
    "w4a4mlp+w8a8c8attn": ("W4A4_MXFP4", "W4A4_MXFP4", "W8A8_MXFP8"),
}
#: Types whose draft layers have no embedding and head in their own name space, and those whose drafts hold no experts.
_SHARED_ENDS, _DENSE_DRAFTS = ("glm_moe_dsa", "dots3_note"), ("dots3_note",)
_FLOAT = ("FLOAT", "FLOAT", "FLOAT")
#: Stored dtype, rows stored per row, weights of a scale (``None``: one scale a row).
_STORED: Mapping[str, tuple[str, float, int | None]] = {
    "W8A8_DYNAMIC": ("I8", 1, None),
    "W8A8": ("I8", 1, None),
    "W4A8_DYNAMIC": ("I8", 0.5, 256),
    "W4A16": ("I8", 0.5, 32),
    "W8A8_MXFP8": ("F8_E4M3", 1, 32),
    "W4A4_MXFP4": ("U8", 1, 32),
}


@dataclass
class Table:
    """Tensor groups as they are added; linear layers are stored in the scheme of their kind.

    ``kept`` are names of layers the published quantization leaves in float.
    """

    schemes: tuple[str, str, str] = _FLOAT
    dtype: str = "BF16"
    end: int = 0
    kept: frozenset[str] = frozenset()
    groups: list[TensorGroup] = field(default_factory=list)
    description: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, shape: Sequence[int], layers: Sequence[int] = (), per: int = 1, dtype: str | None = None
    ) -> None:
        """``per`` tensors a layer of one shape."""
        if 0 in shape or per == 0:
            return
        kind, count = dtype or self.dtype, per * max(1, len(layers))
        size = tensor_bytes(kind, tuple(shape)) * count
        self.groups.append(TensorGroup(name, kind, tuple(shape), count, size, tuple(layers)))
        for layer in layers or (None,):
            self.description.setdefault(_concrete(name, layer), "FLOAT")

    def linear(
        self, name: str, out: int, inner: int, layers: Sequence[int] = (), per: int = 1, scheme: str | None = None
    ) -> None:
        """A linear layer; ``scheme`` defaults to that of its kind. Draft layers (from ``end`` on) stay in float."""
        chosen = scheme or self._scheme(name)
        draft = [layer for layer in layers if layer >= self.end]
        if chosen == "FLOAT" or draft:
            self.add(f"{name}.weight", (out, inner), layers if chosen == "FLOAT" else draft, per)
            layers = [layer for layer in layers if layer < self.end]
            if chosen == "FLOAT" or not layers:
                return
        kind, rows, group = _STORED[chosen]
        for layer in layers or (None,):
            self.description[_concrete(f"{name}.weight", layer)] = chosen
        columns = inner // 2 if kind == "U8" else inner
        self.add(f"{name}.weight", (int(out * rows), columns), layers, per, kind)
        self.add(f"{name}.weight_scale", (out, -(-inner // group) if group else 1), layers, per)
        self.add(f"{name}.weight_offset", (out, -(-inner // group) if group else 1), layers, per)

    def _scheme(self, name: str) -> str:
        if name.startswith("mtp.") or name.rpartition(".")[2] in self.kept:
            return "FLOAT"
        return self.schemes[0 if ".experts." in name else 1 if ".mlp." in name else 2]

    def mlp(self, name: str, hidden: int, inner: int, layers: Sequence[int], per: int = 1, gated: bool = True) -> None:
        """Gate, up and down projection; without a gate only the last two."""
        for part in ("gate_proj", "up_proj")[0 if gated else 1 :]:
            self.linear(f"{name}.{part}", inner, hidden, layers, per)
        self.linear(f"{name}.down_proj", hidden, inner, layers, per)


def _concrete(name: str, layer: int | None) -> str:
    """The name in one layer; of several experts the first."""
    first = name if layer is None else name.replace("*", str(layer), 1)
    return first.replace("*", "0")


def make_facts(name: str, config: Mapping[str, Any], precision: str, kept: Iterable[str] = ()) -> CheckpointFacts:
    """Facts of a checkpoint of this configuration in a precision of the published rows; ``kept`` stays in float."""
    schemes = PRECISIONS.get(precision, _FLOAT)
    table = Table(schemes, "F16" if precision == "fp16" else "BF16", kept=frozenset(kept))
    fill(table, config)
    plain = {key: value for key, value in config.items() if key != "quantization_config"}
    quantized = schemes != _FLOAT
    if quantized and "4" in schemes[0]:
        table.description["version"] = "1.0.0"
        table.description["group_size"] = _STORED[schemes[0]][2]
    if quantized and precision.endswith("c8"):
        table.description["kv_cache_type"] = "C8"
    return CheckpointFacts(
        name, "local", None, plain, ("config.json",), tuple(table.groups), True,
        quant_description=table.description if quantized else None,
    )  # fmt: skip


def fill(table: Table, config: Mapping[str, Any]) -> None:
    """All tensors of the model: ends, layers, draft layers, towers."""
    if "transf_decoder" in config:
        speech(table, config)
        return
    text: Mapping[str, Any] = next((config[k] for k in ("text_config", "llm_config") if k in config), config)
    nested = text is not config
    root = "model.language_model" if nested else "model"
    hidden, vocab, count = text["hidden_size"], text["vocab_size"], text["num_hidden_layers"]
    table.add(f"{root}.embed_tokens.weight", (vocab, hidden))
    table.add(f"{root}.norm.weight", (hidden,))
    if not (text.get("tie_word_embeddings") or config.get("tie_word_embeddings")):
        table.add("lm_head.weight", (vocab, hidden))
    table.end, draft = count, text.get("num_nextn_predict_layers") or 0
    drafted = range(count, count + draft)
    body = range(count + draft)
    _attention(table, f"{root}.layers.*", text, body)
    _feed_forward(table, f"{root}.layers.*.mlp", text, body)
    for part in ("input_layernorm", "post_attention_layernorm"):
        table.add(f"{root}.layers.*.{part}.weight", (hidden,), body)
    if draft:
        table.add(f"{root}.layers.*.eh_proj.weight", (hidden, 2 * hidden), drafted)
        own = () if text.get("model_type") in _SHARED_ENDS else ("embed_tokens", "shared_head.head")
        for part in own:
            table.add(f"{root}.layers.*.{part}.weight", (vocab, hidden), drafted)
    if text.get("mtp_num_hidden_layers"):
        _own_draft(table, text)
    _towers(table, config)


def _own_draft(table: Table, text: Mapping[str, Any]) -> None:
    """Draft layers in a name space of their own (``mtp.``): full attention and the same feed-forward."""
    hidden, layers = text["hidden_size"], range(text["mtp_num_hidden_layers"])
    table.add("mtp.fc.weight", (hidden, 2 * hidden))
    _grouped_query(table, "mtp.layers.*.self_attn", text, layers)
    _feed_forward(table, "mtp.layers.*.mlp", text, layers)


def _attention(table: Table, at: str, text: Mapping[str, Any], body: range) -> None:
    if text.get("kv_lora_rank"):
        delta = {n - 1 for n in (text.get("linear_attn_config") or {}).get("kda_layers", ())}
        kinds = text.get("layer_types") if text.get("swa_kv_lora_rank") else None
        short = {n for n in body if kinds and (n >= len(kinds) or kinds[n] == "sliding_attention")}
        _latent(table, f"{at}.self_attn", text, [n for n in body if n not in delta | short])
        if delta:
            kimi_delta(table, f"{at}.self_attn", text, sorted(delta))
        if short:
            _latent(table, f"{at}.self_attn", windowed(text), sorted(short))
        return
    recurrent: list[int] = []
    if text.get("linear_num_value_heads"):
        kinds = text.get("layer_types")
        every = text.get("full_attention_interval", 4)
        recurrent = [n for n in body if (kinds[n] == "linear_attention" if kinds else (n + 1) % every)]
        _delta(table, f"{at}.linear_attn", text, recurrent)
    _grouped_query(table, f"{at}.self_attn", text, [n for n in body if n not in set(recurrent)])


def _grouped_query(table: Table, at: str, text: Mapping[str, Any], layers: Sequence[int]) -> None:
    hidden, heads = text["hidden_size"], text["num_attention_heads"]
    kv = text.get("num_key_value_heads") or heads
    dim = text.get("head_dim") or hidden // heads
    gated = 2 if text.get("attn_output_gate") else 1
    bias = text.get("attention_bias") or text.get("model_type") in ("qwen2", "qwen2_vl", "qwen2_5_vl")
    for name, rows in (("q_proj", gated * heads * dim), ("k_proj", kv * dim), ("v_proj", kv * dim)):
        table.linear(f"{at}.{name}", rows, hidden, layers)
        if bias:
            table.add(f"{at}.{name}.bias", (rows,), layers)
    table.linear(f"{at}.o_proj", hidden, heads * dim, layers)


def _latent(table: Table, at: str, text: Mapping[str, Any], layers: Sequence[int]) -> None:
    """MLA, with the indexer of sparse attention on the layers that own one."""
    hidden, heads, rank = text["hidden_size"], text["num_attention_heads"], text["kv_lora_rank"]
    nope, rope, value = text["qk_nope_head_dim"], text["qk_rope_head_dim"], text["v_head_dim"]
    query = text.get("q_lora_rank")
    if query:
        table.linear(f"{at}.q_a_proj", query, hidden, layers)
        table.add(f"{at}.q_a_layernorm.weight", (query,), layers)
    table.linear(f"{at}.{'q_b_proj' if query else 'q_proj'}", heads * (nope + rope), query or hidden, layers)
    table.linear(f"{at}.kv_a_proj_with_mqa", rank + rope, hidden, layers)
    table.add(f"{at}.kv_a_layernorm.weight", (rank,), layers)
    table.linear(f"{at}.kv_b_proj", heads * (nope + value), rank, layers, scheme="FLOAT")
    table.linear(f"{at}.o_proj", hidden, heads * value, layers)
    if text.get("mla_use_output_gate") or text.get("attention_gate_type"):
        rows = heads if text.get("attention_gate_type") == "headwise" else heads * value
        table.linear(f"{at}.g_proj", rows, hidden, layers)
    if text.get("index_n_heads"):
        kinds = text.get("indexer_types")
        own = [n for n in layers if not kinds or n >= len(kinds) or kinds[n] == "full"]
        width = text["index_head_dim"]
        table.linear(f"{at}.indexer.wq_b", text["index_n_heads"] * width, query or hidden, own, scheme="FLOAT")
        table.linear(f"{at}.indexer.wk", width, hidden, own, scheme="FLOAT")
        table.linear(f"{at}.indexer.weights_proj", text["index_n_heads"], hidden, own, scheme="FLOAT")


def _delta(table: Table, at: str, text: Mapping[str, Any], layers: Sequence[int]) -> None:
    hidden, heads = text["hidden_size"], text["linear_num_value_heads"]
    value = heads * text["linear_value_head_dim"]
    mixed = 2 * text["linear_num_key_heads"] * text["linear_key_head_dim"] + value
    for name, rows in (("in_proj_qkv", mixed), ("in_proj_z", value), ("in_proj_b", heads), ("in_proj_a", heads)):
        table.linear(f"{at}.{name}", rows, hidden, layers, scheme="FLOAT" if rows == heads else None)
    table.add(f"{at}.conv1d.weight", (mixed, 1, text["linear_conv_kernel_dim"]), layers)
    table.add(f"{at}.A_log", (heads,), layers, dtype="F32")
    table.add(f"{at}.dt_bias", (heads,), layers)
    table.linear(f"{at}.out_proj", hidden, value, layers)


def _feed_forward(table: Table, at: str, text: Mapping[str, Any], layers: Iterable[int]) -> None:
    hidden, every = text["hidden_size"], tuple(layers)
    routed = next((text[k] for k in ("n_routed_experts", "num_local_experts", "num_experts") if text.get(k)), 0)
    first = text.get("first_k_dense_replace", 0) if "mtp." not in at else 0
    dense, sparse = (every[:first], every[first:]) if routed else (every, ())
    if text.get("model_type") in _DENSE_DRAFTS:
        dense, sparse = (*dense, *every[table.end :]), every[first : table.end]
    gated = text.get("hidden_act") != "relu2"
    if dense:
        table.mlp(at, hidden, text.get("intermediate_size") or 0, dense, gated=gated)
    inner = text.get("moe_intermediate_size") or text.get("intermediate_size")
    if not routed or not inner:
        return
    latent = text.get("routed_expert_hidden_size")
    table.mlp(f"{at}.experts.*", latent or hidden, inner, sparse, per=routed)
    if latent:
        latent_experts(table, at, text, sparse)
    table.add(f"{at}.gate.weight", (routed, hidden), sparse)
    shared = text.get("shared_expert_intermediate_size") or inner * (
        text.get("n_shared_experts") or text.get("num_shared_experts") or 0
    )
    name = "shared_expert" if text.get("shared_expert_intermediate_size") else "shared_experts"
    table.mlp(f"{at}.{name}", hidden, shared, sparse)


def _towers(table: Table, config: Mapping[str, Any]) -> None:
    """Vision and audio encoders in float: attention and MLP of every layer, and the projector."""
    for part, prefix in (("vision_config", "model.visual"), ("audio_config", "audio_tower")):
        tower = config.get(part)
        if not isinstance(tower, Mapping):
            continue
        if "pyramid_num_routed" in tower or "whisper_config" in tower:
            (expert_vision if "pyramid_num_routed" in tower else gated_whisper)(table, tower)
            continue
        names = (("hidden_size", "vt_hidden_size", "d_model"), ("depth", "num_hidden_layers", "vt_num_hidden_layers"),
                 ("intermediate_size", "vt_intermediate_size", "encoder_ffn_dim"))  # fmt: skip
        width, depth, inner = (next((tower[k] for k in keys if tower.get(k)), 0) for keys in names)
        inner, layers = inner or 4 * width, range(depth or 32)
        table.add(f"{prefix}.blocks.*.attn.qkv.weight", (3 * width, width), layers)
        table.add(f"{prefix}.blocks.*.attn.proj.weight", (width, width), layers)
        table.add(f"{prefix}.blocks.*.mlp.fc1.weight", (inner, width), layers)
        table.add(f"{prefix}.blocks.*.mlp.fc2.weight", (width, inner), layers)
        out = tower.get("out_hidden_size") or 0
        mergers = 1 + len(tower.get("deepstack_visual_indexes") or ())
        table.add(f"{prefix}.merger.linear_fc1.weight", (4 * width, 4 * width), per=mergers)
        table.add(f"{prefix}.merger.linear_fc2.weight", (out, 4 * width), per=mergers)
