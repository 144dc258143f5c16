"""A terminal page of a given width: titles, wrapped sentences, items, tables; rich does the layout."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from ascend_compat.report.escape import terminal
from ascend_compat.report.view import Sentence, Table

if TYPE_CHECKING:
    from rich.text import Text

_MINIMUM_WIDTH = 40


class Screen:
    """Collects lines; :meth:`text` gives the page. Every text is escaped here, none is read as rich markup."""

    def __init__(self, width: int, color: bool) -> None:
        from rich.console import Console

        self.width = max(width, _MINIMUM_WIDTH)
        self._page = StringIO()
        self._console = Console(
            file=self._page,
            width=self.width,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """The page; lines carry no trailing blanks."""
        return "\n".join(line.rstrip() for line in self._page.getvalue().split("\n")).strip("\n") + "\n"

    def title(self, text: str) -> None:
        """The first line of the page."""
        self.line(styled(text, "bold underline"))

    def section(self, text: str) -> None:
        """A heading with an empty line above it."""
        self._console.print()
        self.line(styled(text, "bold cyan"))

    def line(self, text: Text, indent: int = 0) -> None:
        """One styled text, wrapped and indented."""
        from rich.padding import Padding

        self._console.print(Padding(text, (0, 0, 0, indent)))

    def sentence(self, sentence: Sentence, style: str = "", indent: int = 0) -> None:
        """A sentence with its code stretches set apart."""
        self.line(_text(sentence, style), indent)

    def item(self, sentence: Sentence, mark: str = "-", style: str = "", indent: int = 0) -> None:
        """A list item whose wrapped lines hang under its text."""
        from rich.table import Table as Grid

        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=len(mark) + indent, justify="right", no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(styled(mark, style), _text(sentence, style))
        self._console.print(grid)

    def table(self, content: Table, right: tuple[int, ...] = ()) -> None:
        """A table without frames; ``right`` names the columns aligned to the right. Nothing for an empty one."""
        from rich.table import Table as Grid

        if not content.rows:
            return
        grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", collapse_padding=True)
        for index, label in enumerate(content.head):
            last = index == len(content.head) - 1
            grid.add_column(
                terminal(label),
                justify="right" if index in right else "left",
                overflow="fold",
                ratio=1 if last else None,
            )
        for row in content.rows:
            grid.add_row(*(_text(cell, "") for cell in row))
        self._console.print()
        self._console.print(grid)


def styled(text: str, style: str) -> Text:
    """Escaped text in one style."""
    from rich.text import Text

    return Text(terminal(text), style=style, overflow="fold")


def _text(sentence: Sentence, style: str) -> Text:
    from rich.text import Text

    whole = Text(style=style, overflow="fold")
    for segment in sentence:
        whole.append(terminal(segment.text), style="bold" if segment.code and style != "dim" else "")
    return whole
