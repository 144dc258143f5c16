"""Vision and audio towers, by configuration and tensors."""

from __future__ import annotations

import re

from ascend_compat.classify.tensors import layers_of
from ascend_compat.classify.view import ConfigView
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import VisionProfile

TOWERS = (
    ("vision", r"^(model\.)?(visual|vision_tower|vision_model|vision_encoder|vit)\.", ("vision_config",)),
    ("audio", r"^(thinker\.|model\.)?(audio_tower|audio_model|audio_encoder)\.", ("audio_config",)),
)


def towers(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> tuple[VisionProfile, ...]:
    """One entry per tower that is declared or present."""
    out = []
    for modality, pattern, names in TOWERS:
        found = [(g, m) for g in tensors if (m := re.match(pattern, g.template))]
        value = next((view.top[n] for n in names if isinstance(view.top.get(n), dict)), None)
        if not found and value is None:
            continue
        config = ConfigView(value or {})
        groups = [g for g, _ in found]
        dtypes = sorted({g.dtype for g in groups}, key=lambda d: -sum(g.bytes for g in groups if g.dtype == d))
        layers = config.integer("depth", "num_hidden_layers", "encoder_layers")
        if layers is None and groups:
            layers = len(layers_of(groups)) or None
        out.append(
            VisionProfile(
                modality=modality,
                prefix=found[0][1].group(0).rstrip(".") if found else modality,
                layers=layers,
                hidden_size=config.integer("hidden_size", "embed_dim", "d_model"),
                heads=config.integer("num_heads", "num_attention_heads", "encoder_attention_heads"),
                bytes=sum(g.bytes for g in groups),
                dtype=dtypes[0] if dtypes else None,
            )
        )
    return tuple(out)
