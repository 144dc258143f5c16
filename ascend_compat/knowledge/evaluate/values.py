"""The values the evaluator computes with: Python's plain data, and stand-ins for what lies outside a pack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Node = list[Any]


class Undecided(Exception):
    """Evaluation can't go on: a value is missing that a decision hangs on."""

    def __init__(self, at: str, reason: str) -> None:
        super().__init__(f"{at}: {reason}")
        self.at = at
        self.reason = reason


class Raised(Exception):
    """The evaluated code raises: ``kind`` is the exception's class name, ``at`` the line."""

    def __init__(self, kind: str, message: str, at: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that can't be known statically, and the line that made it so."""

    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the pack, known by its dotted name only (``torch.int8``)."""

    name: str


@dataclass(eq=False, slots=True)
class Module:
    """A module of the pack; ``ready`` once its top level has run."""

    name: str
    path: str
    package: bool
    body: list[Node] = field(repr=False)
    names: dict[str, Any] = field(default_factory=dict, repr=False)
    ready: bool = False


@dataclass(eq=False, slots=True)
class Class:
    """A class of the pack, with its bases (a base may be :class:`External`).

    ``omitted`` are attributes that the source defines and the pack leaves out: asking for one is unknown, not an error.
    """

    name: str
    module: str
    at: str
    bases: tuple[Any, ...] = field(repr=False)
    names: dict[str, Any] = field(repr=False)
    omitted: frozenset[str] = frozenset()

    @property
    def fqn(self) -> str:
        """``module:Class``."""
        return f"{self.module}:{self.name}"

    def lineage(self) -> list[Any]:
        """This class and its bases, left first, each once; externals included."""
        seen: list[Any] = [self]
        for base in self.bases:
            for item in base.lineage() if isinstance(base, Class) else [base]:
                if item not in seen:
                    seen.append(item)
        return seen

    def find(self, name: str) -> Any:
        """The attribute as the class defines or inherits it, or ``MISSING``."""
        for item in self.lineage():
            if isinstance(item, Class):
                if name in item.names:
                    return item.names[name]
                if name in item.omitted:
                    return Unknown(item.at, f"{item.name}.{name} is not followed")
        return MISSING

    @property
    def open(self) -> bool:
        """Whether an attribute that was not found may still exist, in a base outside the pack."""
        return any(
            isinstance(item, Unknown) or (isinstance(item, External) and item.name not in CLOSED_BASES)
            for item in self.lineage()
        )


#: Bases that add no attribute a decision could read.
CLOSED_BASES = frozenset({"abc.ABC", "enum.Enum", "enum.IntEnum", "typing.Protocol", "typing.Generic", "object"})


@dataclass(eq=False, slots=True)
class Instance:
    """An object: its class (``None`` for a plain record) and attributes. ``closed`` records have no others."""

    cls: Class | None
    names: dict[str, Any] = field(default_factory=dict, repr=False)
    closed: bool = True
    label: str = "object"


@dataclass(eq=False, slots=True)
class EnumMember:
    """A member of an enumeration in the pack."""

    cls: Class
    name: str
    value: Any


@dataclass(eq=False, slots=True)
class Function:
    """A function of the pack with the scopes it was defined in."""

    name: str
    spec: Mapping[str, Any] = field(repr=False)
    module: Module
    scopes: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    owner: Class | None = None


@dataclass(eq=False, slots=True)
class Bound:
    """A function bound to an instance or a class."""

    function: Function
    receiver: Any


@dataclass(eq=False, slots=True)
class Native:
    """A function the evaluator itself provides: ``call(args, keywords, at)``."""

    name: str
    call: Callable[[list[Any], dict[str, Any], str], Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An allocated tensor.

    ``shape`` in elements (an item is ``Unknown`` when it can't be known), ``dtype`` as torch spells it (``None`` when
    unknown), the ``constructor`` (``empty``, ``zeros``, ``ones``), and the line that allocates it.
    """

    shape: tuple[Any, ...]
    dtype: str | None
    constructor: str
    at: str
    #: What the code sets on the tensor (``weight_loader``, ``quant_method``).
    attributes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(eq=False, slots=True)
class Stream:
    """What a generator gives: items that can be gone through once."""

    items: list[Any]

    def take(self) -> list[Any]:
        """Everything that is left."""
        out, self.items = self.items, []
        return out


class _Missing:
    """Absence, distinct from ``None``."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


def is_unknown(value: Any) -> bool:
    """Whether the value itself can't be known."""
    return isinstance(value, Unknown)


def describe(value: Any) -> str:
    """A short word for a value, for messages."""
    if isinstance(value, Instance):
        return value.cls.name if value.cls else value.label
    if isinstance(value, (Class, Function, External, Module, Native)):
        return value.name
    return repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__


def printed(value: Any, depth: int = 0) -> str:
    """As Python prints it, containers with what is in them, sets in order; what nests deeper than 20 is left out."""
    if depth > 20:
        return "..."
    if isinstance(value, dict):
        pairs = (f"{printed(key, depth + 1)}: {printed(item, depth + 1)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple, set)):
        items = [printed(item, depth + 1) for item in value]
        if isinstance(value, set):
            return "{" + ", ".join(sorted(items)) + "}" if value else "set()"
        inner = ", ".join(items) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return describe(value)
