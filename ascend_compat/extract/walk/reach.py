"""What a root reaches: every meeting with the fewest guards that lead to it, and the calls on the way."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

from ascend_compat.extract.walk.summary import Met, Summary
from ascend_compat.extract.walk.values import CONFIG, Cond, conj

#: Ways kept for one function, and for one meeting.
WAYS = 4
COST = {CONFIG: 1}
#: A guard that nobody decides weighs more than what config.json decides.
UNDECIDED = 50


@dataclass(slots=True)
class Way:
    """One way to a function: its condition, whether values decide it too, and the call that came before."""

    summary: Summary
    cond: Cond
    data: bool
    at: str = ""
    before: Any = None

    def steps(self) -> list[tuple[str, str]]:
        """``(path:line of the call, function)`` from the root on."""
        out: list[tuple[str, str]] = []
        way: Any = self
        while way is not None:
            out.append((way.at, way.summary.name))
            way = way.before
        return out[::-1]


@dataclass(slots=True)
class Reached:
    """One meeting and the way to it."""

    met: Met
    cond: Cond
    data: bool
    way: Way


def cost(cond: Cond) -> int:
    """How far from certain a condition is."""
    return sum(COST.get(guard.kind, UNDECIDED) for guard in cond[1])


def covered(known: list[tuple[Cond, bool]], cond: Cond, data: bool) -> bool:
    """Whether what is known holds wherever a condition does."""
    left = cond[0]
    for other, hangs in known:
        if (data or not hangs) and set(other[1]) <= set(cond[1]):
            left &= ~other[0]
    return not left


def reach(root: Summary) -> list[Reached]:
    """Meetings from a root, the least guarded first; a meeting may be there more than once under different guards."""
    found: list[Reached] = []
    seen: dict[int, list[tuple[Cond, bool]]] = {}
    met: dict[Met, list[tuple[Cond, bool]]] = {}
    start: Cond = (-1, ())
    heap: list[tuple[int, int, Way]] = [(0, 0, Way(root, start, False))]
    count = 0
    while heap:
        _, _, way = heapq.heappop(heap)
        known = seen.setdefault(id(way.summary), [])
        if len(known) >= WAYS or covered(known, way.cond, way.data):
            continue
        known.append((way.cond, way.data))
        for cond, data, thing in way.summary.met:
            both = conj(way.cond, cond)
            there = met.setdefault(thing, [])
            if both is None or len(there) >= WAYS or covered(there, both, way.data or data):
                continue
            there.append((both, way.data or data))
            found.append(Reached(thing, both, way.data or data, way))
        for cond, data, target, at in way.summary.edges:
            both = conj(way.cond, cond)
            if both is None or covered(seen.get(id(target), []), both, way.data or data):
                continue
            count += 1
            made = Way(target, both, way.data or data, at, way)
            heapq.heappush(heap, (cost(both), count, made))
    return found
