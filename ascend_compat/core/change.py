"""What differs between two rule packs, in the reader's order: groups of items, each with the lines it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ascend_compat.core.finding import Message


class Side(str, Enum):
    """Which of the two packs a line belongs to."""

    A = "a"
    B = "b"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the trees one pack was built from: ``at`` is ``path:line``."""

    side: Side
    at: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that changed: its name as a user types it, what to know about it, and where it stands."""

    subject: str
    places: tuple[Place, ...]
    note: Message | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Items of one kind. ``kind`` is ``<topic>.<what happened>`` (``launch.flags.removed``); items are in order."""

    kind: str
    items: tuple[Item, ...]

    @property
    def topic(self) -> str:
        """What the reader does when this matters."""
        return self.kind.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Gap:
    """What ``side`` does not record: a whole section, or ``entries`` of the other side's that stand in a ``file`` which
    was not found here. Nothing can be said about their changes.
    """

    section: str
    side: Side
    file: str = ""
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Packed:
    """The identity of a pack; versions are ``None`` where the pack does not say."""

    release: str
    vllm: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that changes from pack ``a`` to pack ``b``."""

    a: Packed
    b: Packed
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]

    def packed(self, side: Side) -> Packed:
        """The pack of a side."""
        return self.a if side is Side.A else self.b
