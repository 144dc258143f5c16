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
        """Count the tensors of one shard."""
        counts, split = self._counts, _INDEX.split
        for name, dtype, shape, size in tensors:
            parts = split(name)
            if len(parts) == 1:
                template, index = name, _NO_INDEX
            else:
                template, index = "*".join(parts[::2]), int(parts[1])
            key = (template, dtype, shape)
            layers = counts.get(key)
            if layers is None:
                layers = counts[key] = {}
                self._bytes[key] = size
            layers[index] = layers.get(index, 0) + 1

    def groups(self) -> tuple[TensorGroup, ...]:
        """The groups, sorted by template, dtype, shape and tensors per layer.

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
                found.append(TensorGroup(*key, total, total * self._bytes[key], layers))
        return tuple(found)
