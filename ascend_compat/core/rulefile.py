"""Curated rule files: what every entry says of itself, and all errors of a file at once, each with its line."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from ascend_compat.core.toml_places import Loc, places
from ascend_compat.errors import RuleError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Level = Literal["verified", "documented", "inferred"]
_Model = TypeVar("_Model", bound=BaseModel)
#: Errors of a file that no schema says: where, and what.
Checks = Callable[[Mapping[str, Any]], Iterator[tuple[Loc, str]]]


def _day(text: str) -> str:
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day such as 2026-11-21") from None
    if found.isoformat() != text:
        raise ValueError(f"{text!r} is not a day such as 2026-11-21")
    return text


Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Day = Annotated[str, AfterValidator(_day)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Rule(BaseModel):
    """Base of every part of a rule file: unknown keys are an error, so that a typing mistake is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sourced(Rule):
    """Where a statement comes from: the source, the day it was read there, and how sure it is.

    ``verified`` was read in source, executed or met by a logged number; ``documented`` is said by a document or a
    report; ``inferred`` is concluded.
    """

    source: Said
    seen: Day
    level: Level


class Entry(Sourced):
    """A statement with a name of its own in its file; an entry of a keyed table has its key for a name."""

    id: Name


@dataclass(frozen=True)
class RuleFile(Generic[_Model]):
    """One file as read: ``rules`` is ``None`` when it has ``problems``, which are lines ``name:line: what``."""

    name: str
    rules: _Model | None
    problems: tuple[str, ...]
    text: str = ""

    def line(self, loc: Loc) -> int:
        """The line of a key, or of the closest table around it."""
        return places(self.text).line(loc)

    def sound(self) -> _Model:
        """The rules; :class:`RuleError` holds every problem of the file, one a line."""
        if self.rules is None:
            raise RuleError("\n".join(self.problems), "see docs/rules.md for the fields of a rule")
        return self.rules


def examine(content: bytes, name: str, model: type[_Model], checks: Checks | None = None) -> RuleFile[_Model]:
    """A file with everything that is wrong with it. Raises nothing."""
    try:
        text = content.decode("utf-8")
        data = tomllib.loads(text)
    except UnicodeDecodeError:
        return RuleFile(name, None, (f"{name}:1: not UTF-8",))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return RuleFile(name, None, (f"{name}:{_line_said(str(error))}: not TOML: {error}",))
    rules, invalid = _validated(data, model)
    found = [*invalid, *_duplicates(data), *(checks(data) if checks else ())]
    lines = sorted({(places(text).line(loc), _worded(loc, what)) for loc, what in found})
    problems = tuple(f"{name}:{line}: {what}" for line, what in lines)
    return RuleFile(name, None if problems else rules, problems, text)


def _validated(data: Mapping[str, Any], model: type[_Model]) -> tuple[_Model | None, list[tuple[Loc, str]]]:
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [(item["loc"], item["msg"].removeprefix("Value error, ")) for item in error.errors()]


def _duplicates(data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    seen: set[str] = set()
    for loc, entry in tables(data):
        name = entry.get("id")
        if isinstance(name, str):
            if name in seen:
                yield (*loc, "id"), f"{name!r} is the id of an earlier entry too"
            seen.add(name)


def tables(data: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Mapping[str, Any]]]:
    """Every table of a file with its place, outer ones first."""
    if isinstance(data, dict):
        yield loc, data
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from tables(value, (*loc, key))


def _worded(loc: Loc, what: str) -> str:
    field = ".".join(str(part) for part in loc)
    return f"{field}: {what}" if field else what


def _line_said(message: str) -> int:
    """The line a TOML error names in its text; Python before 3.14 has no attribute for it."""
    words = message.replace(",", " ").split()
    after = (words[n + 1] for n, word in enumerate(words[:-1]) if word.endswith("line"))
    return next((int(word) for word in after if word.isdigit()), 1)
