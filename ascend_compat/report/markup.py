"""Markdown pieces: sentences, tables, lists, code blocks, each escaped for its place."""

from __future__ import annotations

from collections.abc import Iterable

from ascend_compat.report.escape import markdown, markdown_block, markdown_code, markdown_start
from ascend_compat.report.view import Sentence, Table


def inline(sentence: Sentence) -> str:
    """A sentence as Markdown prose."""
    return "".join(_stretch(segment.text, segment.code) for segment in sentence)


def paragraph(sentence: Sentence) -> str:
    """A sentence on a line of its own."""
    return markdown_start(inline(sentence))


def table(content: Table) -> str:
    """A GitHub table, empty text when it has no row."""
    if not content.rows:
        return ""
    rule = "|".join(" --- " for _ in content.head)
    head = " | ".join(markdown(label) for label in content.head)
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {' | '.join(map(inline, row))} |" for row in content.rows)])


def bullets(sentences: Iterable[Sentence], indent: str = "") -> str:
    """A list of sentences."""
    return "\n".join(f"{indent}- {paragraph(sentence)}" for sentence in sentences)


def block(text: str, language: str = "bash", indent: str = "") -> str:
    """A fenced block, indented when it belongs to a list item."""
    return "\n".join(indent + line if line else line for line in markdown_block(text, language).split("\n"))


def heading(level: int, text: str) -> str:
    """A heading without anything that would format it."""
    return f"{'#' * level} {markdown(text)}"


def document(parts: Iterable[str]) -> str:
    """Parts with one empty line between them; empty parts are dropped."""
    return "\n\n".join(part for part in parts if part) + "\n"


def _stretch(text: str, code: bool) -> str:
    if not code:
        return markdown(text)
    core = text.strip()
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{lead}{markdown_code(core)}{trail}" if core else text
