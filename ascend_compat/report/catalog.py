"""Message templates by id and language, and the sentences made of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

from ascend_compat.core.finding import Param
from ascend_compat.errors import RuleError

LANGUAGES = ("en", "zh")
DEFAULT_LANGUAGE = "en"

_UNKNOWN = {"en": "unknown", "zh": "未知"}
#: Looks like a name of a program, not like a word: flags, paths, dtypes, classes, key=value.
_IDENTIFIER = re.compile(
    r"(?=.*[_./:=*\[\]]|--|[A-Za-z]+\d|[a-z]+[A-Z]|[A-Z]{2,}\d|[A-Z][a-z]+[A-Z])\S*[A-Za-z]\S*|--\w.*"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a sentence; ``code`` marks what a view sets in monospace."""

    text: str
    code: bool = False


def render(message_id: str, params: Mapping[str, Param], lang: str = DEFAULT_LANGUAGE) -> str:
    """The sentence of ``message_id`` in ``lang`` (English where that language lacks it).

    Never raises for what a message holds: an unknown id gives the id with its parameters, a field without a
    parameter stays as ``{field}``.
    """
    template = _template(message_id, lang)
    if template is None:
        return _bare(message_id, params)
    return "".join(text if field is None else _value(field, params, lang) for text, field in _parts(template))


def segments(message_id: str, params: Mapping[str, Param], lang: str = DEFAULT_LANGUAGE) -> list[Segment]:
    """The same sentence in stretches: text between backticks and parameters that look like identifiers are code."""
    template = _template(message_id, lang)
    if template is None:
        return [Segment(_bare(message_id, params), code=True)]
    found: list[Segment] = []
    code = False
    for text, field in _parts(template):
        if field is not None:
            value = _value(field, params, lang)
            found.append(Segment(value, code or is_identifier(value)))
            continue
        for index, stretch in enumerate(text.split("`")):
            code = code if index == 0 else not code
            if stretch:
                found.append(Segment(stretch, code))
    return _merged(found)


def prose(text: str) -> list[Segment]:
    """A finished sentence in stretches: only what stands between backticks is code; an odd one is a character."""
    stretches = text.split("`")
    if len(stretches) % 2 == 0:
        return [Segment(text)]
    return [Segment(stretch, index % 2 == 1) for index, stretch in enumerate(stretches) if stretch]


def is_identifier(value: str) -> bool:
    """Whether a parameter reads as a name of a program (``W8A8_DYNAMIC``, ``a/b.py:3``) rather than as words."""
    return _IDENTIFIER.fullmatch(value) is not None


def known(message_id: str) -> bool:
    """Whether any language has a template for the id."""
    return _template(message_id, DEFAULT_LANGUAGE) is not None


@cache
def templates(lang: str) -> Mapping[str, str]:
    """All templates of a language by id, merged over its area files; raises ``RuleError`` for a duplicate id."""
    folder = files("ascend_compat.report") / "messages" / lang
    return merge((entry.name, entry.read_bytes()) for entry in folder.iterdir() if entry.name.endswith(".toml"))


def merge(areas: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Templates of several area files given as (name, content).

    Raises ``RuleError`` for a duplicate id, for what is not TOML and for a value that is not a text.
    """
    merged: dict[str, str] = {}
    origin: dict[str, str] = {}
    for name, content in sorted(areas):
        for message_id, template in _flat(_read(name, content)):
            if message_id in merged:
                raise RuleError(f"message {message_id} is in both {origin[message_id]} and {name}", "keep one of them")
            if not isinstance(template, str):
                raise RuleError(f"message {message_id} in {name} is not a text", "quote it")
            merged[message_id] = template
            origin[message_id] = name
    return merged


def fields(template: str) -> set[str]:
    """Names of the ``{fields}`` of a template."""
    return {field for _, field in _parts(template) if field is not None}


def _read(name: str, content: bytes) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"message file {name} is not TOML: {error}", "correct the file") from error
    return table


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Ids of nested tables joined by dots: an unquoted ``AC101.truncated`` is a table in TOML."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found


def _template(message_id: str, lang: str) -> str | None:
    wanted = templates(lang if lang in LANGUAGES else DEFAULT_LANGUAGE)
    return wanted.get(message_id, templates(DEFAULT_LANGUAGE).get(message_id))


def _parts(template: str) -> list[tuple[str, str | None]]:
    """Literal texts and field names in order, exactly one of them set; a malformed template is one literal."""
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, field, _, _ in Formatter().parse(template):
            parts += [(literal, None)] if literal else []
            parts += [("", field)] if field is not None else []
    except ValueError:
        return [(template, None)]
    return parts


def _value(field: str, params: Mapping[str, Param], lang: str) -> str:
    # A sentence that lives with its rule comes in both languages: ``text`` and, beside it, ``text_zh``.
    field = f"{field}_{lang}" if f"{field}_{lang}" in params else field
    if field not in params:
        return "{" + field + "}"
    value = params[field]
    if value is None:
        return _UNKNOWN.get(lang, _UNKNOWN[DEFAULT_LANGUAGE])
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:g}"
    return str(value)


def _bare(message_id: str, params: Mapping[str, Param]) -> str:
    return f"{message_id}({', '.join(f'{name}={value!r}' for name, value in sorted(params.items()))})"


def _merged(found: list[Segment]) -> list[Segment]:
    """Neighbours of the same kind as one stretch."""
    merged: list[Segment] = []
    for segment in found:
        if merged and merged[-1].code == segment.code:
            merged[-1] = Segment(merged[-1].text + segment.text, segment.code)
        else:
            merged.append(segment)
    return merged
