"""Tensors of one name pattern: how a weight is stored, the names it stands for, its share of the tensor table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ascend_compat.checkpoint.aggregate import Aggregate
from ascend_compat.checkpoint.expression import ExpressionError, evaluate
from ascend_compat.checkpoint.family import Expression, Storage
from ascend_compat.core.units import tensor_bytes
from ascend_compat.errors import CheckpointError

LINEAR, EXPERTS, TENSOR = "linear", "experts", "tensor"
#: A larger size in config.json is damage.
_LARGEST = 1 << 40
#: Projections whose input is split over ranks: the sum over ranks follows them.
_REDUCED = ("down_proj", "o_proj", "w2", "wo_b", "out_proj")
_PLACE = re.compile(r"^\{\w+\}$")


class TensorSpec(NamedTuple):
    """One tensor as its header entry would say it; ``shape`` in elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Entry(NamedTuple):
    """Tensors of one name pattern: ``{index}`` stands for every number of that index.

    ``kind`` says whether ``name`` is a linear module, a tensor of all experts, or a tensor no format quantizes.
    """

    name: str
    indices: tuple[tuple[str, Sequence[int]], ...]
    dtype: str
    shape: tuple[int, ...]
    kind: str

    @property
    def per_first(self) -> int:
        """Tensors for one value of the first index."""
        return prod(len(numbers) for _, numbers in self.indices[1:])


class Choice(NamedTuple):
    """How a weight is stored, with the arguments of its scheme that the shapes use."""

    storage: Storage
    arguments: Mapping[str, Any]


#: How the weight of a module is stored; ``None`` for a float one. The flag says that it holds all experts.
Chooser = Callable[[str, bool], Choice | None]


def store(entry: Entry, choose: Chooser | None) -> Iterator[Entry]:
    """What stands for a weight: itself, or the tensors its scheme stores, by the values of the first index.

    Raises :class:`CheckpointError` where ``choose`` does or a shape does not fit.
    """
    if entry.kind == TENSOR:
        yield entry
        return
    index, numbers = first_index(entry)
    chosen: dict[int, tuple[Choice | None, list[int]]] = {}
    for number in numbers or (0,):
        filled = {name: number if name == index else 0 for name, _ in entry.indices}
        choice = choose(entry.name.format_map(filled), entry.kind == EXPERTS) if choose else None
        chosen.setdefault(id(choice), (choice, []))[1].append(number)
    for choice, own in chosen.values():
        part_of = entry if index is None else entry._replace(indices=((index, tuple(own)), *entry.indices[1:]))
        yield from _under(part_of, choice)


def _under(entry: Entry, choice: Choice | None) -> Iterator[Entry]:
    joint = "." if entry.kind == LINEAR else ""
    if choice is None:
        yield entry._replace(name=f"{entry.name}.weight" if joint else entry.name, kind=TENSOR)
        return
    sizes = {f"d{at}": size for at, size in enumerate(entry.shape)}
    sizes |= {"out": entry.shape[0], "inp": entry.shape[-1], "experts": entry.shape[0]}
    sizes["reduced"] = int(entry.name.rpartition(".")[2] in _REDUCED)
    values = {**choice.arguments, **sizes}
    for stored in choice.storage.tensors:
        if size_of(stored.when, values):
            shape = shape_of(stored.shape, values)
            dtype = stored.dtype or entry.dtype
            yield entry._replace(name=f"{entry.name}{joint}{stored.suffix}", dtype=dtype, shape=shape, kind=TENSOR)


def first_index(entry: Entry) -> tuple[str | None, Sequence[int]]:
    """Name and values of the first index, ``None`` and nothing for a single tensor."""
    return entry.indices[0] if entry.indices else (None, ())


def spelled(entries: Sequence[Entry]) -> Iterator[TensorSpec]:
    """The tensors of a block by name: for every value of the first index all entries that have it."""
    yield from (TensorSpec(entry.name, entry.dtype, entry.shape) for entry in entries if not entry.indices)
    by_number: dict[int, list[Entry]] = {}
    for entry in entries:
        for number in first_index(entry)[1]:
            by_number.setdefault(number, []).append(entry)
    for number in sorted(by_number):
        for entry in by_number[number]:
            keys = [name for name, _ in entry.indices]
            for rest in product(*(numbers for _, numbers in entry.indices[1:])):
                name = entry.name.format_map(dict(zip(keys, (number, *rest), strict=True)))
                yield TensorSpec(name, entry.dtype, entry.shape)


def count(aggregate: Aggregate, entry: Entry) -> None:
    """Add an entry to the groups: the first numeric component of the name is the layer."""
    parts = entry.name.split(".")
    marked = [piece for piece in parts if _PLACE.match(piece) or piece.isdecimal()]
    template = ".".join("*" if _PLACE.match(piece) or piece.isdecimal() else piece for piece in parts)
    size = tensor_bytes(entry.dtype, entry.shape)
    index, numbers = first_index(entry)
    if index is not None and marked and marked[0] == f"{{{index}}}":
        for number in numbers:
            aggregate.count(template, entry.dtype, entry.shape, size, number, entry.per_first)
        return
    total = entry.per_first * max(1, len(numbers))
    aggregate.count(template, entry.dtype, entry.shape, size, int(marked[0]) if marked else None, total)


def shape_of(shape: list[Expression], values: Mapping[str, Any]) -> tuple[int, ...]:
    """A shape in elements; raises :class:`CheckpointError` for one that no tensor has."""
    sizes = tuple(size_of(dimension, values) for dimension in shape)
    for dimension, size in zip(shape, sizes, strict=True):
        if not 0 <= size < _LARGEST:
            raise CheckpointError(f"config.json does not fit its family table: {dimension!r} is {size:,}")
    return sizes


def size_of(expression: Expression, values: Mapping[str, Any]) -> int:
    """The value of an expression as a whole number; raises :class:`CheckpointError` where a field is absent or odd."""
    try:
        return int(evaluate(expression, values))
    except ExpressionError as error:
        if error.missing is not None:
            raise CheckpointError(f"config.json lacks {error.missing!r}, which sizes the tensors") from error
        raise CheckpointError(f"config.json does not fit its family table: {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"config.json does not fit its family table: {expression!r} is no size") from error
