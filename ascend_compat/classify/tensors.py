"""Questions about the tensor table: the decoder stack, layers of a name pattern, evidence from a header."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind

INDEX = "model.safetensors.index.json"
#: Names that draft layers have when they lie outside the decoder stack.
DRAFT = r"(^|\.)(mtp|mtp_layers|mtp_block|nextn_predict_layers)\."
#: Names of vision and audio towers and what joins them to the language model.
TOWER = r"(^|\.)(visual|vision_\w+|vit|audio_\w+|multi_modal_projector|mm_projector|image_newline|code2wav|talker)\."
_STACK = re.compile(r"^(.*?(?:^|\.)(?:layers|layer|h|blocks|block))\.\*\.")
_ENCODER, _DECODER = (re.compile(rf"(^|\.)(\w*_)?{name}\.") for name in ("encoder", "decoder"))


def matching(groups: Iterable[TensorGroup], pattern: str) -> list[TensorGroup]:
    """Groups whose template matches a regular expression somewhere."""
    compiled = re.compile(pattern)
    return [group for group in groups if compiled.search(group.template)]


def layers_of(groups: Iterable[TensorGroup]) -> tuple[int, ...]:
    """All layer indices of some groups, sorted."""
    return tuple(sorted({layer for group in groups for layer in group.layers}))


def decoder_prefix(groups: Iterable[TensorGroup]) -> str | None:
    """The language model's stack (``model.layers``): the one with most bytes outside towers and drafters.

    Of an encoder and a decoder it is the decoder, whichever is larger.
    """
    sizes: dict[str, int] = {}
    for group in groups:
        found = _STACK.match(group.template)
        if found and not re.search(TOWER, group.template) and not re.search(DRAFT, group.template):
            sizes[found.group(1)] = sizes.get(found.group(1), 0) + group.bytes + 1
    decoders = [name for name in sizes if _DECODER.search(name)]
    if decoders and any(_ENCODER.search(name) for name in sizes):
        sizes = {name: sizes[name] for name in decoders}
    return max(sizes, key=lambda name: (sizes[name], name)) if sizes else None


def decoder_tensors(groups: Iterable[TensorGroup]) -> tuple[TensorGroup, ...]:
    """The groups of the language model's stack."""
    known = tuple(groups)
    prefix = decoder_prefix(known)
    return tuple(g for g in known if prefix is not None and g.template.startswith(f"{prefix}.*."))


def outer_tensors(groups: Iterable[TensorGroup]) -> tuple[TensorGroup, ...]:
    """Groups outside numbered layers, towers and drafters: embedding, last norm, heads."""
    return tuple(
        g for g in groups if not g.layers and not re.search(TOWER, g.template) and not re.search(DRAFT, g.template)
    )


def header_evidence(group: TensorGroup) -> Evidence:
    """A tensor template as evidence."""
    text = f"{group.template}: {group.dtype} {list(group.shape)} x {group.count}"
    if group.computed:
        return Evidence(EvidenceKind.CONFIG, "config.json", None, f"computed {text}")
    return Evidence(EvidenceKind.HEADER, INDEX, None, text)
