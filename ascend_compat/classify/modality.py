"""Vision and audio towers, by configuration and tensors."""

from __future__ import annotations

import re
from typing import NamedTuple

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import header_evidence, layers_of
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import VisionProfile


class _Kind(NamedTuple):
    """A modality: how its tensors begin and what its section of config.json is called."""

    modality: str
    prefix: re.Pattern[str]
    sections: tuple[str, ...]


_BEFORE = r"^((?:thinker\.|model\.|language_model\.)*"
_KINDS = (
    _Kind("vision", re.compile(_BEFORE + r"(?:visual|vision_tower|vision_model|vision_encoder|vit))\."),
          ("vision_config", "vit_config", "visual")),
    _Kind("audio", re.compile(_BEFORE + r"(?:audio_tower|audio_model|audio_encoder|whisper_model))\."),
          ("audio_config", "audio_encoder_config", "whisper_config")),
)  # fmt: skip
_LAYERS = ("depth", "num_hidden_layers", "encoder_layers", "layers", "vt_num_hidden_layers")
_HIDDEN = ("hidden_size", "embed_dim", "d_model", "width", "vt_hidden_size")
_HEADS = ("num_heads", "num_attention_heads", "encoder_attention_heads", "heads", "vt_num_attention_heads")


def towers(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> tuple[VisionProfile, ...]:
    """One entry per tower that is declared or present. ``bytes`` is 0 for one that is only declared."""
    found = (_tower(view, tensors, kind) for kind in _KINDS)
    return tuple(tower for tower in found if tower is not None)


def _tower(view: ConfigView, tensors: tuple[TensorGroup, ...], kind: _Kind) -> VisionProfile | None:
    groups = [(group, match.group(1)) for group in tensors if (match := kind.prefix.match(group.template))]
    section = view.section(*kind.sections)
    if not groups and section is None:
        return None
    config = section or ConfigView({}, nested=())
    sizes: dict[str, int] = {}
    for group, _ in groups:
        sizes[group.dtype] = sizes.get(group.dtype, 0) + group.bytes
    stacked = layers_of(group for group, _ in groups if re.search(r"\.(blocks|layers|block)\.\*\.", group.template))
    view.unknown.update(config.unknown)
    return VisionProfile(
        modality=kind.modality,
        prefix=groups[0][1] if groups else kind.modality,
        layers=config.size(*_LAYERS) or len(stacked) or None,
        hidden_size=config.size(*_HIDDEN),
        heads=config.size(*_HEADS),
        bytes=sum(sizes.values()),
        dtype=max(sizes, key=lambda name: (sizes[name], name)) if sizes else config.text("dtype", "torch_dtype"),
        evidence=(
            *config.evidence(*_LAYERS, *_HIDDEN, *_HEADS, "dtype", "torch_dtype"),
            *(header_evidence(group) for group, _ in groups[:1]),
        ),
    )
