"""Two sections of two packs side by side: what is only in one, what differs, and what is not recorded at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ascend_compat.core.change import Gap, Group, Item, Place, Side
from ascend_compat.core.finding import Message, Param

Entry = Mapping[str, Any]
Section = Mapping[str, Entry]
Pack = Mapping[str, Any]


class Pair:
    """Two packs; ``sections`` gives a section of both, ``gaps`` says what could not be compared."""

    def __init__(self, a: Pack, b: Pack) -> None:
        self.a, self.b = a, b
        self.gaps: list[Gap] = []

    def sections(self, name: str) -> tuple[Any, Any] | None:
        """The section in both packs; ``None``, and a gap, when one of them does not record it.

        An empty section counts as not recorded: no release is without flags, models or versions, so it says that the
        extractor found nothing, not that there is nothing. Entries of a file that the extractor did not find in the
        other tree are left out for the same reason.
        """
        missing = [side for side, pack in ((Side.A, self.a), (Side.B, self.b)) if not pack.get(name)]
        self.gaps += [Gap(name, side) for side in missing if Gap(name, side) not in self.gaps]
        if missing:
            return None
        a, b = self.a[name], self.b[name]
        return self._readable(name, a, b, Side.B), self._readable(name, b, a, Side.A)

    def _readable(self, name: str, here: Any, there: Any, side: Side) -> Any:
        """Entries whose absence on ``side`` would mean something: in both, or in a file that was read there."""
        if not isinstance(here, Mapping):
            return here
        pack = self.a if side is Side.A else self.b
        unread = {line.rpartition(": ")[0] for line in pack.get("unfollowed", ())}
        lost: dict[str, int] = {}
        out: dict[str, Any] = {}
        for key, entry in here.items():
            file = str(entry.get("at", "")).rpartition(":")[0] if isinstance(entry, Mapping) else ""
            if key not in there and file and unread & {file, file.removesuffix(".py").replace("/", ".")}:
                lost[file] = lost.get(file, 0) + 1
            else:
                out[key] = entry
        self.gaps += [Gap(name, side, file, count) for file, count in sorted(lost.items())]
        return out


def place(side: Side, entry: Any) -> tuple[Place, ...]:
    """Where an entry stands; nothing for an entry without a line."""
    at = entry.get("at") if isinstance(entry, Mapping) else entry
    return (Place(side, at),) if isinstance(at, str) and at else ()


def note(label: str, /, **params: Param) -> Message:
    """The note ``compare.note.<label>`` of an item."""
    return Message(f"compare.note.{label}", params)


def group(kind: str, items: Iterable[Item]) -> list[Group]:
    """A group of the items by subject; nothing when there are none."""
    ordered = tuple(sorted(items, key=lambda item: (item.subject.lower(), item.subject)))
    return [Group(kind, ordered)] if ordered else []


def only(
    side: Side, here: Section, there: Section, told: Callable[[str, Entry], Message | None] | None = None
) -> list[Item]:
    """Entries of one side that the other lacks."""
    return [
        Item(name, place(side, entry), told(name, entry) if told else None)
        for name, entry in here.items()
        if name not in there
    ]


def both(a: Section, b: Section) -> list[tuple[str, Entry, Entry]]:
    """Names that stand in both, with both entries."""
    return [(name, a[name], b[name]) for name in sorted(set(a) & set(b))]


def changed(a: Section, b: Section, key: str, told: Callable[[Any, Any], Message]) -> list[Item]:
    """Entries of both sides whose ``key`` differs; an entry without the key says nothing."""
    return [
        Item(name, (*place(Side.A, old), *place(Side.B, new)), told(old[key], new[key]))
        for name, old, new in both(a, b)
        if key in old and key in new and (type(old[key]), old[key]) != (type(new[key]), new[key])
    ]


def from_to(old: Any, new: Any) -> Message:
    """``old → new``, values as a user writes them."""
    return note("changed", old=written(old), new=written(new))


def written(value: Any) -> str:
    """A value as JSON writes it: what a user types into a flag or a configuration."""
    import json

    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
