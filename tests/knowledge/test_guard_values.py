"""Guards of the operator walk on configurations: what is decided, what stays open, and hostile texts."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.knowledge.config_attributes import with_rope
from ascend_compat.knowledge.guard_values import Unknown, Values
from ascend_compat.knowledge.walked import holds, text_part

CONFIG: dict[str, Any] = {
    "hidden_act": "silu",
    "num_experts": 8,
    "layer_types": ["full", "linear", "full"],
    "rope_theta": 1e6,
    "rope_scaling": {"type": "yarn", "factor": 4.0},
    "text_config": {"hidden_size": 64, "rope_theta": 1e4},
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("config.hidden_act == 'silu'", True),
        ("config.num_experts > 8", False),
        ("getattr(config, 'absent', None) is None", True),
        ("hasattr(config, 'index_topk')", False),
        ("config.rope_parameters.get('rope_type', 'default') == 'yarn'", True),
        ("config.text_config.rope_parameters['rope_theta'] == 10000.0", True),
        ("config.hidden_act in ('silu', 'gelu')", True),
        ("isinstance(config.layer_types, (list,))", True),
        ("(config.num_experts // 4) == 2", True),
        ("config.absent == 1 or config.num_experts == 8", True),
    ],
)
def test_what_the_configuration_says_is_decided(text: str, answer: bool) -> None:
    assert Values(CONFIG, CONFIG).test(text) is answer


@pytest.mark.parametrize(
    "text", ["config.absent", "self.x == 1", "config.f()", "a key == 'x'", "config.absent and 1 > 0"]
)
def test_what_it_does_not_say_is_unknown(text: str) -> None:
    with pytest.raises(Unknown):
        Values(CONFIG, CONFIG).test(text)


def test_one_element_must_satisfy_all_guards() -> None:
    values = Values(CONFIG, CONFIG)
    linear = ("each(config.layer_types) == 'linear'", "C", True)
    full = ("each(config.layer_types) == 'full'", "C", True)
    assert holds([linear], values) == (True, [])
    assert holds([full], values) == (True, [])
    assert holds([linear, full], values) == (False, [])
    assert holds([("each(config.layer_types) == 'mamba'", "C", True)], values) == (False, [])


def test_open_guards_are_named_and_a_failing_one_decides() -> None:
    values = Values(CONFIG, CONFIG)
    open_one = ("forward_context.capturing", "U", True)
    assert holds([open_one], values) == (None, ["forward_context.capturing"])
    assert holds([open_one, ("config.num_experts == 9", "C", True)], values) == (False, [])
    assert holds([("config.num_experts == 8", "C", False)], values) == (False, [])


def test_nothing_is_decided_without_a_configuration() -> None:
    values = Values(None)
    assert holds([("hasattr(config, 'x')", "C", True)], values) == (None, ["hasattr(config, 'x')"])


def test_rope_parameters_come_from_either_form() -> None:
    assert with_rope({"rope_theta": 1.0})["rope_parameters"] == {"rope_theta": 1.0, "rope_type": "default"}
    older = with_rope({"rope_theta": 1.0, "rope_scaling": {"type": "su"}})["rope_parameters"]
    assert older["rope_type"] == "longrope"
    nested = {"rope_parameters": {"full": {"rope_theta": 1.0}}}
    assert with_rope(nested) is nested
    assert "rope_parameters" not in with_rope({"hidden_size": 1})


def test_the_text_model_is_found_inside() -> None:
    inner = {"hidden_size": 1}
    assert text_part({"thinker_config": {"text_config": inner}}) is inner
    assert text_part(inner) is inner


@given(st.text(max_size=60))
def test_any_text_is_decided_or_unknown(text: str) -> None:
    with contextlib.suppress(Unknown):
        assert Values(CONFIG, CONFIG).test(text) in (True, False)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x) | st.dictionaries(st.text(max_size=8), x)
    )
)
def test_any_configuration_is_read(value: Any) -> None:
    config = {"rope_parameters": value, "layer_types": value, "text_config": value}
    values = Values(config, text_part(config))
    for text in (
        "config.rope_parameters.get('rope_type', 1) == 1",
        "each(config.layer_types) == 'x'",
        "len(config.text_config) > 1",
    ):
        assert holds([(text, "C", True)], values)[0] in (True, False, None)


def test_a_language_model_under_another_name_is_the_text_config() -> None:
    values = Values({"llm_config": {"hidden_size": 8}})
    assert values.test("config.text_config.hidden_size == 8")
    assert Values({"text_config": {"a": 1}, "llm_config": {"a": 2}}).test("config.text_config.a == 1")
