"""The condition language: total, three-valued, and every mistake in a condition is named."""

from __future__ import annotations

from typing import Any

import pytest
from defect_cases import Ask
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.conditions import DEPTH, Fact, evaluate, facts_of, mistakes
from ascend_compat.knowledge.fact_names import known

FACTS: dict[str, Fact] = {
    "yes": (True,), "no": (False,), "none": (), "open": None, "n": (3,), "many": ("mla", "gqa"), "some": ("mla", None),
    "v": ("0.18.0rc1",),
}  # fmt: skip
names = st.sampled_from(list(FACTS))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
junk = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
tests = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(
        st.sampled_from(["is", "in", "not_in", "min", "max", "like", "version", "present"]) | st.text(max_size=4), junk
    ),
)
conditions = st.recursive(
    st.dictionaries(names | st.text(max_size=4), tests | junk, max_size=3),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"any": st.lists(inner, max_size=3), "all": st.lists(inner, max_size=3), "not": inner}
    ),
)


def ask(condition: Any) -> bool | None:
    return evaluate(condition, FACTS.get)


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({}, True),
        ({"yes": True}, True),
        ({"yes": 1}, False),
        ({"no": True}, False),
        ({"open": True}, None),
        ({"none": True}, False),
        ({"none": {"present": False}}, True),
        ({"open": {"present": False}}, None),
        ({"many": "mla"}, True),
        ({"many": ["dsa", "gqa"]}, True),
        ({"many": {"not_in": ["mla", "gqa"]}}, False),
        ({"many": {"not_in": ["mla"]}}, True),
        ({"some": "mla"}, True),
        ({"some": "gqa"}, None),
        ({"some": {"present": True}}, True),
        ({"not": {"many": "mla"}}, False),
        ({"n": {"min": 2, "max": 3}}, True),
        ({"n": {"min": 4}}, False),
        ({"many": {"min": 4}}, None),
        ({"many": {"like": "ml*"}}, True),
        ({"v": {"version": ">=0.18.0rc1,<0.18.0"}}, False),
        ({"v": {"version": ">=0.18.0rc1"}}, True),
        ({"yes": True, "open": True}, None),
        ({"no": True, "open": True}, False),
        ({"any": [{"open": True}, {"yes": True}]}, True),
        ({"any": [{"open": True}, {"no": True}]}, None),
        ({"all": [{"open": True}, {"no": True}]}, False),
        ({"unheard-of": 1}, None),
        ({"n": {"about": 3}}, None),
    ],
)
def test_a_condition_answers_yes_no_or_not_known(condition: dict[str, Any], answer: bool | None) -> None:
    assert ask(condition) is answer


@given(conditions | junk)
def test_evaluation_is_total(condition: Any) -> None:
    assert ask(condition) in (True, False, None)
    for loc, what in mistakes(condition, known):
        assert isinstance(loc, tuple) and what


@given(conditions)
def test_double_negation(condition: Any) -> None:
    assert ask({"not": {"not": condition}}) is ask(condition)


@given(conditions, conditions)
def test_de_morgan(a: Any, b: Any) -> None:
    assert ask({"not": {"all": [a, b]}}) is ask({"any": [{"not": a}, {"not": b}]})


@given(conditions, conditions)
def test_conjunction_and_disjunction_do_not_mind_the_order(a: Any, b: Any) -> None:
    assert ask({"all": [a, b]}) is ask({"all": [b, a]})
    assert ask({"any": [a, b]}) is ask({"any": [b, a]})


@given(conditions)
def test_one_false_part_decides_and_an_open_one_never_makes_a_yes(condition: Any) -> None:
    assert ask({"all": [condition, {"no": True}]}) is False
    assert ask({"all": [condition, {"open": True}]}) is not True
    assert ask({"any": [condition, {"yes": True}]}) is True
    assert ask({"any": [condition, {"open": True}]}) is not False


@given(conditions, st.sampled_from([(), (True,), (3,), ("mla",), ("mla", None)]))
def test_learning_a_fact_never_turns_a_yes_into_a_no(condition: Any, learnt: Fact) -> None:
    before = ask(condition)
    after = evaluate(condition, {**FACTS, "open": learnt}.get)
    assert before is None or after is before


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ({"architectur": "x"}, ("architectur",)),
        ({"pack.nothing": "x"}, ("pack.nothing",)),
        ({"config.": "x"}, ("config.",)),
        ({"moe": {"about": 3}}, ("moe", "about")),
        ({"moe": {"min": "3"}}, ("moe", "min")),
        ({"moe": {"version": "new"}}, ("moe", "version")),
        ({"moe": {}}, ("moe",)),
        ({"moe": {"present": True, "is": 1}}, ("moe",)),
        ({"moe": []}, ("moe",)),
        ({"any": {"moe": True}}, ("any",)),
        ({"any": [{"moe": True}, {"mo": True}]}, ("any", 1, "mo")),
        ({"not": {"not": {"x": 1}}}, ("not", "not", "x")),
        ({"not": 3}, ("not",)),
    ],
)
def test_a_mistake_is_named_with_its_place(condition: dict[str, Any], place: tuple[str | int, ...]) -> None:
    assert [loc for loc, _ in mistakes(condition, known)] == [place]


@pytest.mark.parametrize("name", ["architecture", "config.text_config.x", "description.version", "pack.environment"])
def test_known_facts_are_no_mistake(name: str) -> None:
    assert list(mistakes({name: ["a"], "not": {name: {"present": True}}}, known)) == []
    assert facts_of({name: "a", "any": [{"moe": True}], "not": {"mtp": True}}) == (name, "moe", "mtp")


def test_conditions_that_nest_too_deep_are_a_mistake_and_not_decided() -> None:
    condition: dict[str, Any] = {"yes": True}
    for _ in range(DEPTH + 2):
        condition = {"not": condition}
    assert ask(condition) is None
    assert any("deeper" in what for _, what in mistakes(condition, known))


def test_a_context_parallel_size_counts_as_its_flag() -> None:
    asked = Ask(release="0.23.0", layout=(4, 2, 1, False), launch=LaunchProfile(pcp=2)).facts()
    assert asked("launch.flag") == ("--prefill-context-parallel-size", "--prefill-context-parallel-size=2")


def test_code_that_auto_map_names_is_looked_for_beside_the_configuration() -> None:
    config = {"auto_map": {"AutoConfig": "configuration_a.A", "AutoModel": ["modeling_b.B", None], "x": "org/r--c.C"}}
    facts = Ask(config=config, files=("config.json", "modeling_b.py")).facts()
    assert facts("checkpoint.missing_code") == ("configuration_a.py",)
    assert Ask(config={"auto_map": "nothing"}).facts()("checkpoint.missing_code") == ()


def test_a_table_of_config_json_is_there_by_the_names_of_its_keys() -> None:
    facts = Ask(config={"vision_config": {"depth": 2, "hidden_size": 64}}).facts()
    assert facts("config.vision_config") == ("depth", "hidden_size")
    assert facts("config.audio_config") == ()
