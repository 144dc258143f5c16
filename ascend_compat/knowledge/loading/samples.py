"""Which tensors stand for a whole checkpoint: one per template and pattern of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ascend_compat.core.facts import TensorGroup

#: Names of safetensors dtypes in torch. Source: safetensors, ``bindings/python/py_src/safetensors/torch.py``.
TORCH_DTYPES = {
    "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One tensor of the checkpoint; ``layers`` are the indices it stands for, ``index`` its own."""

    name: str
    group: TensorGroup
    index: int | None
    layers: tuple[int, ...]


def samples(groups: Iterable[TensorGroup]) -> list[Sample]:
    """One tensor per template and pattern of layers; of several experts the first and the last.

    Layers (values of the first index under one prefix) are alike when the same templates with the same dtypes and
    shapes have them. Order is that of names, so that tensors of one module follow each other as they do in files.
    """
    by_stem: dict[str, list[TensorGroup]] = {}
    out: list[Sample] = []
    for group in groups:
        if "*" in group.template:
            by_stem.setdefault(group.template.partition("*")[0], []).append(group)
        else:
            out.append(Sample(group.template, group, None, ()))
    for members in by_stem.values():
        for index, alike in _patterns(members).items():
            for group in members:
                if index in group.layers:
                    out.extend(Sample(name, group, index, alike) for name in _named(group, index))
    return sorted(out, key=lambda item: item.name)


def _patterns(groups: list[TensorGroup]) -> Mapping[int, tuple[int, ...]]:
    """The first of each kind of layer to all of that kind."""
    holds: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        for layer in group.layers:
            holds.setdefault(layer, []).append(number)
    kinds: dict[tuple[int, ...], list[int]] = {}
    for layer, numbers in sorted(holds.items()):
        kinds.setdefault(tuple(numbers), []).append(layer)
    return {layers[0]: tuple(layers) for layers in kinds.values()}


def _named(group: TensorGroup, index: int) -> Iterator[str]:
    name = group.template.replace("*", str(index), 1)
    inner = name.count("*")
    last = group.per_layer - 1
    yield name.replace("*", "0")
    if inner == 1 and last > 0:
        yield name.replace("*", str(last))
