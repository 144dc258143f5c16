"""Abstract values of the walk: what is known of a Python value, under which devices and guards."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

#: Kinds of what is not known: both sides happen (data), config.json decides, nobody says.
DATA, CONFIG, UNKNOWN = "D", "C", "U"
#: Text of a guard longer than this is not kept as an expression.
TEXT_LIMIT = 600
#: Alternatives are joined into one text up to this length.
LONGEST = 3000
#: What stands for a condition longer than that.
TOO_LONG = "a condition too long to keep"
#: Where a node keeps its text.
WRITTEN = "written"
#: Alternatives kept for one value.
WIDTH = 14


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition nobody decided: its text, whether it must hold, and what could decide it (``C`` or ``U``)."""

    text: str
    holds: bool
    kind: str

    def inverse(self) -> Guard:
        """The same test the other way round."""
        return Guard(self.text, not self.holds, self.kind)

    def __str__(self) -> str:
        return self.text if self.holds else f"not ({self.text})"


#: A mask of devices, and the guards that are open.
Cond = tuple[int, tuple[Guard, ...]]


@dataclass(frozen=True, slots=True)
class Const:
    """A constant; ``kind`` keeps ``1`` and ``True`` apart."""

    value: Any
    kind: str

    @staticmethod
    def of(value: Any) -> Const:
        """A constant of a hashable value."""
        return Const(value, type(value).__name__)


@dataclass(frozen=True, slots=True)
class Sym:
    """Something that has no value here: its kind and, for what config.json decides, its text."""

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ClassV:
    """A class of the trees, ``module:Class``."""

    fqn: str


@dataclass(frozen=True, slots=True)
class ModV:
    """A module of the trees."""

    name: str


@dataclass(frozen=True, slots=True)
class ExtV:
    """Something outside the trees, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class SeqV:
    """A tuple or list of known length."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ManyV:
    """Some number of these."""

    items: tuple[tuple[Cond, Any], ...]


@dataclass(frozen=True, slots=True)
class DictV:
    """A dictionary with known keys; ``open`` when more may be in it."""

    items: tuple[tuple[Any, Any], ...]
    open: bool = False


@dataclass(eq=False, slots=True)
class Obj:
    """An instance of a class of the trees; compared by identity."""

    cls: str
    number: int
    attrs: dict[str, Any] = field(default_factory=dict)
    #: A configuration object that nobody constructs here: fields have their defaults.
    settings: bool = False


@dataclass(eq=False, slots=True)
class Code:
    """A function's definition and where it is."""

    fqn: str
    module: str
    node: Any
    cls: str = ""
    #: Names of the function around it.
    closure: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class FuncV:
    """A function, bound to an instance or class where it is a method, with arguments already given."""

    code: Code
    bound: Any = None
    given: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class SuperV:
    """``super()`` of an instance, seen from a class."""

    cls: str
    bound: Any


Alts = tuple[tuple[Cond, Any], ...]
NONE = Const.of(None)
TENSOR = Sym(DATA)
NOBODY = Sym(UNKNOWN)


def conj(first: Cond, second: Cond) -> Cond | None:
    """Both conditions; ``None`` when they exclude each other."""
    mask = first[0] & second[0]
    if not mask:
        return None
    if not second[1] or first[1] == second[1]:
        return mask, first[1]
    if not first[1]:
        return mask, second[1]
    guards = list(first[1])
    for guard in second[1]:
        if guard in guards:
            continue
        if guard.inverse() in guards:
            return None
        guards.append(guard)
    return mask, tuple(guards)


def either(first: tuple[Guard, ...], second: tuple[Guard, ...]) -> tuple[Guard, ...]:
    """Guards that hold where one of two lists does: what both have, and their rests joined by ``or``."""
    same = tuple(g for g in first if g in second)
    rests = [[g for g in guards if g not in same] for guards in (first, second)]
    if not rests[0] or not rests[1]:
        return same
    for one, other in (rests, rests[::-1]):  # (a and b) or not a: b or not a
        if len(one) == 1 and one[0].inverse() in other:
            other.remove(one[0].inverse())
    if not rests[0] or not rests[1]:
        return same
    text = " or ".join("(" + " and ".join(f"({g})" for g in rest) + ")" for rest in rests)
    decidable = any(g.kind == CONFIG for rest in rests for g in rest)
    if len(text) > LONGEST:
        return (*same, Guard(TOO_LONG, True, UNKNOWN))
    return (*same, Guard(text, True, CONFIG if decidable else UNKNOWN))


