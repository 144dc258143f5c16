"""Builtins and methods of plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ascend_compat.knowledge.evaluate.values import (
    MISSING,
    Bound,
    Class,
    EnumMember,
    External,
    Function,
    Instance,
    Native,
    Raised,
    Stream,
    Tensor,
    Unknown,
    describe,
    is_unknown,
    printed,
)

if TYPE_CHECKING:
    from ascend_compat.knowledge.evaluate.expressions import Expressions

VIEWS: tuple[type[Any], ...] = (
    type({}.keys()),
    type({}.values()),
    type({}.items()),
    enumerate,
    zip,
    map,
    filter,
    reversed,
)

#: Methods of plain values that neither run foreign code nor grow without bound.
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        "split rsplit partition rpartition replace startswith endswith lower upper strip lstrip rstrip join find "
        "isdigit count removeprefix removesuffix index format title".split()
    ),
    dict: frozenset("get keys values items pop update setdefault copy".split()),
    list: frozenset("append extend insert remove index count copy pop sort reverse clear".split()),
    tuple: frozenset("index count".split()),
    set: frozenset("add update remove discard union copy pop".split()),
}


def method(owner: Any, name: str, at: str) -> Any:
    """A method of plain data as a :class:`Native`, ``MISSING`` when Python has none, else unknown."""
    if isinstance(owner, Tensor):
        known = {"shape": owner.shape, "dtype": External(f"torch.{owner.dtype}"), **owner.attributes}
        return known.get(name, Unknown(at, f"attribute {name} of a tensor"))
    if isinstance(owner, str) and name == "value":
        return owner
    if isinstance(owner, Native) and (owner.name, name) == ("dict", "fromkeys"):
        return Native("dict.fromkeys", plain(dict.fromkeys))
    allowed = _METHODS.get(type(owner))
    if allowed is None:
        return Unknown(at, f"attribute {name} of {describe(owner)}")
    if name in allowed:
        return Native(f"{type(owner).__name__}.{name}", plain(getattr(owner, name)))
    return Unknown(at, f"method {name}") if hasattr(owner, name) else MISSING


#: Methods that take an unknown value without looking at it.
_TAKING = frozenset({"append", "get", "setdefault", "pop", "add"})


def _is_open(value: Any) -> bool:
    return isinstance(value, (Stream, Unknown))


def plain(function: Callable[..., Any]) -> Callable[[list[Any], dict[str, Any], str], Any]:
    def call(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        if any(map(_is_open, args)):
            args = [a.take() if isinstance(a, Stream) else a for a in args]
            unknown = next((a for a in args if is_unknown(a)), None)
            if unknown is not None and getattr(function, "__name__", "") not in _TAKING:
                return unknown
        try:
            return function(*args, **keywords)
        except KeyError as error:
            raise Raised("KeyError", repr(error.args[0]), at) from None
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            inner = (item for arg in args if isinstance(arg, (list, tuple)) for item in arg)
            unknown = next(filter(is_unknown, inner), None)
            if unknown is not None:
                return unknown
            raise Raised(type(error).__name__, str(error), at) from None

    return call


def builtin(machine: Expressions, name: str) -> Any:
    """A builtin as a :class:`Native`; types that ``isinstance`` asks for stay external names."""
    special = _SPECIAL.get(name)
    if special is not None:
        return Native(name, lambda args, keywords, at: special(machine, args, keywords, at))
    if name in _PLAIN_BUILTINS:
        return Native(name, plain(_PLAIN_BUILTINS[name]))
    return External(name)


_PLAIN_BUILTINS: dict[str, Callable[..., Any]] = {
    "len": len, "int": int, "float": float, "bool": bool, "abs": abs, "min": min, "max": max, "sum": sum,
    "sorted": sorted, "round": round, "range": range, "ord": ord, "chr": chr,
}  # fmt: skip


def _listed(machine: Expressions, args: list[Any], at: str) -> list[Any]:
    return list(machine.iterate(args[0], at)) if args else []


def _quantified(stop: bool) -> Callable[..., Any]:
    """``any`` (stop at the first true) and ``all`` (stop at the first false), three-valued."""

    def decide(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        open_value: Any = None
        for item in machine.iterate(args[0], at):
            truth = machine.truth(item)
            if truth is stop:
                return stop
            open_value = item if truth is None and open_value is None else open_value
        return (open_value if is_unknown(open_value) else Unknown(at, "truth of an item")) if open_value else not stop

    return decide


def _isinstance(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    value, asked = args
    unknown: Unknown | None = None
    for kind in asked if isinstance(asked, tuple) else (asked,):
        outcome = is_instance(value, kind, at)
        if outcome is True:
            return True
        unknown = outcome if isinstance(outcome, Unknown) else unknown
    return unknown or False


_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str, "int": int, "float": float, "bool": bool, "dict": dict, "list": list, "tuple": tuple, "set": set,
}  # fmt: skip


def is_instance(value: Any, kind: Any, at: str) -> Any:
    """``isinstance`` by class identity, by external name, or by Python type."""
    if is_unknown(value) or is_unknown(kind):
        return value if is_unknown(value) else kind
    name = kind.name if isinstance(kind, (External, Native)) else ""
    if name in _TYPES:
        return isinstance(value, _TYPES[name])
    if isinstance(value, (Instance, EnumMember)) and value.cls is not None:
        lineage = value.cls.lineage()
        if kind in lineage:
            return True
        if isinstance(kind, Class) or name:
            return Unknown(at, f"whether {value.cls.name} is a {describe(kind)}") if _doubtful(lineage, kind) else False
    if isinstance(value, (str, int, float, bool, dict, list, tuple, set, type(None))):
        return False
    return Unknown(at, f"whether {describe(value)} is a {describe(kind)}")


def _doubtful(lineage: list[Any], kind: Any) -> bool:
    """A class may have the asked base behind a base that could not be resolved at all."""
    return any(is_unknown(item) for item in lineage)


def _getattr(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    if is_unknown(args[1]):
        return args[1]
    found = machine.find_attribute(args[0], str(args[1]), at)
    if found is not MISSING:
        return found
    if len(args) > 2:
        return args[2]
    raise Raised("AttributeError", f"'{describe(args[0])}' object has no attribute '{args[1]}'", at)


def _hasattr(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    found = machine.find_attribute(args[0], str(args[1]), at)
    if isinstance(found, External):
        pinned = isinstance(machine.external(f"{found.name.partition('.')[0]}.*"), bool)
        return True if pinned else Unknown(at, f"whether {found.name} exists")
    return found if is_unknown(found) else found is not MISSING


def _setattr(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    if isinstance(args[0], (Instance, Class)) and isinstance(args[1], str):
        args[0].names[args[1]] = args[2]


def _type(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    return args[0].cls if isinstance(args[0], Instance) and args[0].cls else Unknown(at, "type of a value")


def _text(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    if args and is_unknown(args[0]):
        return args[0]
    return (args[0] if isinstance(args[0], str) else describe(args[0])) if args else ""


def _next(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    items = args[0].items[:1] if args and isinstance(args[0], Stream) else _listed(machine, args, at)
    if items and isinstance(args[0], Stream):
        del args[0].items[:1]
    if items or len(args) > 1:
        return items[0] if items else args[1]
    raise Raised("StopIteration", "", at)


def _dict(machine: Expressions, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    if args and isinstance(args[0], dict):
        return {**args[0], **keywords}
    return {**dict(_listed(machine, args, at)), **keywords}


_SPECIAL: dict[str, Callable[..., Any]] = {
    "isinstance": _isinstance,
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "any": _quantified(True),
    "all": _quantified(False),
    "type": _type,
    "str": _text,
    "next": _next,
    "dict": _dict,
    "list": lambda m, args, kw, at: _listed(m, args, at),
    "tuple": lambda m, args, kw, at: tuple(_listed(m, args, at)),
    "set": lambda m, args, kw, at: set(_listed(m, args, at)),
    "frozenset": lambda m, args, kw, at: set(_listed(m, args, at)),
    "iter": lambda m, args, kw, at: args[0] if isinstance(args[0], Stream) else Stream(_listed(m, args, at)),
    "enumerate": lambda m, args, kw, at: list(enumerate(_listed(m, args, at), *args[1:])),
    "zip": lambda m, args, kw, at: list(zip(*(m.iterate(a, at) for a in args), strict=False)),
    "reversed": lambda m, args, kw, at: list(reversed(_listed(m, args, at))),
    "issubclass": lambda m, args, kw, at: (
        args[1] in args[0].lineage()
        if isinstance(args[0], Class) and isinstance(args[1], Class)
        else Unknown(at, "issubclass of a class outside the source tree")
    ),
    "filter": lambda m, args, kw, at: [
        item
        for item in m.iterate(args[1], at)
        if m.decided(item if args[0] is None else m.call(args[0], [item], {}, at), at)
    ],
    "map": lambda m, args, kw, at: [
        m.call(args[0], list(items), {}, at) for items in zip(*(m.iterate(a, at) for a in args[1:]), strict=False)
    ],
    "callable": lambda m, args, kw, at: (
        isinstance(args[0], (Function, Bound, Native, Class))
        if isinstance(args[0], (Function, Bound, Native, Class, str, int, float, bool, list, dict, tuple, type(None)))
        else Unknown(at, f"whether {describe(args[0])} can be called")
    ),
    "repr": lambda m, args, kw, at: args[0] if is_unknown(args[0]) else printed(args[0]),
    "print": lambda m, args, kw, at: None,
}
