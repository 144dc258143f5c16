"""Weight bytes per rank and pipeline stage: what DeviceMemoryProfiler of the engine would log after load."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from ascend_compat.core.plan import Layout, WeightItem
from ascend_compat.memory.buffers import load_buffers
from ascend_compat.memory.case import LATENT, Case, cdiv, draft_case
from ascend_compat.memory.pieces import Piece, Place, make_pieces
from ascend_compat.memory.rope import rope_bytes
from ascend_compat.memory.spread import describe, gathered_output, piece_bytes, resident_layers

_TENSOR_PARALLEL, _EVERY = "over tp", "every rank"
#: Environment variable with the layers of every pipeline stage.
PARTITION = "VLLM_PP_LAYER_PARTITION"


def stage_layers(case: Case, pp: int) -> tuple[range, ...]:
    """Decoder layers of every pipeline stage.

    ``layers // pp`` each; the remainder goes to stages from the second-last backwards; ``VLLM_PP_LAYER_PARTITION``
    (``12,12,14``) overrides that (V 0.23.0 vllm/distributed/utils.py:109).
    """
    return _ranges(case.profile.layers or 0, pp, (case.launch.environment or {}).get(PARTITION, ""))


@lru_cache(maxsize=256)
def _ranges(layers: int, pp: int, partition: str) -> tuple[range, ...]:
    sizes = [layers // pp] * pp
    for back in range(layers % pp):
        sizes[(pp - 2 - back) % pp] += 1
    asked = [text.strip() for text in partition.split(",")]
    if len(asked) == pp and all(text.isdigit() for text in asked) and sum(map(int, asked)) == layers:
        sizes = [int(text) for text in asked]
    ranges, start = [], 0
    for size in sizes:
        ranges.append(range(start, start + size))
        start += size
    return tuple(ranges)


def stage_weights(case: Case, pieces: Sequence[Piece], layout: Layout, stage: int) -> tuple[WeightItem, ...]:
    """Breakdown of the weights on one rank of ``stage`` (0 is the first), largest first."""
    own = stage_layers(case, layout.pp)[stage]
    first, last = stage == 0, stage == layout.pp - 1
    totals: dict[tuple[str, str], int] = {}
    for piece in _resident(case, pieces, layout, first, last):
        size = piece_bytes(case, piece, layout) * _layers_held(case, piece, own, layout)
        if size:
            key = (f"MTP: {piece.name}" if piece.place is Place.DRAFT else piece.name, describe(piece, layout))
            totals[key] = totals.get(key, 0) + size
    for name, size, how in (
        ("rope caches", rope_bytes(case), _EVERY),
        ("load-time buffers", load_buffers(case, last) + gathered_output(case, pieces), _EVERY),
        ("MTP: own head", _draft_head(case, pieces, layout, last), _TENSOR_PARALLEL),
    ):
        if size:
            totals[(name, how)] = size
    items = [WeightItem(name, size, how) for (name, how), size in totals.items()]
    items += drafter_weights(case, layout) if last else ()
    return tuple(sorted(items, key=lambda item: (-item.bytes, item.name)))


def drafter_weights(case: Case, layout: Layout) -> list[WeightItem]:
    """Weights of a separate draft model, whole on the last stage and spread over its own tensor-parallel ranks."""
    own, draft = case.drafter, draft_case(case)
    if own is None or draft is None:
        return []
    alone = replace(layout, tp=own.tp or layout.tp, pp=1)
    kept = [piece for piece in make_pieces(draft) if not own.shares(piece.name, layout.pp)]
    return [replace(item, name=f"draft: {item.name}") for item in stage_weights(draft, kept, alone, 0)]


def load_extra(case: Case, pieces: Sequence[Piece], layout: Layout, stage: int) -> int:
    """Bytes beyond the resident weights while they are loaded: packing starts when everything is in.

    Source: A 0.18.0 vllm_ascend/quantization/methods/w4a8.py ``process_weights_after_loading``.
    """
    packed = [piece for piece in pieces if piece.load_bits > piece.bits]
    own = stage_layers(case, layout.pp)[stage]
    extra = 0
    for piece in _resident(case, packed, layout, stage == 0, stage == layout.pp - 1):
        more = piece_bytes(case, piece, layout, True) - piece_bytes(case, piece, layout)
        extra += _layers_held(case, piece, own, layout) * more
    return extra


def _layers_held(case: Case, piece: Piece, own: range, layout: Layout) -> int:
    """Layers of a piece on one rank of the stage with the layers ``own``, 1 outside the decoder stack."""
    if piece.place is not Place.LAYER:
        return 1
    inside = len(piece.layers)
    if layout.pp > 1:
        inside = bisect_left(piece.layers, own.stop) - bisect_left(piece.layers, own.start)
    return resident_layers(case, piece, layout, inside)


def _resident(case: Case, pieces: Iterable[Piece], layout: Layout, first: bool, last: bool) -> Iterable[Piece]:
    """Pieces this stage holds: embedding and towers on the first, head and MTP on the last, tied head on both ends."""
    tied = case.profile.tied_embeddings
    for piece in pieces:
        vocab = piece.shard == "vocab"
        if piece.place is Place.DRAFT:
            shared = vocab and (layout.pp == 1 or piece.name == "output head")
            if last and case.draft_layers and not shared:
                yield piece
        elif piece.place is Place.FIRST:
            if first or (tied and vocab and last):
                yield piece
        elif piece.place is Place.LAST:
            if last and not (tied and vocab):
                yield piece
        else:
            yield piece


def _draft_head(case: Case, pieces: Sequence[Piece], layout: Layout, last: bool) -> int:
    """The head an MTP model keeps for itself: none for MLA models (equal to the target's) and tied embeddings.

    Source: A 0.23.0 vllm_ascend/spec_decode/llm_base_proposer.py:456.
    """
    latent = any(group.kind in LATENT for group in case.profile.attention)
    if not (last and case.draft_layers) or latent or case.profile.tied_embeddings:
        return 0
    stored = sum(p.per_layer for p in pieces if p.place is Place.DRAFT and p.name == "output head" and not p.vector)
    rows = cdiv(case.padded_vocab, layout.tp)
    return max(1, stored) * rows * (case.profile.hidden_size or 0) * case.element_bytes
