"""What one function does when it is called with given values: whom it calls, what it meets, what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ascend_compat.extract.walk.values import Alts, Cond


@dataclass(frozen=True, slots=True)
class Met:
    """Something a path runs into: its kind, its name, where, what implements it, and words of a message."""

    kind: str
    name: str
    at: str
    by: str = ""
    by_at: str = ""
    note: str = ""


@dataclass(eq=False, slots=True)
class Summary:
    """Calls and meetings of one function for one set of arguments; ``data`` marks what hangs on values too."""

    name: str
    at: str
    edges: list[tuple[Cond, bool, Any, str]] = field(default_factory=list)
    met: list[tuple[Cond, bool, Met]] = field(default_factory=list)
    returns: list[tuple[Cond, Any]] = field(default_factory=list)
    result: Alts | None = None
    done: bool = False
