"""Tensor names to templates: a checkpoint of 88,000 tensors becomes about 40 groups while it is read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ascend_compat.checkpoint.header import Tensor
from ascend_compat.core.facts import TensorGroup

#: A numeric name component; more than nine digits can't be an index.
_INDEX = re.compile(r"(?<![^.])([0-9]{1,9})(?![^.])")
_NO_INDEX = -1


class Aggregate:
    """Counts tensors by template, dtype, shape and first index; keeps no tensor."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, tuple[int, ...]], dict[int, int]] = {}
        self._bytes: dict[tuple[str, str, tuple[int, ...]], int] = {}

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Count the tensors of one shard.

        A name is split before its last two components: the parts repeat (six tensors share the first part in a typical
        expert, all share a few dozen last parts), so most names cost two look-ups and no regular expression.
        """
        parts: dict[str, tuple[str, int]] = {}
        rows: dict[tuple[str, str, str, tuple[int, ...]], dict[int, int]] = {}
        for name, dtype, shape, size in tensors:
            last = name.rfind(".")
            cut = name.rfind(".", 0, last) if last > 0 else 0
            front, back = (name[:cut], name[cut:]) if cut > 0 else ("", name)
            front_template, index = parts.get(front) or parts.setdefault(front, _split(front))
            back_template, back_index = parts.get(back) or parts.setdefault(back, _split(back))
            if index == _NO_INDEX:
                index = back_index
            key = (front_template, back_template, dtype, shape)
            layers = rows.get(key)
            if layers is None:
                layers = rows[key] = self._row((front_template + back_template, dtype, shape), size)
            layers[index] = layers.get(index, 0) + 1

    def count(
        self, template: str, dtype: str, shape: tuple[int, ...], size: int, layer: int | None, number: int
    ) -> None:
        """Count ``number`` tensors of ``size`` bytes whose template is known, in one layer or in none."""
        layers = self._row((template, dtype, shape), size)
        index = _NO_INDEX if layer is None else layer
        layers[index] = layers.get(index, 0) + number

    def _row(self, key: tuple[str, str, tuple[int, ...]], size: int) -> dict[int, int]:
        self._bytes[key] = size
        return self._counts.setdefault(key, {})

    def groups(self, computed: bool = False) -> tuple[TensorGroup, ...]:
        """The groups, sorted by template, dtype, shape and tensors per layer; ``computed`` if no header was read.

        Layers that hold different numbers of the same tensor are different groups, so that
        ``count == len(layers) * per_layer`` holds in each.
        """
        found: list[TensorGroup] = []
        for key in sorted(self._counts):
            by_count: dict[int, list[int]] = {}
            for index, count in self._counts[key].items():
                by_count.setdefault(count, []).append(index)
            for count, indices in sorted(by_count.items()):
                layers = tuple(sorted(indices)) if indices != [_NO_INDEX] else ()
                total = count * len(indices)
                found.append(TensorGroup(*key, total, total * self._bytes[key], layers, computed))
        return tuple(found)


def _split(part: str) -> tuple[str, int]:
    """Template and first index of a part of a name that starts and ends at a component."""
    pieces = _INDEX.split(part)
    return "*".join(pieces[::2]), int(pieces[1]) if len(pieces) > 1 else _NO_INDEX
