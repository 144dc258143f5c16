"""Lines of a source tree that stand around a place a finding names, or why they can't be shown."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.finding import Message


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``lines`` are (number from 1, text), ``marked`` the number that decides; ``problem`` says why there are none."""

    lines: tuple[tuple[int, str], ...] = ()
    marked: int = 0
    problem: Message | None = None
