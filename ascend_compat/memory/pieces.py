"""Tensor groups as pieces: what each is, how it is sharded, where it lives and how it is stored after load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from math import prod

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import AttentionGroup, QuantGroup
from ascend_compat.core.units import DTYPE_BITS
from ascend_compat.memory.case import Case
from ascend_compat.memory.rules import ModuleRule, SchemeRule, Shard

UNRECOGNISED = "unrecognised, kept whole"
_MODELSLIM = re.compile(r"W(\d+)A(\d+)(_DYNAMIC)?(?:$|_PER|_MIX|_?MXFP|SC)")
#: Shards that the heads of a layer decide.
_BY_HEADS = ("kv", "fused_qkv", "latent_column", "head_gate")
_PACKED = {"I32": 1, "U8": 1, "I8": 0}
_FLOAT_BITS = 16


class Place(str, Enum):
    """Where a tensor lives under pipeline parallelism; ``DRAFT`` only counts with speculative decoding."""

    LAYER = "layer"
    FIRST = "first"
    LAST = "last"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Piece:
    """Tensors that cost the same per layer.

    ``out`` and ``inner`` are the logical sizes of one tensor, ``per_layer`` how many of them a layer has, ``layers``
    the decoder layers (empty outside the stack). ``bits`` per element, ``load_bits`` while loading; ``scheme`` adds its
    scales. ``fine_grained`` names the group that may shard the module instead of tp, ``prologue`` a projection that the
    fused attention prologue copies.
    """

    name: str
    shard: Shard
    place: Place
    out: int
    inner: int
    per_layer: int
    layers: tuple[int, ...]
    bits: int
    scheme: SchemeRule | None = None
    group_size: int | None = None
    attention: AttentionGroup | None = None
    vector: bool = False
    latent_query: bool = False
    load_bits: int = 0
    tower: bool = False
    prologue: bool = False
    fine_grained: str | None = None


def make_pieces(case: Case) -> tuple[Piece, ...]:
    """Every tensor group of the checkpoint as pieces; what the engine does not load is left out."""
    quantized = _quantized_modules(case)
    pieces: list[Piece] = []
    for group in case.facts.tensors:
        rule = next((row for row in case.rules.modules if row.matches(group.template)), None)
        if rule is not None and rule.shard == "skip":
            continue
        if case.facts.ranks is not None:
            pieces.extend(_placed(case, group, _of_rank(group)))
            continue
        if quantized and group.parameter in case.rules.storage.auxiliary:
            continue
        pieces.extend(_pieces_of(case, group, rule, quantized))
    return tuple(pieces)


def expert_bits(pieces: Iterable[Piece]) -> tuple[int, ...]:
    """Bits of the weights of the model's own routed experts, each size once: 16 for floats."""
    experts = (piece for piece in pieces if piece.shard.startswith("expert") and not piece.vector)
    own = [piece.scheme for piece in experts if piece.place is Place.LAYER]
    return tuple(sorted({scheme.weight_bits if scheme else _FLOAT_BITS for scheme in own}))


def _of_rank(group: TensorGroup) -> Piece:
    """A tensor of a sharded state: what the file of a rank stores is what the rank holds."""
    out, inner = (group.shape[0] if group.shape else 1), prod(group.shape[1:])
    name = "stored state of a rank"
    return Piece(name, "replicated", Place.LAYER, out, inner, group.per_layer, (), DTYPE_BITS[group.dtype])


def _pieces_of(
    case: Case, group: TensorGroup, rule: ModuleRule | None, quantized: dict[str, QuantGroup]
) -> list[Piece]:
    out, inner, count = _logical(case, group, rule)
    piece = Piece(
        rule.name if rule else UNRECOGNISED, rule.shard if rule else "replicated", Place.LAYER, out, inner, count, (),
        0, vector=len(group.shape) < 2, latent_query=bool(rule and rule.latent_query),
        prologue=bool(rule and rule.prologue), fine_grained=rule.fine_grained if rule else None,
    )  # fmt: skip
    piece = _stored(case, group, rule, piece, quantized)
    return [part for placed in _placed(case, group, piece) for part in _by_attention(case, placed)]


def _logical(case: Case, group: TensorGroup, rule: ModuleRule | None) -> tuple[int, int, int]:
    """Rows and columns of one tensor and tensors per layer; fused experts count one tensor per expert."""
    shape, count = group.shape, group.per_layer
    moe = case.profile.moe
    fused = rule is not None and rule.shard.startswith("expert") and ".experts.*." not in group.template
    if fused and moe and shape and shape[0] == moe.routed:
        shape, count = shape[1:], count * moe.routed
    return (shape[0] if shape else 1), prod(shape[1:]), count


def _stored(
    case: Case, group: TensorGroup, rule: ModuleRule | None, piece: Piece, quantized: dict[str, QuantGroup]
) -> Piece:
    """Bits per element after load, and the scheme whose scales come on top."""
    storage = case.rules.storage
    if group.dtype in storage.float_dtypes or piece.shard == "latent_column":
        return replace(piece, bits=8 * _float_bytes(case, rule))
    found = quantized.get(group.module) or quantized.get(group.template)
    scheme = _scheme(case, group, piece, found)
    if scheme is None:
        return replace(piece, bits=DTYPE_BITS[group.dtype])
    unpack = DTYPE_BITS[group.dtype] // scheme.weight_bits if _is_packed(case, group, scheme, found) else 1
    axis = 1 if _is_float(found) else _PACKED.get(group.dtype, 1)
    out, inner = (piece.out * unpack, piece.inner) if axis == 0 else (piece.out, piece.inner * unpack)
    size, stored = declared_group(case, found), DTYPE_BITS[group.dtype] // unpack
    return replace(
        piece, out=out, inner=inner, bits=scheme.weight_bits, load_bits=stored, scheme=scheme, group_size=size
    )


