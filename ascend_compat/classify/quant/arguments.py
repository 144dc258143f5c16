"""Quantization arguments in one vocabulary, read from untrusted mappings and put into words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ascend_compat.core.profile import QuantArgs

#: ModelSlim and ModelOpt names such as ``W4A8_DYNAMIC``: weight bits, activation bits, the rest.
_WEIGHT_ACTIVATION = re.compile(r"W(\d{1,2})A(\d{1,2})(\w*)$")


def whole(value: Any) -> int | None:
    """A whole number of at least 1, ``None`` for everything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31 else None


def text(value: Any) -> str | None:
    """A string that is not empty, ``None`` for everything else."""
    return value if isinstance(value, str) and value else None


def texts(*values: Any) -> list[str]:
    """The strings of several lists."""
    return [item for value in values if isinstance(value, list) for item in value if isinstance(item, str)]


def sizes(value: Any) -> tuple[int, ...] | None:
    """A block structure: two whole numbers, ``None`` for everything else."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    found = tuple(size for item in value if (size := whole(item)) is not None)
    return found if len(found) == 2 else None


def read_args(value: Any) -> QuantArgs | None:
    """Arguments as compressed-tensors writes them; ``None`` without a usable number of bits."""
    bits = whole(value.get("num_bits")) if isinstance(value, Mapping) else None
    if bits is None:
        return None
    dynamic, symmetric = value.get("dynamic"), value.get("symmetric")
    group, block = whole(value.get("group_size")), sizes(value.get("block_structure"))
    return QuantArgs(
        num_bits=bits,
        type=text(value.get("type")) or "int",
        strategy=text(value.get("strategy")) or ("block" if block else "group" if group else "tensor"),
        dynamic=dynamic if isinstance(dynamic, (bool, str)) else False,
        symmetric=symmetric if isinstance(symmetric, bool) else None,
        group_size=group,
        block_structure=block,
    )


def describe(weights: QuantArgs | None, activations: QuantArgs | None) -> str:
    """Arguments in words: ``float 8 bit channel / float 8 bit token dynamic``."""
    if weights is None:
        return "unquantized"
    head = f"{weights.type} {weights.num_bits} bit {_granularity(weights)}"
    if activations is None:
        return f"{head} / activations unquantized"
    kind = "dynamic" if activations.dynamic else "static"
    return f"{head} / {activations.type} {activations.num_bits} bit {_granularity(activations)} {kind}"


def _granularity(args: QuantArgs) -> str:
    if args.block_structure:
        return f"{args.strategy or 'block'} {'x'.join(map(str, args.block_structure))}"
    return f"{args.strategy or 'tensor'}{f' {args.group_size}' if args.group_size else ''}"


def from_name(name: str, group_size: int | None = None) -> tuple[QuantArgs | None, QuantArgs | None]:
    """Weights and activations of a ``W4A8_DYNAMIC`` name; ``(None, None)`` when it is not one.

    Activations of 16 bits are not quantized. MX formats share a scale among 32 elements (OCP Microscaling 1.0).
    Source of the names: facts of vllm_ascend/quantization/methods, ``register_scheme``.
    """
    found = _WEIGHT_ACTIVATION.match(name.upper())
    if found is None:
        return None, None
    bits, activation, rest = int(found.group(1)), int(found.group(2)), found.group(3)
    kind = "float" if "FP" in rest else "int"
    micro = "MXFP" in rest
    size = 32 if micro else group_size if bits < 8 else None
    weights = QuantArgs(bits, kind, "group" if size else "channel", False, True, size)
    if activation >= 16:
        return weights, None
    dynamic = micro or "DYNAMIC" in rest
    strategy = "group" if micro else "token" if dynamic else "tensor"
    return weights, QuantArgs(activation, kind, strategy, dynamic, dynamic, 32 if micro else None)
