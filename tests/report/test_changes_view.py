"""The comparison of two releases as people and programs read it."""

from __future__ import annotations

import json

import pytest

from ascend_compat.core.change import Comparison, Gap, Group, Item, Packed, Place, Side
from ascend_compat.core.finding import Message
from ascend_compat.report import catalog
from ascend_compat.report.changes import SHOWN, render_changes_json, render_changes_markdown, render_changes_text

FLAGS = tuple(Item(f"--flag-{n:02}", (Place(Side.A, f"vllm/args.py:{n}"),)) for n in range(1, SHOWN + 32))


def comparison(*groups: Group, gaps: tuple[Gap, ...] = (), b: str = "2.0") -> Comparison:
    return Comparison(Packed("1.0", "0.9", "aa"), Packed(b, None, "bb"), groups, gaps)


REMOVED = Group("launch.flags.removed", FLAGS)
STATUS = Group(
    "documented.status",
    (
        Item(
            "Some-7B",
            (Place(Side.A, "docs/m.md:3"), Place(Side.B, "docs/m.md:9")),
            Message("compare.note.status_changed", {"old_status": "supported", "new_status": "experimental"}),
        ),
    ),
)


def test_a_long_list_is_cut_and_says_how_many_are_left() -> None:
    text = render_changes_text(comparison(REMOVED), "en")
    assert f"--flag-{SHOWN:02} " in text
    assert f"--flag-{SHOWN + 1:02} " not in text
    assert "and 31 more; --verbose shows all" in text


def test_full_text_markdown_and_json_have_every_item() -> None:
    for text in (
        render_changes_text(comparison(REMOVED), "en", full=True),
        render_changes_markdown(comparison(REMOVED), "en"),
        render_changes_json(comparison(REMOVED), "en"),
    ):
        assert all(item.subject in text for item in FLAGS)


def test_one_item_too_many_is_shown_rather_than_counted() -> None:
    text = render_changes_text(comparison(Group("launch.flags.added", FLAGS[: SHOWN + 1])), "en")
    assert "more" not in text


def test_every_line_names_its_release() -> None:
    text = render_changes_text(comparison(STATUS), "en")
    assert "docs/m.md:3 @1.0, docs/m.md:9 @2.0" in text


def test_two_packs_of_one_release_are_told_by_their_side() -> None:
    assert "docs/m.md:3 @A, docs/m.md:9 @B" in render_changes_text(comparison(STATUS, b="1.0"), "en")


def test_closed_words_follow_the_language() -> None:
    assert "supported → experimental" in render_changes_text(comparison(STATUS), "en")
    assert "已支持 → 实验性支持" in render_changes_text(comparison(STATUS), "zh")


def test_what_is_not_recorded_is_said_and_not_called_removed() -> None:
    gaps = (Gap("documented", Side.A), Gap("flags", Side.B, "vllm/args.py", 7))
    text = " ".join(render_changes_text(comparison(gaps=gaps), "en").split())
    assert "documented is not recorded in 1.0" in text
    assert "7 entries of vllm/args.py could not be looked for in 2.0" in text
    assert "gone" not in text


def test_nothing_is_said_to_be_nothing() -> None:
    assert "Nothing that a user would notice." in render_changes_text(comparison(), "en")


def test_json_has_ids_sentences_parameters_and_lines() -> None:
    data = json.loads(render_changes_json(comparison(STATUS, gaps=(Gap("flags", Side.A),)), "en"))
    assert data["a"] == {"vllm_ascend": "1.0", "vllm": "0.9", "pack_digest": "aa"}
    (change,) = data["changes"]
    assert (change["topic"], change["kind"]) == ("documented", "documented.status")
    (row,) = change["items"]
    assert row["evidence"][0] == {"side": "a", "path": "docs/m.md", "line": 3}
    assert row["params"] == {"old_status": "supported", "new_status": "experimental"}
    assert data["not_recorded"] == [{"section": "flags", "side": "a", "file": None, "entries": None}]


@pytest.mark.parametrize("lang", catalog.LANGUAGES)
def test_a_hostile_name_is_escaped_for_its_sink(lang: str) -> None:
    hostile = Group("launch.flags.added", (Item("--a\x1b[31m|`<b>\u202e", (Place(Side.B, "x\x07.py:1"),)),))
    assert not {"\x1b", "\u202e", "\x07"} & set(render_changes_text(comparison(hostile), lang))
    markdown = render_changes_markdown(comparison(hostile), lang)
    assert not {"\x1b", "\u202e", "\x07"} & set(markdown)
    assert "<b>" not in markdown


def test_every_kind_belongs_to_a_topic_with_a_heading() -> None:
    names = list(catalog.templates("en"))
    topics = {name.removeprefix("compare.topic.") for name in names if name.startswith("compare.topic.")}
    kinds = [name.removeprefix("compare.kind.") for name in names if name.startswith("compare.kind.")]
    assert kinds
    assert {kind.partition(".")[0] for kind in kinds} <= topics
