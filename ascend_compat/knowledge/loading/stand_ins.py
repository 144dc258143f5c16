"""Stand-ins for tensors while a loader runs: shape, where the data comes from, and which part of which parameter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from ascend_compat.knowledge.evaluate.values import Raised, Tensor, Unknown

Region = tuple[tuple[int, int], ...]


@dataclass(eq=False, slots=True)
class Buffer:
    """The memory of one parameter and what was written to it: per write the region, the names it came from, the line.

    A region is ``(start, length)`` per dimension, empty where it is not computed. ``assumed`` parameters belong to a
    module whose parameters the source trees do not show.
    """

    parameter: str
    shape: tuple[Any, ...]
    assumed: bool = False
    written: list[tuple[Region, frozenset[str], str]] = field(default_factory=list)

    def share(self) -> float:
        """Written share of the memory, among the indices of the first dimension that were written at all."""
        regions = {region for region, _, _ in self.written}
        if not regions or not all(regions) or not all(isinstance(n, int) for n in self.shape):
            return 1.0 if self.written else 0.0
        touched = {region[0] for region in regions}
        indices = sum(length for _, length in touched) if len(self.shape) > 1 else self.shape[0]
        area = sum(prod(length for _, length in region) for region in regions)
        whole = indices * prod(self.shape[1:])
        return min(area / whole, 1.0) if whole else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class View(Tensor):
    """A tensor with known ``origins`` (names in the checkpoint), or a view into a parameter's ``buffer``.

    ``region`` has ``(start, length)`` per dimension of the buffer, ``dims`` the buffer's dimension of each of the
    view's own. ``shape`` items are ``Unknown`` where an operation is not computed.
    """

    origins: frozenset[str] = frozenset()
    buffer: Buffer | None = None
    region: Region = ()
    dims: tuple[int, ...] = ()


def stored(name: str, shape: tuple[int, ...], dtype: str) -> View:
    """A tensor of the checkpoint."""
    return View(shape, dtype, "stored", name, origins=frozenset({name}))


def parameter_data(buffer: Buffer, dtype: str | None, attributes: dict[str, Any] | None = None) -> View:
    """The whole of a parameter."""
    sized = all(isinstance(n, int) for n in buffer.shape)
    region = tuple((0, n) for n in buffer.shape) if sized else ()
    dims = tuple(range(len(region)))
    return View(buffer.shape, dtype, "empty", buffer.parameter, attributes or {}, frozenset(), buffer, region, dims)


def known(view: Tensor) -> bool:
    """Whether the shape is known in full."""
    return all(isinstance(n, int) for n in view.shape)


def opaque(at: str, *parts: Any) -> View:
    """The result of an operation nobody follows: where it comes from or leads to is kept, its shape is not."""
    views = [part for part in parts if isinstance(part, View)]
    origins = frozenset(name for view in views for name in view.origins)
    buffer = next((view.buffer for view in views if view.buffer is not None), None)
    return View((Unknown(at, "shape of a computed tensor"),), None, "computed", at, {}, origins, buffer)


def combined(at: str, *views: View) -> View:
    """What arithmetic makes of tensors: of the shape of the largest that is known, since sizes are equal or one."""
    made = opaque(at, *views)
    sized = [view for view in views if known(view)]
    return replace(made, shape=max((view.shape for view in sized), key=len)) if sized else made


def narrow(view: View, dim: int, start: int, length: int, at: str) -> View:
    """``Tensor.narrow``: raises ``RuntimeError`` as torch does when the part lies outside."""
    if not known(view) or not all(isinstance(n, int) for n in (dim, start, length)):
        return opaque(at, view)
    size = view.shape[dim]
    if start < 0 or start + length > size:
        raise Raised("RuntimeError", f"start ({start}) + length ({length}) exceeds dimension size ({size}).", at)
    shape = tuple(length if i == dim % len(view.shape) else n for i, n in enumerate(view.shape))
    if view.buffer is None:
        return replace(view, shape=shape)
    place = view.dims[dim] if view.dims else -1
    region = tuple((s + start, length) if i == place else (s, n) for i, (s, n) in enumerate(view.region))
    return replace(view, shape=shape, region=region)


def indexed(view: View, key: Any, at: str) -> View:
    """``tensor[key]``: an index or a slice per dimension, from the first; a mask or a tensor as key is not computed."""
    keys = key if isinstance(key, tuple) else (key,)
    if not known(view) or not 0 < len(keys) <= len(view.shape) or not all(map(_places, keys)):
        return opaque(at, view)
    dim = 0
    for item in keys:
        if isinstance(item, slice):
            start, stop, _ = item.indices(view.shape[dim])
            view = narrow(view, dim, start, max(stop - start, 0), at)
            dim += 1
        else:
            view = _selected(view, dim, item, at)
    return view


def _places(key: Any) -> bool:
    """Whether a key is an index, or a slice without a step, of known bounds."""
    if isinstance(key, slice):
        return key.step in (None, 1) and all(part is None or isinstance(part, int) for part in (key.start, key.stop))
    return isinstance(key, int) and not isinstance(key, bool)


def _selected(view: View, dim: int, index: int, at: str) -> View:
    """One index of a dimension, which is gone then."""
    size = view.shape[dim]
    if not -size <= index < size:
        raise Raised("IndexError", f"index {index} is out of bounds for dimension {dim} with size {size}", at)
    shape = (*view.shape[:dim], *view.shape[dim + 1 :])
    if view.buffer is None:
        return replace(view, shape=shape)
    place = view.dims[dim] if view.dims else -1
    region = tuple((s + index % size, 1) if i == place else (s, n) for i, (s, n) in enumerate(view.region))
    return replace(view, shape=shape, region=region, dims=(*view.dims[:dim], *view.dims[dim + 1 :]))


def copied(view: View, source: Any, at: str) -> None:
    """``Tensor.copy_``: writes the view's region; raises ``RuntimeError`` when the source does not broadcast to it."""
    if view.buffer is None:
        return
    if isinstance(source, Tensor) and known(source) and known(view):
        for back in range(1, max(len(source.shape), len(view.shape)) + 1):
            have = source.shape[-back] if back <= len(source.shape) else 1
            want = view.shape[-back] if back <= len(view.shape) else 1
            if have not in (1, want) or (back > len(view.shape) and have != 1):
                message = f"The size of tensor a ({want}) must match the size of tensor b ({have})"
                raise Raised("RuntimeError", message, at)
    view.buffer.written.append((view.region, source.origins if isinstance(source, View) else frozenset(), at))


def moved(view: View, order: list[int]) -> View:
    """Dimensions in another order."""
    shape = tuple(view.shape[i] for i in order)
    dims = tuple(view.dims[i] for i in order) if view.dims else ()
    return replace(view, shape=shape, dims=dims)
