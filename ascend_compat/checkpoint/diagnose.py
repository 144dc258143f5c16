"""A refused header looked at entry by entry: everything that is wrong with it, not only what the parser met first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ascend_compat.checkpoint.header import HeaderError, Tensor, byte_size, entry_info, is_metadata, load_pairs

#: What concerns the whole text; nothing behind it can be looked at.
_WHOLE = frozenset({"not-json", "not-object"})


def diagnose(text: bytes, first: HeaderError) -> list[HeaderError]:
    """Every rule of the format that a refused header breaks, the one that was met first in front.

    ``first`` is what :func:`parse_header` raised. Each error has the parameters of its first example and ``count``, the
    number of entries that break the rule.
    """
    if first.kind in _WHOLE:
        return [first]
    try:
        errors = list(_errors(load_pairs(text)))
    except HeaderError as error:
        return [error]
    kinds: dict[str, list[HeaderError]] = {first.kind: []}
    for found in errors:
        kinds.setdefault(found.kind, []).append(found)
    return [_counted(same or [first]) for same in kinds.values()]


def _counted(found: list[HeaderError]) -> HeaderError:
    return HeaderError(found[0].kind, **{**found[0].params, "count": len(found)})


def _errors(pairs: list[tuple[str, Any]]) -> Iterator[HeaderError]:
    """Errors of single entries, then those of the way the sound ones follow each other."""
    sound: list[tuple[list[int], Tensor]] = []
    metadata = [value for name, value in pairs if name == "__metadata__"]
    if len(metadata) > 1 or not all(is_metadata(value) for value in metadata):
        yield HeaderError("metadata")
    for name, value in pairs:
        if name == "__metadata__":
            continue
        try:
            info = entry_info(name, value)
            shape = tuple(info["shape"])
            tensor = (name, info["dtype"], shape, byte_size(name, info["dtype"], shape))
            sound.append((info["data_offsets"], tensor))
        except HeaderError as error:
            yield error
    yield from _layout(sound)


def _layout(sound: list[tuple[list[int], Tensor]]) -> Iterator[HeaderError]:
    """Gaps, overlaps and spans of the wrong size; each tensor is judged by the one before it, right or wrong."""
    position = 0
    for (start, end), (name, dtype, shape, size) in sorted(sound, key=lambda item: item[0]):
        if start != position or end < start:
            yield HeaderError("offsets", tensor=name, start=start, expected=position)
        elif end - start != size:
            stated = "x".join(map(str, shape)) or "scalar"
            yield HeaderError("size", tensor=name, dtype=dtype, shape=stated, actual=end - start, expected=size)
        position = max(start, end)
