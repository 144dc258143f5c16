"""The comparison of two releases as text, Markdown and JSON: what a reader does, what changed, where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ascend_compat.core.change import Comparison, Gap, Group, Item, Place, Side
from ascend_compat.core.finding import Message, Param
from ascend_compat.report import catalog
from ascend_compat.report.markup import document, heading, inline
from ascend_compat.report.screen import Screen
from ascend_compat.report.view import Sentence, code, flat, joined, plain

#: Items of a group in the text view; JSON and Markdown have all.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Reader:
    """A comparison in one language."""

    found: Comparison
    lang: str

    def say(self, label: str, **params: Param) -> Sentence:
        """The template ``compare.<label>`` as a sentence."""
        return tuple(catalog.segments(f"compare.{label}", params, self.lang))

    def word(self, label: str, **params: Param) -> str:
        """The template ``compare.<label>`` as plain text."""
        return catalog.render(f"compare.{label}", params, self.lang)

    @property
    def title(self) -> str:
        """Both releases with the engines they are paired with."""
        a, b = self.found.a, self.found.b
        return self.word("title", a=a.release, b=b.release, vllm_a=a.vllm, vllm_b=b.vllm)

    def label(self, side: Side) -> str:
        """How a pack is called: by its release, or by its side when both have the same."""
        a, b = self.found.a.release, self.found.b.release
        return (a if side is Side.A else b) if a != b else self.word(f"side.{side.value}")

    def note(self, message: Message | None) -> Sentence | None:
        """What to know about an item; closed words (``status``) in the reader's language."""
        if message is None:
            return None
        params = {
            name: self.word(f"status.{value}")
            if name.endswith("status") and catalog.known(f"compare.status.{value}")
            else value
            for name, value in message.params.items()
        }
        return tuple(catalog.segments(message.id, params, self.lang))

    def places(self, item: Item) -> Sentence:
        """Every line an item stands on, with the release it belongs to."""
        return joined(
            *(joined(code(spot.at), plain(f"@{self.label(spot.side)}"), between=" ") for spot in item.places),
            between=", ",
        )

    def heading(self, group: Group) -> Sentence:
        """What happened to the items of a group, and how many there are."""
        return self.say(f"kind.{group.kind}", count=len(group.items), a=self.label(Side.A), b=self.label(Side.B))

    def gap(self, gap: Gap) -> Sentence:
        """What could not be compared, and why."""
        label = "gap_file" if gap.file else "gap"
        return self.say(label, section=gap.section, release=self.label(gap.side), file=gap.file, count=gap.entries)

    def topics(self) -> Iterator[tuple[str, list[Group]]]:
        """Topics in order with their groups."""
        for topic, groups in groupby(self.found.groups, key=lambda group: group.topic):
            yield self.word(f"topic.{topic}"), list(groups)


def render_changes_text(
    found: Comparison, lang: str, *, width: int = 80, color: bool = False, full: bool = False
) -> str:
    """For a terminal; long groups are cut unless ``full``."""
    reader, screen = Reader(found, lang), Screen(width, color)
    screen.title(reader.title)
    for topic, groups in reader.topics():
        screen.section(topic)
        for group in groups:
            screen.sentence(reader.heading(group), "bold")
            shown = group.items if full or len(group.items) <= SHOWN + 1 else group.items[:SHOWN]
            for item in shown:
                screen.item(_line(reader, item), "-", indent=1)
            if len(shown) < len(group.items):
                screen.sentence(reader.say("more", count=len(group.items) - len(shown)), "dim", indent=2)
    _close(reader, screen)
    return screen.text()


def _close(reader: Reader, screen: Screen) -> None:
    if not reader.found.groups:
        screen.sentence(reader.say("nothing"))
    if reader.found.gaps:
        screen.section(reader.word("topic.gaps"))
        for gap in reader.found.gaps:
            screen.item(reader.gap(gap))


def render_changes_markdown(found: Comparison, lang: str) -> str:
    """All items, as a document."""
    reader = Reader(found, lang)
    parts = [heading(1, reader.title)]
    for topic, groups in reader.topics():
        parts.append(heading(2, topic))
        for group in groups:
            parts.append(f"**{inline(reader.heading(group))}**")
            parts.append("\n".join(f"- {inline(_line(reader, item))}" for item in group.items))
    if not found.groups:
        parts.append(inline(reader.say("nothing")))
    if found.gaps:
        parts += [heading(2, reader.word("topic.gaps")), "\n".join(f"- {inline(reader.gap(g))}" for g in found.gaps)]
    return document(parts)


def render_changes_json(found: Comparison, lang: str) -> str:
    """Everything, with ids and sentences; the order is that of the text."""
    reader = Reader(found, lang)
    data = {
        "a": _packed(found, Side.A),
        "b": _packed(found, Side.B),
        "changes": [
            {
                "topic": group.topic,
                "kind": group.kind,
                "sentence": flat(reader.heading(group)),
                "items": [_item(reader, item) for item in group.items],
            }
            for group in found.groups
        ],
        "not_recorded": [
            {"section": gap.section, "side": gap.side.value, "file": gap.file or None, "entries": gap.entries or None}
            for gap in found.gaps
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def _packed(found: Comparison, side: Side) -> dict[str, Any]:
    pack = found.packed(side)
    return {"vllm_ascend": pack.release, "vllm": pack.vllm, "pack_digest": pack.digest}


def _item(reader: Reader, item: Item) -> dict[str, Any]:
    told = reader.note(item.note)
    return {
        "subject": item.subject,
        "note": flat(told) if told else None,
        "params": dict(item.note.params) if item.note else {},
        "evidence": [_evidence(spot) for spot in item.places],
    }


def _evidence(spot: Place) -> dict[str, Any]:
    path, _, line = spot.at.rpartition(":")
    exact = bool(path) and line.isdigit()
    return {"side": spot.side.value, "path": path if exact else spot.at, "line": int(line) if exact else None}


def _line(reader: Reader, item: Item) -> Sentence:
    told = reader.note(item.note)
    parts: Sequence[Sentence] = [code(item.subject), *([joined(plain("—"), told)] if told else [])]
    spots = joined(plain("("), reader.places(item), plain(")"), between="") if item.places else None
    return joined(*parts, *([spots] if spots else []))
