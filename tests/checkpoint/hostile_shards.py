"""Thirty-eight shards made to mislead a reader, one per way that was seen or can be thought of."""

from __future__ import annotations

import json
from typing import Any

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def shard(text: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entries(data: int = 8, /, **tensors: Any) -> bytes:
    return shard(json.dumps(tensors).encode(), b"\0" * data)


def tensor(data: int = 8, **fields: Any) -> bytes:
    """One tensor ``a`` of two F32 with some of its fields changed."""
    return entries(data, a={**F32, **fields})


def named(name: str) -> bytes:
    return entries(8, **{name: F32})


def literal(shape: str) -> bytes:
    """One tensor whose shape is written as it stands."""
    return shard(b'{"a":{"dtype":"F32","shape":' + shape.encode() + b',"data_offsets":[0,8]}}', b"\0" * 8)


PLAIN = json.dumps({"a": F32}).encode()
TWICE = b'{"a":' + json.dumps(F32).encode() + b',"a":' + json.dumps(F32).encode() + b"}"
SECOND = {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}
TWICE_TILED = b'{"a":' + json.dumps(F32).encode() + b',"a":' + json.dumps(SECOND).encode() + b"}"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4998361232\n"

#: name: (the file, the finding it gives; ``None`` for a file that safetensors reads).
CASES: dict[str, tuple[bytes, str | None]] = {
    "empty file": (b"", "AC101.tiny"),
    "seven bytes": (b"\x02\0\0\0\0\0\0", "AC101.tiny"),
    "header of no bytes": (shard(b""), "AC104.not-json"),
    "length above the limit": (shard(PLAIN, b"\0" * 8, 1 << 63), "AC104.too-large"),
    "length beyond the end": (shard(PLAIN, b"\0" * 8, 5000), "AC101.header"),
    "length that cuts the header": (shard(PLAIN, b"\0" * 8, len(PLAIN) - 3), "AC104.not-json"),
    "length that reaches into the data": (shard(PLAIN, b"\0" * 8, len(PLAIN) + 4), "AC104.not-json"),
    "Git LFS pointer": (POINTER, "AC103.pointer"),
    "zip archive": (b"PK\x03\x04\x14\x00\x08\x08" + b"\0" * 90, "AC103.zip"),
    "error page": (b"<!DOCTYPE html><html>not found</html>", "AC103.page"),
    "truncated data": (tensor(5), "AC101.data"),
    "trailing data": (tensor(9), "AC102.trailing"),
    "overlap": (entries(12, a=F32, b={**F32, "data_offsets": [4, 12]}), "AC104.offsets"),
    "hole": (entries(20, a=F32, b={**F32, "data_offsets": [12, 20]}), "AC104.offsets"),
    "offsets reversed": (tensor(8, data_offsets=[8, 0]), "AC104.offsets"),
    "span of another size": (tensor(12, data_offsets=[0, 12]), "AC104.size"),
    "offsets beyond the end": (tensor(8, shape=[200], data_offsets=[0, 800]), "AC101.data"),
    "three offsets": (tensor(8, data_offsets=[0, 8, 8]), "AC104.structure"),
    "shape NaN": (literal("[NaN]"), "AC104.not-json"),
    "shape negative": (literal("[-2]"), "AC104.structure"),
    "shape with a fraction": (literal("[2.0]"), "AC104.structure"),
    "shape of 2**124 elements": (literal(f"[{1 << 62},{1 << 62}]"), "AC104.overflow"),
    "shape null": (literal("null"), "AC104.structure"),
    "integer of 100,000 digits": (literal(f"[{'1' * 100_000}]"), "AC104.not-json"),
    "dtype unknown": (tensor(8, dtype="F128"), "AC104.dtype"),
    "dtype in lower case": (tensor(8, dtype="f32"), "AC104.dtype"),
    "header is a list": (shard(b"[]"), "AC104.not-object"),
    "tensor is a text": (shard(b'{"a":"b"}'), "AC104.structure"),
    "nested 5000 deep": (shard(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "AC104.not-json"),
    "name that is not UTF-8": (shard(b'{"\xff\xfe":' + PLAIN[5:], b"\0" * 8), "AC104.not-json"),
    "name given twice": (shard(TWICE, b"\0" * 8), "AC107.header"),
    "name given twice, both stored": (shard(TWICE_TILED, b"\0" * 16), "AC104.offsets"),
    "metadata that is no text": (entries(8, __metadata__={"n": 1}, a=F32), "AC104.metadata"),
    "metadata and nothing else": (entries(0, __metadata__={"format": "pt"}), None),
    "control characters in a name": (named("a\x1b[31m\r\nb"), "AC111.tensor"),
    "table and markup in a name": (named("a|b`<script>alert(1)</script>"), None),
    "text direction turned in a name": (named("a\u202eb"), "AC111.tensor"),
    "padded with spaces": (shard(PLAIN + b"   ", b"\0" * 8), None),
}
