"""The catalogue: both languages alike, merging without surprise, rendering that never raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.errors import RuleError
from ascend_compat.report import catalog

PARAMS = st.dictionaries(
    st.text(max_size=8), st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none())
)


def test_both_languages_have_the_same_ids() -> None:
    assert set(catalog.templates("en")) == set(catalog.templates("zh"))


def test_both_languages_have_the_same_fields() -> None:
    en, zh = catalog.templates("en"), catalog.templates("zh")
    different = [name for name in en if name in zh and catalog.fields(en[name]) != catalog.fields(zh[name])]
    assert different == []


@pytest.mark.parametrize("lang", catalog.LANGUAGES)
def test_backticks_are_balanced(lang: str) -> None:
    assert [name for name, text in catalog.templates(lang).items() if text.count("`") % 2] == []


@pytest.mark.parametrize("lang", catalog.LANGUAGES)
def test_fields_are_plain_names(lang: str) -> None:
    odd = [
        name for name, text in catalog.templates(lang).items() if not all(map(str.isidentifier, catalog.fields(text)))
    ]
    assert odd == []


def test_a_sentence_is_chosen_by_language() -> None:
    assert catalog.render("view.verdict.compatible", {}, "en") == "compatible"
    assert catalog.render("view.verdict.compatible", {}, "zh") == "兼容"


def test_an_unknown_language_gives_english() -> None:
    assert catalog.render("view.verdict.compatible", {}, "fr") == "compatible"


def test_a_missing_id_gives_the_id_with_its_parameters() -> None:
    assert catalog.render("AC999.nothing", {"b": 2, "a": "x"}, "zh") == "AC999.nothing(a='x', b=2)"


def test_a_missing_parameter_stays_a_field() -> None:
    assert "{release}" in catalog.render("view.headline", {"model": "M"}, "en")


def test_an_absent_value_is_said_to_be_unknown() -> None:
    assert catalog.render("view.pair", {"name": "a", "value": None}, "en") == "a: unknown"


def test_a_language_without_the_id_falls_back_to_english(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {"en": {"AC101": "English {x}"}, "zh": {}}
    monkeypatch.setattr(catalog, "templates", tables.__getitem__)
    assert catalog.render("AC101", {"x": 1}, "zh") == "English 1"


def test_a_malformed_template_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "templates", lambda lang: {"AC101": "half {open"})
    assert catalog.render("AC101", {"open": 1}) == "half {open"


def test_a_duplicate_id_raises_and_names_both_files() -> None:
    with pytest.raises(RuleError, match=r"a\.toml and b\.toml"):
        catalog.merge([("a.toml", b'"AC101" = "x"'), ("b.toml", b'AC101 = "y"')])


def test_an_unquoted_dotted_id_is_the_same_id() -> None:
    assert catalog.merge([("a.toml", b'AC101.truncated = "x"')]) == {"AC101.truncated": "x"}


@pytest.mark.parametrize("content", [b"= x", b'"AC101" = 3', b"\xff"])
def test_a_bad_area_file_raises(content: bytes) -> None:
    with pytest.raises(RuleError):
        catalog.merge([("a.toml", content)])


def test_segments_mark_what_stands_in_backticks_and_what_looks_like_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "templates", lambda lang: {"AC101": "Use `--x {a}` for {b} and {c}."})
    found = catalog.segments("AC101", {"a": "y z", "b": "W8A8_DYNAMIC", "c": "three words here"})
    assert [(part.text, part.code) for part in found] == [
        ("Use ", False),
        ("--x y z", True),
        (" for ", False),
        ("W8A8_DYNAMIC", True),
        (" and three words here.", False),
    ]


def test_a_backtick_in_a_value_does_not_open_code() -> None:
    found = catalog.segments("view.pair", {"name": "a", "value": "b`c d"}, "en")
    assert "".join(part.text for part in found) == "a: b`c d"
    assert not any(part.code for part in found)


@pytest.mark.parametrize(
    ("value", "expected"), [("a/b.py:3", True), ("int8", True), ("0.18.0", False), ("Paris", False)]
)
def test_identifiers_are_told_from_words(value: str, expected: bool) -> None:
    assert catalog.is_identifier(value) is expected


@given(st.one_of(st.sampled_from(sorted(catalog.templates("en"))), st.text(max_size=20)), PARAMS)
def test_rendering_never_raises(message_id: str, params: dict[str, object]) -> None:
    assert isinstance(catalog.render(message_id, params, "zh"), str)  # type: ignore[arg-type]  # hostile on purpose
    assert catalog.segments(message_id, params, "en") is not None  # type: ignore[arg-type]  # hostile on purpose
