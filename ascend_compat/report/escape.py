"""One escaper per sink, because every name may come from a hostile checkpoint."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_MARKDOWN = re.compile(r"[\\`*\[\]|~<>]|(?<![^\W_])_|_(?![^\W_])|(?<!\w)@(?=\w)|&(?=#?\w+;)|(?<!\w)#(?=\w)|!(?=\[)")
_LINE_START = re.compile(r"^(\s*)(\d*)([-+#=.)])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;", "#": "&#35;"}
#: A shell variable that the reader of a command has to set.
VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]*", re.ASCII)
_PUNCTUATION = re.compile(r"[^\w\s./-]|_", re.ASCII)
_XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Line breaks that YAML folds into a plain one unless they are escaped.
_YAML_BREAKS = frozenset("\r\x85\u2028\u2029")
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def visible(text: str, *, keep: str = "") -> str:
    """Control, format (bidi) and surrogate characters as ``\\x1b`` escapes; ``keep`` names those to leave alone."""
    return "".join(
        char if char in keep or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else _escaped(char)
        for char in text
    )


def terminal(text: str) -> str:
    """Text that can't move the cursor, colour the screen or reorder a line; newlines stay."""
    return visible(text, keep="\n")


def markdown(text: str) -> str:
    """Markdown prose inside a line or a table cell that shows ``text`` as it is."""
    line = visible(" ".join(text.split("\n")))
    return _MARKDOWN.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), line)


def markdown_start(line: str) -> str:
    """A line of Markdown whose start is no list marker, rule or numbered item."""
    return _LINE_START.sub(r"\1\2\\\3", line)


def markdown_code(text: str) -> str:
    """A code span that is safe in prose and in a table cell: a pipe would end the cell even inside the span."""
    clean = visible(" ".join(text.split("\n"))).strip()
    if not clean:
        return ""
    if "|" in clean:
        # Markdown is still read inside an HTML element, but not inside a character reference.
        return f"<code>{_PUNCTUATION.sub(lambda match: f'&#{ord(match[0])};', clean)}</code>"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", clean)), default=0))
    pad = " " if "`" in clean else ""
    return f"{fence}{pad}{clean}{pad}{fence}"


def markdown_block(text: str, language: str = "") -> str:
    """A fenced block; the fence is longer than any run of backticks inside."""
    clean = visible(text, keep="\n\t").rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", clean)), default=0))
    return f"{fence}{language}\n{clean}\n{fence}"


def html(text: str) -> str:
    """Text for an HTML element or a quoted attribute."""
    from html import escape

    return escape(visible(text, keep="\n\t"), quote=True)


def xml(text: str) -> str:
    """Text for an XML 1.0 element or attribute: characters that XML can't hold are spelled out."""
    from xml.sax.saxutils import escape

    spelled = _XML_ILLEGAL.sub(lambda match: _escaped(match[0]), text)
    return escape(spelled, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def workflow_data(text: str) -> str:
    """The message of a GitHub workflow command.

    Source: ``escapeData`` of actions/toolkit, ``packages/core/src/command.ts``.
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str) -> str:
    """A property value of a GitHub workflow command (``escapeProperty`` of the same file)."""
    return workflow_data(text).replace(":", "%3A").replace(",", "%2C")


def shell(words: list[str]) -> str:
    """One POSIX shell command; a control character in a word is spelled out rather than passed on.

    A word that is nothing but a variable (``$NODE0_IP``) stays one, so that the reader can set it.
    """
    from shlex import quote

    return " ".join(f'"{word}"' if VARIABLE.fullmatch(word) else quote(visible(word)) for word in words)


def yaml(data: Any) -> str:
    """A YAML document by the safe dumper: keys in order, long texts unfolded, several lines as a literal block."""
    import yaml as pyyaml

    class Dumper(pyyaml.SafeDumper):
        """A safe dumper of our own, so that the representer below touches nobody else's."""

    def text(dumper: pyyaml.SafeDumper, value: str) -> pyyaml.ScalarNode:
        style = '"' if set(value) & _YAML_BREAKS else "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    dumped: str = pyyaml.dump(data, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    return dumped


def file_name(text: str, fallback: str = "model") -> str:
    """A file name without folders, spaces or leading dots; at most 100 characters."""
    return _FILE_NAME.sub("-", text.rstrip("/").rpartition("/")[2]).strip(".-")[:100] or fallback


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
