"""Environment variables of the launch reach the release's code; without them their defaults do."""

from __future__ import annotations

from typing import Any

import pytest

from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.variables import variables

PACK = {
    "environment": {
        "SWITCH": {"default": False},
        "NUMBER": {"default": 1},
        "TEXT": {"default": "false"},
        "UNSET": {"default": None},
        "UNREAD": {},
    }
}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({}, "SWITCH", False),
        ({"SWITCH": "1"}, "SWITCH", True),
        ({"SWITCH": "0"}, "SWITCH", False),
        ({}, "NUMBER", 1),
        ({"NUMBER": "0"}, "NUMBER", 0),
        ({"NUMBER": "many"}, "NUMBER", 1),
        ({"TEXT": "true"}, "TEXT", "true"),
        ({}, "UNSET", None),
        ({"UNSET": "/lib"}, "UNSET", "/lib"),
    ],
)
def test_a_variable_is_what_the_launch_sets_it_to(given: dict[str, str], name: str, value: Any) -> None:
    found = variables(PACK, given)
    assert found[f"vllm_ascend.envs.{name}"] == value and found[f"vllm.envs.{name}"] == value
    assert type(found[f"vllm.envs.{name}"]) is type(value)


def test_a_variable_whose_default_is_not_known_is_known_once_it_is_set() -> None:
    assert "vllm.envs.UNREAD" not in variables(PACK, {})
    assert variables(PACK, {"UNREAD": "1"})["vllm.envs.UNREAD"] == "1"


@pytest.mark.parametrize("reader", ["os.getenv", "os.environ.get"])
def test_code_that_asks_the_system_gets_the_launch_or_its_own_fallback(reader: str) -> None:
    ask = Environment("A2", {}, {}, variables={"SET": "1"}).externals()[reader].call
    assert ask(["SET", "0"], {}, "x.py:1") == "1"
    assert ask(["OTHER", "0"], {}, "x.py:1") == "0"
    assert ask(["OTHER"], {}, "x.py:1") is None
