"""One safetensors header: parsed and validated with the accept set of the safetensors 0.8 Rust parser."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ascend_compat.core.units import DTYPE_BITS

#: ``MAX_HEADER_SIZE`` of safetensors/src/tensor.rs.
MAX_HEADER = 100_000_000
#: serde_json gives up at this nesting depth.
_MAX_DEPTH = 127
_USIZE = (1 << 64) - 1
_FIELDS = ("dtype", "shape", "data_offsets")


#: One header entry: name, dtype, shape, bytes. A plain tuple, there are 90,000 of them.
Tensor = tuple[str, str, tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Header:
    """A valid header.

    ``data_bytes`` is the size of the data section it describes, ``expected`` that of the file; ``repeated`` counts
    names given twice.
    """

    tensors: list[Tensor]
    data_bytes: int
    expected: int
    repeated: int = 0


class HeaderError(Exception):
    """A header safetensors refuses; ``kind`` names the rule that is broken, ``params`` what broke it."""

    def __init__(self, kind: str, **params: str | int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.params = params


def header_end(head: bytes, size: int) -> int:
    """Offset where the header of a file of ``size`` bytes ends, from its first 8 bytes.

    Raises :class:`HeaderError` for a length above the limit of the format or beyond the end of the file.
    """
    if len(head) < 8:
        raise HeaderError("too-small", actual=size)
    length = int.from_bytes(head[:8], "little")
    if length > MAX_HEADER:
        raise HeaderError("too-large", length=length)
    if 8 + length > size:
        raise HeaderError("cut-header", expected=8 + length, actual=size)
    return 8 + length


def parse_header(text: bytes) -> Header:
    """Parse the JSON text of a header (the bytes after the 8-byte length).

    Raises :class:`HeaderError` exactly where safetensors refuses a file for what its header says; whether the file has
    ``expected`` bytes is the caller's comparison.
    """
    entries = _load(text)
    repeated = 0
    metadata = entries.get("__metadata__")
    if _is_plain(text, entries, metadata):
        entries.pop("__metadata__", None)
    else:
        entries, repeated = load_strictly(text)
    tensors, end = _tile(entries)
    return Header(tensors, end, 8 + len(text) + end, repeated)


def _load(text: bytes) -> dict[str, Any]:
    from pydantic_core import from_json

    try:
        entries = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise HeaderError("not-json", detail=str(error)) from error
    if not isinstance(entries, dict):
        raise HeaderError("not-object")
    return entries


def _is_plain(text: bytes, entries: Mapping[str, Any], metadata: Any) -> bool:
    """Whether a plain parse lost nothing: no repeated key, no escape, no surplus field and no negative zero.

    Without escapes the quotes tell the number of strings, and every repeated key is one more than the result holds.
    """
    if b"\\" in text or b"-0" in text:
        return False
    strings = 0
    if "__metadata__" in entries:
        if not isinstance(metadata, dict) or not all(type(value) is str for value in metadata.values()):
            return False
        strings = 1 + 2 * len(metadata)
    for name, info in entries.items():
        if name != "__metadata__":
            if type(info) is not dict or len(info) != 3 or type(info.get("dtype")) is not str:
                return False
            strings += 5
    return text.count(b'"') == 2 * strings


def _tile(entries: Mapping[str, Any]) -> tuple[list[Tensor], int]:
    """Tensors in the order of their offsets, which have to cover the data section from 0 without gap or overlap."""
    sizes: dict[tuple[Any, ...], int] = {}
    found: list[tuple[list[int], Tensor]] = []
    for name, info in entries.items():
        try:
            dtype, dimensions, offsets = info["dtype"], info["shape"], info["data_offsets"]
        except KeyError as error:
            raise HeaderError("structure", tensor=name) from error
        if not _are_sizes(dimensions) or not _are_sizes(offsets) or len(offsets) != 2:
            raise HeaderError("structure", tensor=name)
        shape = tuple(dimensions)
        size = sizes.get((dtype, shape))
        if size is None:
            size = sizes[dtype, shape] = byte_size(name, dtype, shape)
        found.append((offsets, (name, dtype, shape, size)))
    found.sort(key=itemgetter(0))
    position = 0
    for (start, end), (name, dtype, shape, size) in found:
        if start != position or end < start:
            raise HeaderError("offsets", tensor=name, start=start, expected=position)
        if end - start != size:
            stated = "x".join(map(str, shape)) or "scalar"
            raise HeaderError("size", tensor=name, dtype=dtype, shape=stated, actual=end - start, expected=size)
        position = end
    return [tensor for _, tensor in found], position


def _are_sizes(values: Any) -> bool:
    """Whether a JSON value is a list of 64-bit unsigned integers; ``true`` and ``1.0`` are not."""
    if type(values) is not list:
        return False
    for value in values:  # noqa: SIM110 - a loop is twice as fast as all() here, and runs 180,000 times
        if type(value) is not int or not 0 <= value <= _USIZE:
            return False
    return True


def byte_size(name: str, dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor, multiplied left to right in 64 bits as the Rust parser does."""
    bits = DTYPE_BITS.get(dtype)
    if bits is None:
        raise HeaderError("dtype", tensor=name, dtype=dtype)
    total = 1
    for factor in (*shape, bits):
        total *= factor
        if total > _USIZE:
            raise HeaderError("overflow", tensor=name)
    if total % 8:
        raise HeaderError("misaligned", tensor=name, dtype=dtype)
    return total // 8


