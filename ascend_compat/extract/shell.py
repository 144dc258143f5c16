"""Shell text as commands of words, each word with the line it starts on; nothing is expanded or run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
SEPARATORS = re.compile(r"[;|&\n()]")
#: What shell text is made of; a quote that is not closed runs to the end.
PIECES = re.compile(
    r"""(?P<blank>(?:[ \t\r\f\v;|&()\n]|\\\n)+)
    |(?P<single>'[^']*(?:'|\Z))
    |(?P<double>"(?:\\[\s\S]|[^"\\])*(?:"|\Z))
    |(?P<escape>\\[\s\S]?)
    |(?P<comment>(?<![^\s;|&()])\#[^\n]*)
    |(?P<plain>[^\s'"\\;|&()]+)
    """,
    re.VERBOSE,
)


@dataclass(slots=True)
class Word:
    """A word without its quotes; ``lines`` holds the line of every character."""

    text: str = ""
    lines: list[int] = field(default_factory=list)
    quoted: bool = False

    @property
    def line(self) -> int:
        """The line the word starts on."""
        return self.lines[0] if self.lines else 0

    def add(self, text: str, line: int) -> None:
        """Append text that starts on a line."""
        self.text += text
        *whole, last = text.split("\n")
        for number, part in enumerate(whole, line):
            self.lines += [number] * (len(part) + 1)
        self.lines += [line + len(whole)] * len(last)


def commands(lines: Sequence[tuple[int, str]]) -> Iterator[list[Word]]:
    """Simple commands of consecutive numbered lines; an open quote ends with the text."""
    text = "".join(f"{line.rstrip()}\n" for _, line in lines)
    number = lines[0][0] if lines else 0
    words: list[Word] = []
    word: Word | None = None
    for match in PIECES.finditer(text):
        piece, kind = match[0], match.lastgroup
        if kind == "blank":
            if word:
                words.append(word)
                word = None
            if words and piece != " " and SEPARATORS.search(piece.replace("\\\n", "")):
                yield words
                words = []
        elif kind == "comment":
            pass
        else:
            word = word or Word()
            word.quoted |= kind in ("single", "double")
            _add(word, kind or "", piece, number)
        number += piece.count("\n")
    if word:
        words.append(word)
    if words:
        yield words


def _add(word: Word, kind: str, piece: str, line: int) -> None:
    if kind == "single":
        word.add(piece[1:].removesuffix("'"), line)
    elif kind == "escape":
        word.add(piece[1:].replace("\n", ""), line)
    elif kind == "double":
        for part in re.finditer(r"\\[\s\S]|[^\\]+|\\", piece[1:].removesuffix('"')):
            text = part[0]
            if text[0] == "\\" and len(text) == 2 and text[1] in '"\\$`\n':
                text = text[1].replace("\n", "")
            word.add(text, line)
            line += part[0].count("\n")
    else:
        word.add(piece, line)


def assignment(word: Word) -> tuple[str, str] | None:
    """Name and value of ``NAME=value``."""
    match = ASSIGNMENT.fullmatch(word.text)
    return (match[1], match[2]) if match else None


def exported(words: list[Word]) -> Iterator[tuple[str, str, int]]:
    """Variables that a command puts into the environment: ``export A=b``, or ``A=b`` before another command."""
    if words and words[0].text in ("export", "declare", "set"):
        for word in words[1:]:
            found = assignment(word)
            if found:
                yield *found, word.line
        return
    leading: list[tuple[str, str, int]] = []
    for word in words:
        found = assignment(word)
        if found is None:
            yield from leading
            return
        if not found[0].isupper():
            return
        leading.append((*found, word.line))
