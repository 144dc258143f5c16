"""Closed-form tensor tables of models that mix kinds of layers: delta, windowed latents, speech, own towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_tables import Table


def kimi_delta(table: Table, at: str, text: Mapping[str, Any], layers: Sequence[int]) -> None:
    """Kimi delta attention; with a gate of full rank convolutions, norm and decay are in float32."""
    hidden, sizes = text["hidden_size"], text["linear_attn_config"]
    heads, head = sizes["num_heads"], sizes["head_dim"]
    width, full = heads * head, sizes.get("use_full_rank_gate")
    for part in ("q", "k", "v"):
        table.linear(f"{at}.{part}_proj", width, hidden, layers)
        shape = (width, 1, sizes["short_conv_kernel_size"])
        table.add(f"{at}.{part}_conv1d.weight", shape, layers, dtype="F32" if full else None)
    gates = [("f_a_proj", head, hidden), ("f_b_proj", width, head), ("b_proj", heads, hidden)]
    gates += [("g_proj", width, hidden)] if full else [("g_a_proj", head, hidden), ("g_b_proj", width, head)]
    for name, rows, columns in (*gates, ("o_proj", hidden, width)):
        table.linear(f"{at}.{name}", rows, columns, layers)
    table.add(f"{at}.A_log", (heads,), layers, dtype="F32")
    table.add(f"{at}.dt_bias", (width,), layers, dtype="F32")


def windowed(text: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of windowed latent layers under the names of the other latent layers; they own no indexer."""
    own = {name.removeprefix("swa_"): value for name, value in text.items() if name.startswith("swa_")}
    return {**text, **own, "index_n_heads": 0}


def latent_experts(table: Table, at: str, text: Mapping[str, Any], layers: Sequence[int]) -> None:
    """The projections of experts that work in a latent of the hidden states."""
    hidden, latent = text["hidden_size"], text["routed_expert_hidden_size"]
    table.linear(f"{at}.routed_expert_down_proj", latent, hidden, layers)
    table.linear(f"{at}.routed_expert_up_proj", hidden, latent, layers)


def expert_vision(table: Table, tower: Mapping[str, Any]) -> None:
    """A vision tower whose later layers hold routed experts."""
    width, counts = tower["embed_dim"], tower["pyramid_num_routed"]
    at, every = "vision_encoder.blocks.*", range(len(counts))
    table.add(f"{at}.attn.qkv.weight", (3 * width, width), every)
    table.add(f"{at}.attn.proj.weight", (width, width), every)
    dense = [layer for layer in every if counts[layer] < 1]
    for part in ("fc1", "fc2", "fc3"):
        table.add(f"{at}.mlp.{part}.weight", (tower["intermediate_size"], width), dense)
        for layer in (layer for layer in every if counts[layer] > 0):
            shape = (tower["moe_intermediate_size"], width)
            table.add(f"{at}.mlp.experts.*.{part}.weight", shape, (layer,), per=counts[layer])
    merged = 4 * width
    table.add("vision_encoder.adapter.mlp.0.weight", (merged, merged))
    table.add("vision_encoder.adapter.mlp.2.weight", (tower["adapter_out_dim"], merged))


def gated_whisper(table: Table, tower: Mapping[str, Any]) -> None:
    """Whisper's layers with a gated MLP behind three 2D convolutions, and an adapter of two layers."""
    inner, stem, out = tower["whisper_config"], tower["downsample_hidden_size"], tower["adapter_out_dim"]
    width, layers = inner["d_model"], range(inner["encoder_layers"])
    at = "audio_encoder.dots_encoder.speech_encoder"
    table.add(f"{at}.layers.*.self_attn.q_proj.weight", (width, width), layers, per=4)
    table.add(f"{at}.layers.*.fc1.weight", (2 * inner["encoder_ffn_dim"], width), layers)
    table.add(f"{at}.layers.*.fc2.weight", (width, inner["encoder_ffn_dim"]), layers)
    table.add(f"{at}.conv2d2.weight", (stem, stem, 3, 3), per=2)
    table.add(f"{at}.conv_out.weight", (width, stem * inner["num_mel_bins"] // 8))
    table.add("audio_encoder.audio_adapter.proj.1.weight", (out, width))
    table.add("audio_encoder.audio_adapter.proj.3.weight", (out, out))


def speech(table: Table, config: Mapping[str, Any]) -> None:
    """A conformer encoder and a decoder of attention to itself and to the encoder."""
    encoder, decoder = config["encoder"], config["transf_decoder"]["config_dict"]
    width, layers = encoder["d_model"], range(encoder["n_layers"])
    inner = width * encoder["ff_expansion_factor"]
    table.add("encoder.layers.*.feed_forward1.linear1.weight", (inner, width), layers, per=4)
    table.add("encoder.layers.*.self_attn.linear_q.weight", (width, width), layers, per=5)
    table.add("encoder.layers.*.conv.pointwise_conv1.weight", (2 * width, width, 1), layers)
    table.add("encoder.layers.*.conv.pointwise_conv2.weight", (width, width, 1), layers)
    table.add("encoder.layers.*.conv.depthwise_conv.weight", (width, 1, encoder["conv_kernel_size"]), layers)
    bins = encoder["feat_in"] // encoder["subsampling_factor"]
    table.add("encoder.pre_encode.out.weight", (width, encoder["subsampling_conv_channels"] * bins))
    hidden, own = decoder["hidden_size"], range(decoder["num_layers"])
    table.add("transf_decoder._embedding.position_embedding.pos_enc", (decoder["max_sequence_length"], hidden))
    at = "transf_decoder._decoder.layers.*"
    for number in ("first", "second"):
        table.add(f"{at}.{number}_sub_layer.query_net.weight", (hidden, hidden), own, per=3)
        table.add(f"{at}.{number}_sub_layer.out_projection.weight", (hidden, hidden), own)
    table.add(f"{at}.third_sub_layer.dense_in.weight", (decoder["inner_size"], hidden), own)
    table.add(f"{at}.third_sub_layer.dense_out.weight", (hidden, decoder["inner_size"]), own)
    table.add("transf_decoder._embedding.token_embedding.weight", (config["vocab_size"], hidden))
    table.add("log_softmax.mlp.layer0.weight", (config["vocab_size"], hidden))
    table.add("encoder_decoder_proj.weight", (hidden, width))
