"""Lines of the tables and keys of a TOML text, which the parser of the standard library does not keep."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Keys and list indices from the top of a file.
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Line numbers from 1 by place."""

    lines: Mapping[Loc, int]

    def line(self, loc: Loc) -> int:
        """The line of a place, or of the closest place around it; 1 for the file."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.lines:
                return self.lines[loc[:end]]
        return 1


@lru_cache(maxsize=16)
def places(text: str) -> Places:
    """The places of a text that is valid TOML."""
    lines: dict[Loc, int] = {}
    table: Loc = ()
    rows: dict[Loc, int] = {}
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _table(parsed, rows)
            lines.setdefault(table, number)
        else:
            _keys(parsed, table, number, lines)
    return Places(lines)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headers and assignments with the line they begin on: lines are taken until they parse on their own."""
    held: list[str] = []
    start = 1
    for number, line in enumerate(text.split("\n"), 1):
        if not held:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        held.append(line)
        try:
            tomllib.loads("\n".join(held))
        except tomllib.TOMLDecodeError:
            continue
        yield start, "\n".join(held)
        held = []


def _table(parsed: dict[str, Any], rows: dict[Loc, int]) -> Loc:
    """The place of a header: ``[[a]]`` opens the next row of ``a``, ``[a.b]`` lies in the last row of ``a``."""
    loc: Loc = ()
    value: Any = parsed
    while value:
        if isinstance(value, list):
            rows[loc] = rows.get(loc, -1) + 1
            return (*loc, rows[loc])
        key, value = next(iter(value.items()))
        loc = (*loc, key)
        if loc in rows and isinstance(value, dict):
            loc = (*loc, rows[loc])
    return loc


def _keys(parsed: Any, loc: Loc, number: int, lines: dict[Loc, int]) -> None:
    for key, value in parsed.items() if isinstance(parsed, dict) else ():
        lines.setdefault((*loc, key), number)
        _keys(value, (*loc, key), number, lines)
