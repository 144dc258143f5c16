"""Methods and attributes of tensors that loaders use, on stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

from ascend_compat.knowledge.evaluate.values import MISSING, External, Native, Raised, Unknown
from ascend_compat.knowledge.loading.stand_ins import View, copied, indexed, known, moved, narrow, opaque

Call = Callable[[View, list[Any], dict[str, Any], str], Any]
#: Methods that keep the shape.
_SAME = frozenset(
    "contiguous to float half bfloat16 clone detach cpu npu cuda type double int long requires_grad_ data_ptr "
    "pin_memory mul_ div_ add_ sub_ abs neg log exp round clamp is_contiguous".split()
)
#: Methods that give a tensor of a shape that is not computed.
_OPAQUE = frozenset(
    "view reshape flatten repeat repeat_interleave expand index_select gather new_empty new_zeros unflatten sum mean "
    "max min matmul mm cumsum where masked_fill scatter_ index_copy_ split_with_sizes view_as expand_as tolist".split()
)


def tensor_attribute(view: View, name: str, at: str) -> Any:
    """``tensor.name``; ``MISSING`` for what is neither a known attribute nor a known method."""
    fixed: dict[str, Any] = {
        "dtype": External(f"torch.{view.dtype}") if view.dtype else Unknown(at, "dtype of a computed tensor"),
        "data": view,
        "device": External("torch.device"),
        "T": _transposed(view, [0, 1], {}, at),
        "mT": _transposed(view, [-1, -2], {}, at),
        "is_meta": False,
        **view.attributes,
    }
    if name == "shape":
        return view.shape if known(view) else Unknown(at, "shape of a computed tensor")
    if name == "ndim":
        return len(view.shape) if known(view) else Unknown(at, "shape of a computed tensor")
    if name in fixed:
        return fixed[name]
    call = _METHODS.get(name)
    if call is not None:
        return Native(name, lambda args, keywords, where: call(view, args, keywords, where))
    if name in _SAME:
        return Native(name, lambda args, keywords, where: view)
    if name in _OPAQUE:
        return Native(name, lambda args, keywords, where: opaque(where, view, *args))
    return MISSING


def _size(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    if not known(view):
        return Unknown(at, "shape of a computed tensor")
    dim = args[0] if args else keywords.get("dim")
    return view.shape if dim is None else view.shape[dim] if isinstance(dim, int) else Unknown(at, "a dimension")


def _dim(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    return len(view.shape) if known(view) else Unknown(at, "shape of a computed tensor")


def _numel(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    return prod(view.shape) if known(view) else Unknown(at, "shape of a computed tensor")


def _narrow(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    names = ("dim", "start", "length")
    values = [*args, *(keywords.get(name) for name in names[len(args) :])]
    return narrow(view, values[0], values[1], values[2], at)


def _copy(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    copied(view, args[0] if args else None, at)
    return view


def _transposed(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    pair = args if len(args) == 2 else [0, 1]
    if not known(view) or len(view.shape) < 2 or not all(isinstance(n, int) for n in pair):
        return opaque(at, view)
    order = list(range(len(view.shape)))
    order[pair[0]], order[pair[1]] = order[pair[1]], order[pair[0]]
    return moved(view, order)


def _permuted(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    order = list(args[0]) if args and isinstance(args[0], (list, tuple)) else args
    if not known(view) or sorted(order, key=repr) != list(range(len(view.shape))):
        return opaque(at, view)
    return moved(view, order)


def _chunks(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    count, dim = args[0] if args else keywords.get("chunks"), args[1] if len(args) > 1 else keywords.get("dim", 0)
    if not isinstance(count, int) or not known(view) or not isinstance(dim, int):
        return [opaque(at, view) for _ in range(count)] if isinstance(count, int) else Unknown(at, "parts of a tensor")
    step = -(-view.shape[dim] // count)
    return [
        narrow(view, dim, start, min(step, view.shape[dim] - start), at) for start in range(0, view.shape[dim], step)
    ]


def _split(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    sizes, dim = args[0] if args else None, args[1] if len(args) > 1 else keywords.get("dim", 0)
    if isinstance(sizes, int) and known(view) and sizes and isinstance(dim, int):
        return _chunks(view, [-(-view.shape[dim] // sizes), dim], {}, at)
    count = len(sizes) if isinstance(sizes, (list, tuple)) else 0
    return [opaque(at, view) for _ in range(count)] if count else Unknown(at, "parts of a tensor")


def _unbind(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    dim = args[0] if args else keywords.get("dim", 0)
    if not known(view) or dim != 0 or not view.shape:
        return Unknown(at, "parts of a tensor")
    return [indexed(view, i, at) for i in range(view.shape[0])]


def _squeezed(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    if not known(view) or view.buffer is not None:
        return opaque(at, view)
    if args and isinstance(args[0], int):
        kept = [n for i, n in enumerate(view.shape) if i != args[0] % len(view.shape) or n != 1]
    else:
        kept = [n for n in view.shape if n != 1]
    return replace(view, shape=tuple(kept))


def _unsqueezed(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    dim = args[0] if args else keywords.get("dim")
    if not known(view) or view.buffer is not None or not isinstance(dim, int):
        return opaque(at, view)
    shape = list(view.shape)
    shape.insert(dim if dim >= 0 else len(shape) + dim + 1, 1)
    return replace(view, shape=tuple(shape))


def _item(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    return Unknown(at, "a number in a tensor")


def _floating(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    return "float" in view.dtype if view.dtype else Unknown(at, "dtype of a computed tensor")


def _shaped(view: View, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """``view`` and ``reshape`` to a shape that is given in full, or one that keeps one element."""
    sizes = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
    fits = known(view) and view.buffer is None and all(isinstance(n, int) and n >= 0 for n in sizes)
    if not fits:
        return opaque(at, view)
    if prod(sizes) != prod(view.shape):
        raise Raised("RuntimeError", f"shape '{list(sizes)}' is invalid for input of size {prod(view.shape)}", at)
    return replace(view, shape=tuple(sizes))


_METHODS: dict[str, Call] = {
    "size": _size, "dim": _dim, "numel": _numel, "nelement": _numel, "narrow": _narrow, "copy_": _copy,
    "t": _transposed, "transpose": _transposed, "permute": _permuted, "chunk": _chunks, "split": _split,
    "unbind": _unbind, "squeeze": _squeezed, "unsqueeze": _unsqueezed, "item": _item, "view": _shaped,
    "reshape": _shaped, "is_floating_point": _floating,
}  # fmt: skip
