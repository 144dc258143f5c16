"""How positions are encoded: rope kind, theta, scaling, sections, and the rotated dimension."""

from __future__ import annotations

from typing import NamedTuple

from ascend_compat.classify.config import ConfigView, short
from ascend_compat.core.finding import Evidence
from ascend_compat.core.profile import AttentionGroup, AttentionKind

Pairs = tuple[tuple[str, str], ...]

_SPACES = ("rope_parameters", "rope_scaling")
_THETA = ("rope_theta", "theta", "rotary_emb_base", "rope_base")
_INTERLEAVED = ("rope_interleave", "rope_interleaved")
_SIZES = ("qk_rope_head_dim", "rotary_dim")
_PARTIAL = ("partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_emb_fraction")
_FIELDS = (*_THETA, *_PARTIAL, *_INTERLEAVED, *_SIZES)
#: Numbers of a scaling that change what a kernel or a cache computes.
_NUMBERS = ("factor", "original_max_position_embeddings", "mscale", "mscale_all_dim", "attention_factor")


class Positions(NamedTuple):
    """Rope as (name, text) pairs, rotated elements per head of full-attention layers (``None``: unknown), and where
    both were read."""

    pairs: Pairs
    rotated: int | None
    evidence: tuple[Evidence, ...]


def rope(view: ConfigView, attention: tuple[AttentionGroup, ...]) -> Positions:
    """How positions enter attention.

    ``rope_parameters`` (transformers 5) may hold one set per layer type; the set of full attention is described and the
    others are listed with their type as prefix.
    """
    spaces = [space for name in _SPACES if (space := view.section(name)) is not None]
    by_type = [(key, inner) for space in spaces for key in _layer_types(space) if (inner := space.section(key))]
    main = next((inner for key, inner in by_type if key == "full_attention"), None)
    spaces = [main, *spaces] if main else spaces
    pairs = _describe(view, spaces)
    for key, inner in by_type:
        if inner is not main:
            pairs += [(f"{key}.{name}", value) for name, value in _describe(inner, [inner])]
    rotated = _rotated(view, spaces, attention)
    pairs.append(("kind", _kind(dict(pairs))))
    return Positions(tuple(pairs), rotated, (*view.evidence(*_FIELDS), *_read([*spaces, *(i for _, i in by_type)])))


def _kind(pairs: dict[str, str]) -> str:
    """The kind in words: scaling, sections, order of the pairs, share of a head."""
    words = [] if pairs["type"] == "default" else [pairs["type"]]
    words += ["mrope"] if "mrope_section" in pairs else []
    words += ["interleaved"] if "interleaved" in pairs else []
    words += ["partial"] if pairs.get("partial_rotary_factor", "1") != "1" else []
    return " ".join(words) or "plain"


def _read(spaces: list[ConfigView]) -> tuple[Evidence, ...]:
    """Every field that was read in the sections of rope."""
    found = [item for space in spaces for item in space.evidence(*space.levels[0][1])]
    return tuple(dict.fromkeys(found))


def _layer_types(space: ConfigView) -> list[str]:
    return [key for key, value in space.levels[0][1].items() if isinstance(key, str) and isinstance(value, dict)]


def _describe(view: ConfigView, spaces: list[ConfigView]) -> list[tuple[str, str]]:
    pairs = [("type", _text(spaces, "rope_type", "type") or "default")]
    theta = _number([*spaces, view], *_THETA)
    partial = _number([view, *spaces], *_PARTIAL)
    pairs += [("theta", f"{theta:g}")] if theta is not None else []
    pairs += [("partial_rotary_factor", f"{partial:g}")] if partial is not None else []
    for space in spaces:
        sections = space.items("mrope_section")
        if sections:
            pairs.append(("mrope_section", short(sections)))
            break
    flags = [space.flag("mrope_interleaved") for space in spaces]
    if True in (*flags, view.flag(*_INTERLEAVED)):
        pairs.append(("interleaved", "true"))
    for name in _NUMBERS:
        value = _number(spaces, name)
        if value is not None:
            pairs.append((name, f"{value:g}"))
    return pairs


def _rotated(view: ConfigView, spaces: list[ConfigView], attention: tuple[AttentionGroup, ...]) -> int | None:
    declared = view.size(*_SIZES)
    if declared is not None:
        return declared
    softmax = [group for group in attention if not group.kind.recurrent]
    group = next((g for g in softmax if g.kind is not AttentionKind.SLIDING), softmax[0] if softmax else None)
    if group is None or group.head_dim is None:
        return group.qk_rope_head_dim if group else None
    partial = _number([view, *spaces], *_PARTIAL)
    return int(group.head_dim * partial) if partial is not None and 0 <= partial <= 1 else group.head_dim


def _number(places: list[ConfigView], *names: str) -> float | None:
    return next((value for place in places if (value := place.number(*names)) is not None), None)


def _text(places: list[ConfigView], *names: str) -> str | None:
    return next((value for place in places if (value := place.text(*names)) is not None), None)