def _is_packed(case: Case, group: TensorGroup, scheme: SchemeRule, found: QuantGroup | None) -> bool:
    """Whether one stored element holds several weights.

    ModelSlim packs int4 pairs from description version 1.0.0; a 4-bit float can't be stored otherwise.
    """
    if scheme.weight_bits >= DTYPE_BITS[group.dtype]:
        return False
    if group.dtype != "I8" or _is_float(found):
        return True
    description = case.facts.quant_description or {}
    return description.get("version") == "1.0.0"


def _is_float(found: QuantGroup | None) -> bool:
    return found is not None and found.weights is not None and found.weights.type == "float"


def _scheme(case: Case, group: TensorGroup, piece: Piece, found: QuantGroup | None) -> SchemeRule | None:
    """The storage rule of a quantized weight: by declared bits where the profile says them, else by stored dtype."""
    bits, dynamic, weight_only = _declared(found)
    bits = bits or DTYPE_BITS[group.dtype]
    expert = piece.shard.startswith("expert")
    for rule in case.rules.storage.schemes:
        if rule.bits != bits or (rule.expert is not None and rule.expert != expert):
            continue
        if rule.declared is not None and (found is None or re.search(rule.declared, found.declared) is None):
            continue
        if rule.dynamic is not None and rule.dynamic != dynamic:
            continue
        if rule.weight_only is not None and rule.weight_only != weight_only:
            continue
        return rule
    return None


def _declared(found: QuantGroup | None) -> tuple[int | None, bool | None, bool]:
    """Weight bits, whether activations are quantized per token, and whether only weights are quantized.

    ModelSlim says it in a name (``W8A8_DYNAMIC``, ``W4A16``), the other formats in arguments.
    """
    if found is None:
        return None, None, False
    if found.weights is not None:
        activations = found.activations
        dynamic = activations.dynamic is not False if activations else None
        return found.weights.num_bits, dynamic, activations is None
    name = _MODELSLIM.match(found.declared)
    if name is None:
        return None, None, False
    return int(name.group(1)), name.group(3) is not None, name.group(2) == "16"


def declared_group(case: Case, found: QuantGroup | None) -> int | None:
    """Weights that share a scale, as a description names it for the whole checkpoint, or else the release."""
    if found is None:
        return None
    description = case.facts.quant_description
    if found.weights is not None and (found.weights.group_size or description is None):
        return found.weights.group_size
    size = description.get("group_size") if description and found.declared.startswith("W4") else None
    if size is None and description and found.declared == "W4A8_DYNAMIC":
        size = int(case.switch("w4a8_group"))
    return size if isinstance(size, int) else None


def _float_bytes(case: Case, rule: ModuleRule | None) -> int:
    if rule is not None and rule.dtype_bytes is not None:
        return rule.dtype_bytes
    if rule is not None and rule.router:
        kinds = {group.kind.value for group in case.profile.attention}
        for entry in case.rules.routers:
            family = case.profile.model_type in entry.model_types or bool(kinds & set(entry.attention))
            if family and entry.holds(case.target):
                return entry.bytes
    return case.element_bytes


def _placed(case: Case, group: TensorGroup, piece: Piece) -> list[Piece]:
    """Assign the place; layers beyond the decoder stack belong to the draft model."""
    places, template = case.rules.places, group.template

    def in_any(patterns: tuple[str, ...]) -> bool:
        return any(re.search(pattern, template) for pattern in patterns)

    whole = replace(piece, per_layer=piece.per_layer * max(1, len(group.layers)))
    if in_any(places.draft):
        return [replace(whole, place=Place.DRAFT)]
    if in_any(places.tower):
        return [] if template.startswith(case.absent) else [replace(whole, place=Place.FIRST, tower=True)]
    if not in_any(places.layer):
        return [replace(whole, place=Place.FIRST if in_any(places.first) else Place.LAST)]
    end = case.profile.layers
    inside = tuple(layer for layer in group.layers if end is None or layer < end)
    beyond = len(group.layers) - len(inside)
    parts = [replace(piece, layers=inside)] if inside else []
    if beyond:
        parts.append(replace(piece, place=Place.DRAFT, per_layer=piece.per_layer * beyond))
    return parts


def _by_attention(case: Case, piece: Piece) -> list[Piece]:
    """Split attention pieces by the attention group of their layers, whose heads decide the sharding."""
    if piece.shard not in _BY_HEADS or piece.tower or not case.profile.attention:
        return [piece]
    if piece.place is not Place.LAYER:
        return [replace(piece, attention=case.attending)]
    parts, rest = [], set(piece.layers)
    for group in case.profile.attention:
        shared = rest & set(group.layers)
        if shared:
            parts.append(replace(piece, layers=tuple(sorted(shared)), attention=group))
            rest -= shared
    return [*parts, replace(piece, layers=tuple(sorted(rest)))] if rest else parts


def _quantized_modules(case: Case) -> dict[str, QuantGroup]:
    return {module: group for group in case.profile.quantization.groups for module in group.modules}
