"""Source lines under a finding's evidence, for a terminal: escaped, numbered, the deciding line marked."""

from __future__ import annotations

from collections.abc import Callable

from ascend_compat.core.excerpt import Excerpt
from ascend_compat.report import catalog
from ascend_compat.report.screen import Screen, styled

_TAB = 4
_INDENT = 4
#: Characters of the deciding line, which is wrapped; the others are cut at the width of the page.
_WIDEST = 400
#: Path and line to the source lines around them.
Lines = Callable[[str, int], Excerpt]


class Excerpts:
    """Shows source lines on a screen; a problem that many places share is told once."""

    def __init__(self, screen: Screen, lines: Lines, lang: str) -> None:
        self.screen, self.lines, self.lang = screen, lines, lang
        self._told: set[str] = set()

    def show(self, path: str, line: int) -> None:
        """The lines around ``path:line``, or one line that says why they are not shown."""
        excerpt = self.lines(path, line)
        if excerpt.problem is None:
            self._show(excerpt)
            return
        told = tuple(catalog.segments(excerpt.problem.id, excerpt.problem.params, self.lang))
        text = "".join(segment.text for segment in told)
        if text not in self._told:
            self._told.add(text)
            self.screen.sentence(told, "yellow", _INDENT)

    def _show(self, excerpt: Excerpt) -> None:
        digits = len(str(excerpt.lines[-1][0])) if excerpt.lines else 0
        width = max(self.screen.width - _INDENT - digits - 6, 1)
        for number, text in excerpt.lines:
            deciding = number == excerpt.marked
            whole = text.expandtabs(_TAB).rstrip()
            shown = f"{whole[:width]}…" if len(whole) > width and not deciding else whole[:_WIDEST]
            head = f"{'>' if deciding else ' '} {number:>{digits}} │ "
            self.screen.line(styled(head + shown, "bold" if deciding else "dim"), _INDENT)