class Pairs(list[tuple[str, Any]]):
    """A JSON object as its key and value pairs, repeated keys kept."""


def load_pairs(text: bytes) -> Pairs:
    """The header as pairs, repeated names kept; refuses JSON that serde refuses."""
    try:
        # NaN and Infinity can't occur: the plain parse refused them.
        pairs: Pairs = json.loads(text.decode(), object_pairs_hook=Pairs, parse_int=_integer, parse_float=_real)
    except (ValueError, RecursionError) as error:
        raise HeaderError("not-json", detail=str(error)) from error
    _check_depth(pairs)
    return pairs


def load_strictly(text: bytes) -> tuple[dict[str, Any], int]:
    """Entries and number of repeated names of an unusual header; refuses what serde refuses."""
    pairs = load_pairs(text)
    entries: dict[str, Any] = {}
    metadata: list[Any] = []
    repeated = 0
    for name, value in pairs:
        if name == "__metadata__":
            metadata.append(value)
            continue
        repeated += name in entries
        entries[name] = entry_info(name, value)
    if len(metadata) > 1 or not all(is_metadata(value) for value in metadata):
        raise HeaderError("metadata")
    return entries, repeated


def is_metadata(value: Any) -> bool:
    return value is None or (isinstance(value, Pairs) and all(type(text) is str for _, text in value))


def entry_info(name: str, value: Any) -> dict[str, Any]:
    """The three fields of an entry; serde also takes them as a list, and the dtype as ``{"F32": null}``."""
    if isinstance(value, Pairs):
        known = [pair for pair in value if pair[0] in _FIELDS]
        info = dict(known)
        if len(known) != len(info):
            raise HeaderError("structure", tensor=name)
    elif isinstance(value, list) and len(value) == len(_FIELDS):
        info = dict(zip(_FIELDS, value, strict=True))
    else:
        raise HeaderError("structure", tensor=name)
    dtype = info.get("dtype")
    if isinstance(dtype, Pairs):
        if len(dtype) != 1 or dtype[0][1] is not None:
            raise HeaderError("structure", tensor=name)
        info["dtype"] = dtype[0][0]
    # Every entry is checked, also one that a later entry of the same name replaces: serde has parsed it by then.
    if set(info) != set(_FIELDS) or type(info["dtype"]) is not str:
        raise HeaderError("structure", tensor=name)
    if not _are_sizes(info["shape"]) or not _are_sizes(info["data_offsets"]) or len(info["data_offsets"]) != 2:
        raise HeaderError("structure", tensor=name)
    if info["dtype"] not in DTYPE_BITS:
        raise HeaderError("dtype", tensor=name, dtype=info["dtype"])
    return info


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        containers = [item for item in level if isinstance(item, list)]
        if containers and depth > _MAX_DEPTH:
            raise HeaderError("not-json", detail="nested too deep")
        level = [child[1] if isinstance(item, Pairs) else child for item in containers for child in item]


def _integer(text: str) -> int | float:
    """An integer as serde_json reads it: negative zero and what exceeds 64 bits become floats."""
    if text == "-0":
        return -0.0
    value = int(text)
    return value if -(1 << 63) <= value <= _USIZE else _real(text)


def _real(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value
