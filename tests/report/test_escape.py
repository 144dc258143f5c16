"""Each escaper makes any text harmless for its sink and keeps honest text readable."""

from __future__ import annotations

import re
import shlex
import unicodedata
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.report import escape

NASTY = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("|`*_<>[]\\\n\r\x1b\u202e#@&;!:%,'\"")), max_size=40
)


@given(NASTY)
def test_no_text_moves_the_cursor_or_reorders_a_line(text: str) -> None:
    for char in escape.terminal(text):
        assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cf")


def test_terminal_spells_an_escape_sequence_out() -> None:
    assert escape.terminal("a\x1b[31mb\u202ec") == "a\\x1b[31mb\\u202ec"


@given(NASTY)
def test_a_markdown_cell_stays_one_cell_on_one_line(text: str) -> None:
    cell = escape.markdown(text)
    assert "\n" not in cell
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", cell.replace("\\|", ""))
    assert "<" not in cell


@given(NASTY)
def test_a_code_span_in_a_cell_holds_no_bare_pipe_and_no_tag(text: str) -> None:
    span = escape.markdown_code(text)
    assert "|" not in span
    assert "\n" not in span
    assert not re.search(r"(?<!`)`[^`]*<script", span) or span.startswith("`")


def test_identifiers_stay_readable_in_markdown() -> None:
    assert escape.markdown("compressed_tensors_config and W8A8_DYNAMIC") == "compressed_tensors_config and W8A8_DYNAMIC"


def test_markdown_marks_are_inert() -> None:
    shown = escape.markdown("*a* _b_ [c](d) ![e](f) <g> @you #12 ~~h~~ | i")
    for raw in ("*a*", " _b_ ", "[c](d)", "![e]", "<g>", " @you", " #12", "~~h~~"):
        assert raw not in shown


@pytest.mark.parametrize("line", ["- a", "+ a", "1. a", "12) a", "=== a", "# a"])
def test_the_start_of_a_line_is_no_list_or_heading(line: str) -> None:
    assert re.match(r"\d*\\", escape.markdown_start(line))


@given(NASTY)
def test_a_fenced_block_ends_only_at_its_own_fence(text: str) -> None:
    lines = escape.markdown_block(text, "bash").split("\n")
    fence = lines[-1]
    assert set(fence) == {"`"}
    assert lines[0] == fence + "bash"
    assert not any(line.strip().startswith(fence) for line in lines[1:-1])


@given(NASTY)
def test_xml_parses_and_gives_printable_text_back(text: str) -> None:
    element = ElementTree.fromstring(f'<a b="{escape.xml(text)}">{escape.xml(text)}</a>')
    assert element.get("b") == (element.text or "")
    if text.isprintable():
        assert element.get("b") == text


@given(NASTY)
def test_html_has_no_tag_and_no_quote(text: str) -> None:
    assert not set("<>\"'") & set(escape.html(text))


@given(NASTY)
def test_a_workflow_command_stays_one_line_with_its_properties(text: str) -> None:
    data, name = escape.workflow_data(text), escape.workflow_property(text)
    assert not set("\r\n") & set(data + name)
    assert not set(":,") & set(name)


@given(NASTY)
def test_yaml_gives_the_text_back(text: str) -> None:
    if not any(0xD800 <= ord(char) < 0xE000 for char in text):
        assert yaml.safe_load(escape.yaml({"key": text, text: [text]}))["key"] == text


@given(st.lists(NASTY, min_size=1, max_size=4))
def test_a_shell_command_has_the_words_it_was_given(words: list[str]) -> None:
    assert shlex.split(escape.shell(words)) == [escape.visible(word) for word in words]


def test_only_a_whole_variable_is_left_to_the_shell() -> None:
    assert escape.shell(["$NODE0_IP", "$(id)", "a$HOME", "$x"]) == "\"$NODE0_IP\" '$(id)' 'a$HOME' '$x'"


@given(NASTY)
def test_a_file_name_stays_in_its_folder(text: str) -> None:
    name = escape.file_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}|[A-Za-z0-9._-]{1,100}", name)
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize(("text", "name"), [("zai-org/GLM-4.7-FP8", "GLM-4.7-FP8"), ("../..", "model"), ("a b", "a-b")])
def test_file_names_of_models(text: str, name: str) -> None:
    assert escape.file_name(text) == name
