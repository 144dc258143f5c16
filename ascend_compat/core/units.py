"""Exact sizes: bits per safetensors dtype, bytes to GiB for views."""

from __future__ import annotations

from math import prod

MIB = 1 << 20
GIB = 1 << 30

#: Bits per element of every dtype the safetensors 0.8 parser accepts.
#: Source: safetensors, ``Dtype::bitsize`` in ``safetensors/src/tensor.rs``.
DTYPE_BITS: dict[str, int] = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
    "U64": 64,
}  # fmt: skip


def tensor_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of one tensor; raises ``KeyError`` for an unknown dtype and ``ValueError`` for a fractional byte count."""
    bits = prod(shape) * DTYPE_BITS[dtype]
    if bits % 8:
        raise ValueError(f"{dtype} tensor of shape {shape} does not end on a byte")
    return bits // 8


def gib(count: int) -> float:
    """Bytes as GiB (2**30)."""
    return count / GIB
