"""The section ``operators`` of a pack: per architecture what its code meets, with shared tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ascend_compat.extract.progress import Progress, silent
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.walk.reach import Reached, Way, reach
from ascend_compat.extract.walk.summary import Summary
from ascend_compat.extract.walk.values import CONFIG
from ascend_compat.extract.walk.walker import Walker
from ascend_compat.extract.walk.world import World

#: What fails or may fail, with the way to it; and what works, for the operator table.
FAILING = frozenset({
    "cuda", "package", "triton", "triton-plugin", "refused", "raise", "dtype", "no-backend", "no-native", "not-built",
    "all-reduce", "model",
})  # fmt: skip
WORKING = frozenset({"replaced", "native", "patched", "backend", "plugin-op"})
#: A ``raise`` that nothing decides says what is not supported.
REFUSING = ("support", "only", "must", "incompatible", "require")


class Tables:
    """Rows that architectures share; each is kept once, in order of appearance."""

    def __init__(self, full: int) -> None:
        self.full = full
        self.rows: dict[str, dict[Any, int]] = {name: {} for name in ("guards", "things", "steps", "uses")}

    def index(self, table: str, row: Any) -> int:
        """The number of a row."""
        known = self.rows[table]
        return known.setdefault(row, len(known))

    def step(self, way: Way | None) -> int:
        """The number of a way's last call; each knows the one before."""
        if way is None:
            return -1
        return self.index("steps", (way.at, way.summary.name, self.step(way.before)))

    def use(self, found: Reached) -> int | None:
        """The number of a use; ``None`` for what decides nothing."""
        met = found.met
        failing = met.kind in FAILING
        if not failing and met.kind not in WORKING:
            return None
        if met.kind == "raise" and not refuses(found):
            return None
        guards = [g for g in found.cond[1] if failing or g.kind == CONFIG]
        signed = tuple(sorted(self._guard(g.kind, g.text, g.holds) for g in guards))
        kind = "refused" if met.kind == "raise" else met.kind
        at = (
            met.at if failing or met.kind == "plugin-op" else ""
        )  # where a working one is made is said by the architecture's own modules
        thing = self.index("things", (kind, met.name, at, met.by, met.by_at, met.note))
        step = self.step(found.way) if failing else -1
        return self.index("uses", (thing, found.cond[0] & self.full, signed, int(found.data), step))

    def _guard(self, kind: str, text: str, holds: bool) -> int:
        number = self.index("guards", (kind, text)) + 1
        return number if holds else -number

    def out(self) -> dict[str, list[Any]]:
        """Tables as lists."""
        return {name: [list(row) for row in rows] for name, rows in self.rows.items()}


def refuses(found: Reached) -> bool:
    """A ``raise`` on the one path there is, that says what is not supported.

    Where config.json leads into its function it must be ``NotImplementedError``: others say what config.json may hold.
    """
    words = found.met.note.lower()
    own = [g for g in found.cond[1] if g not in found.way.cond[1]]
    led = found.met.name == "NotImplementedError" and not own and all(g.kind == CONFIG for g in found.cond[1])
    return not found.data and (led or not found.cond[1]) and any(word in words for word in REFUSING)


def extract_operators(
    trees: Trees,
    architectures: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    only: Collection[str] | None = None,
) -> dict[str, Any]:
    """``{socs, triton, guards, things, steps, uses, architectures}``.

    ``things`` are ``[kind, name, at, by, by_at, note]``; ``guards`` ``[kind, text]`` with kind ``C`` (config.json
    decides) or ``U`` (nobody does); ``steps`` ``[at, function, step before]``; ``uses`` ``[thing, devices as bits of
    socs, guards (number + 1, negative for not), values decide too, last step]``; an architecture is a list of uses.
    ``only`` names the architectures that are walked, with the language models they make.
    """  # fmt: skip
    world = World(trees, known)
    walker = Walker(world)
    tables = Tables(world.full)
    out: dict[str, list[int]] = {}
    names = sorted(architectures if only is None else only)
    for count, name in enumerate(names):  # grows by the language models that are made by name
        progress("walk architectures", count, len(names))
        root = walk(walker, name, architectures[name], trees)
        if root is not None:
            reached = list(reach(root))
            inner = sorted({f.met.name for f in reached if f.met.kind == "model" and f.met.name in architectures})
            names.extend(item for item in inner if item not in names)
            uses = (tables.use(found) for found in reached)
            out[name] = sorted({use for use in uses if use is not None})
    triton = [soc for index, soc in enumerate(world.socs) if world.triton >> index & 1]
    return {"socs": list(world.socs), "triton": triton, **tables.out(), "architectures": out}


def walk(walker: Walker, name: str, entry: Mapping[str, Any], trees: Trees) -> Summary | None:
    """The root of an architecture; what stopped the walk goes to ``trees.unfollowed``."""
    try:
        root = walker.architecture(entry)
    except (RecursionError, AttributeError, KeyError, IndexError, TypeError, ValueError, AssertionError) as error:
        # A tree nobody has seen may hold code in a shape the walk does not expect: one architecture is lost, not all.
        trees.unfollowed.append(f"{entry['module']}: {name} is not walked ({type(error).__name__})")
        walker.reset()
        return None
    if root is None:
        trees.unfollowed.append(f"{entry['module']}: class {entry['class']} is not found")
    return root