def merged(alts: Iterable[tuple[Cond, Any]]) -> Alts:
    """Alternatives with each value once: the same value under different guards needs the fewest of them."""
    given = alts if isinstance(alts, (list, tuple)) else tuple(alts)
    if len(given) < 2:
        return tuple(given)
    out: dict[Any, Cond] = {}
    for cond, value in given:
        known = out.get(value)
        if known is None:
            out[value] = cond
        elif known != cond:
            out[value] = known[0] | cond[0], either(known[1], cond[1])
    kept = list(out.items())
    if len(kept) > WIDTH:
        rest = kept[WIDTH - 1][1]
        for _, cond in kept[WIDTH:]:
            rest = rest[0] | cond[0], either(rest[1], cond[1])
        kept = [*kept[: WIDTH - 1], (NOBODY, rest)]
    return tuple((cond, value) for value, cond in kept)


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a test may hold and where it may fail, each with its open guards; a mask of 0 is never."""

    yes: Cond
    no: Cond
    #: A platform or device predicate took part.
    platform: bool = False

    def inverse(self) -> Truth:
        """``not``."""
        return Truth(self.no, self.yes, self.platform)


def text_of(value: Any) -> str | None:
    """A value as source text that config.json can decide; ``None`` for anything else."""
    if isinstance(value, Const) and value.kind in ("str", "int", "float", "bool", "NoneType"):
        return repr(value.value)
    if isinstance(value, Sym) and value.kind == CONFIG:
        return value.text
    if value == DictV(()):
        return "{}"
    if isinstance(value, SeqV):
        parts = [text_of(alts[0][1]) if len(alts) == 1 else None for alts in value.items]
        return None if None in parts else f"({', '.join(str(p) for p in parts)}{',' if len(parts) == 1 else ''})"
    return None


def offers(owner: Any, name: str) -> bool:
    """Whether a constant or a container has an attribute."""
    if isinstance(owner, Const):
        return owner.kind == "enum" or hasattr(owner.value, name)
    return hasattr(dict, name) if isinstance(owner, DictV) else hasattr(list, name) or hasattr(set, name)


def plain_tuple(value: Any) -> bool:
    """Whether a value is a tuple of constants: a key of a table as good as a constant."""
    return isinstance(value, SeqV) and all(len(i) == 1 and isinstance(i[0][1], Const) for i in value.items)


def combined(values: Iterable[Any], text: Callable[[list[str]], str], where: str) -> Sym:
    """What an operation on values gives that can't be computed: data before unknown before configuration."""
    items = list(values)
    kinds = {item.kind for item in items if isinstance(item, Sym)}
    if DATA in kinds:
        return TENSOR
    texts = [text_of(item) for item in items]
    known = [t for t in texts if t is not None]
    if UNKNOWN not in kinds and len(known) == len(texts) and CONFIG in kinds:
        made = text(known)
        if len(made) <= TEXT_LIMIT:
            return Sym(CONFIG, made)
    return Sym(UNKNOWN, where)


def each(value: Sym) -> Sym:
    """Some element of something that config.json holds."""
    return Sym(CONFIG, f"each({value.text})") if len(value.text) < TEXT_LIMIT else NOBODY


def name_text(node: ast.AST) -> str:
    """Source text of a node, shortened; kept with the node, as writing it out takes longer than reading it."""
    made: str | None = node.__dict__.get(WRITTEN)
    if made is None:
        try:
            made = ast.unparse(node)
        except (RecursionError, ValueError):
            made = ""
        made = made if len(made) <= TEXT_LIMIT else made[: TEXT_LIMIT - 3] + "..."
        node.__dict__[WRITTEN] = made
    return made
