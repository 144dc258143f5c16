"""How long steps say how far they are, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

#: Called with a step, how much of it is done, and its whole where that is known (items or bytes).
Progress = Callable[[str, int, "int | None"], None]


def silent(step: str, done: int, total: int | None) -> None:
    """Nobody listens."""
