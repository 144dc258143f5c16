"""Which decoder layers hold experts, by configuration alone: lists, patterns, first and last layer, steps."""

from __future__ import annotations

from collections.abc import Callable

from ascend_compat.classify.config import ConfigView

Layers = tuple[int, ...]

#: Fields whose presence says which layers hold experts; without any of them every layer does.
FIELDS = ("mlp_layer_types", "layers_block_type", "hybrid_override_pattern", "moe_layers", "moe_layers_enum",
          "moe_layer_freq", "first_k_dense_replace", "moe_layer_start_index", "moe_layer_end_index", "num_dense_layers",
          "moe_layer_interval", "decoder_sparse_step", "interleave_moe_layer_step", "expert_layer_period",
          "mlp_only_layers")  # fmt: skip


def declared_layers(view: ConfigView, layers: int) -> Layers:
    """Layers with experts in a model that declares experts. The first source that answers wins."""
    sources: tuple[Callable[[ConfigView, int], Layers | None], ...] = (_types, _letters, _listed, _switches)
    for source in sources:
        found = source(view, layers)
        if found is not None:
            return found
    return _stepped(view, layers)


def _types(view: ConfigView, layers: int) -> Layers | None:
    """``mlp_layer_types`` (sparse or dense) or, where a layer is one block, ``layers_block_type`` with ``moe``."""
    kinds = view.per_layer(layers, "mlp_layer_types")
    if kinds:
        return tuple(n for n, kind in enumerate(kinds) if kind in ("sparse", "moe"))
    blocks = view.per_layer(layers, "layers_block_type")
    return tuple(n for n, kind in enumerate(blocks) if kind == "moe") if "moe" in blocks else None


def _letters(view: ConfigView, layers: int) -> Layers | None:
    pattern = view.text("hybrid_override_pattern")
    if pattern is None or len(pattern) < layers or "E" not in pattern:
        return None
    return tuple(n for n, letter in enumerate(pattern[:layers]) if letter == "E")


def _listed(view: ConfigView, layers: int) -> Layers | None:
    """Indices as a list (Llama 4) or as text with commas (Step-3)."""
    listed = view.items("moe_layers") if view.is_list("moe_layers") else []
    if not listed and (text := view.text("moe_layers_enum")) is not None:
        listed = [int(part) for part in text.split(",") if part.strip().isdecimal() and len(part) < 8]
    found = {n for n in listed if isinstance(n, int) and 0 <= n < layers}
    return tuple(sorted(found)) if found else None


def _switches(view: ConfigView, layers: int) -> Layers | None:
    if not view.is_list("moe_layer_freq"):
        return None
    values = view.per_layer(layers, "moe_layer_freq")
    return tuple(n for n, value in enumerate(values) if value) if values else None


def _stepped(view: ConfigView, layers: int) -> Layers:
    """From the first sparse layer on, every n-th. Qwen, Llama 4 and ERNIE count steps from 1, DeepSeek from 0."""
    first = view.integer("first_k_dense_replace", "moe_layer_start_index", "num_dense_layers") or 0
    last = view.integer("moe_layer_end_index")
    stop = layers if last is None else min(layers, last + 1)
    from_one = view.size("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval") or 1
    from_zero = (None if view.is_list("moe_layer_freq") else view.size("moe_layer_freq")) or 1
    period, offset = view.size("expert_layer_period") or 1, view.integer("expert_layer_offset") or 0
    dense = {n for n in view.items("mlp_only_layers") if isinstance(n, int)}
    return tuple(
        n
        for n in range(first, stop)
        if (n + 1) % from_one == 0 and n % from_zero == 0 and n % period == offset % period and n not in dense
    )
