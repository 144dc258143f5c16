"""A model inside a model: its code runs under a configuration whose whole is the part it was handed."""

from __future__ import annotations

from typing import Any

import pytest

from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.evaluate.values import Instance
from ascend_compat.knowledge.modules import ModuleTree
from ascend_compat.knowledge.replay import Replay

HOME = "vllm.model_executor.models"
LINEAR = "vllm.model_executor.layers.linear:RowParallelLinear"
TEXT = {"model_type": "inner", "architectures": ["InnerForCausalLM"]}


def _tree(named: list[str], config: dict[str, Any] | None = None) -> ModuleTree:
    classes = {
        "~o:Outer": {
            "at": "1",
            "children": {"tower": [[LINEAR, 1, "q"]], "language_model": [["dynamic", 2, "", named]]},
        },
        "~i:Inner": {
            "at": "3",
            "children": {"proj": [[LINEAR, 4, "q"]]},
            "packed_modules_mapping": {"proj": ["a", "b"]},
        },
    }
    architectures = {
        "OuterForConditionalGeneration": {"module": f"{HOME}.o", "class": "Outer", "at": "1"},
        "InnerForCausalLM": {"module": f"{HOME}.i", "class": "Inner", "at": "3"},
    }
    pack = {"model_classes": classes, "architectures": architectures}
    return ModuleTree(pack, "OuterForConditionalGeneration", config or {"model_type": "outer", "text_config": TEXT})


@pytest.mark.parametrize("named", [["config.text_config"], ["InnerForCausalLM", "config.text_config"]])
def test_a_nested_model_knows_the_part_of_the_configuration_it_is_made_by(named: list[str]) -> None:
    tree = _tree(named)
    assert tree.nested("language_model.proj") == ("text_config", {"proj": ["a", "b"]})
    assert tree.nested("tower") is None
    assert "language_model.proj" in tree.leaves


def test_a_nested_model_the_code_only_names_keeps_the_whole_configuration() -> None:
    tree = _tree(["InnerForCausalLM"])
    assert "language_model.proj" in tree.leaves
    assert tree.nested("language_model.proj") is None


def test_a_part_under_an_older_name_is_found() -> None:
    assert "language_model.proj" in _tree(["config.text_config"], {"language_config": TEXT}).leaves


@pytest.mark.parametrize(("text", "seen"), [(TEXT, "inner"), ({"hidden_size": 8}, "outer")])
def test_inside_a_nested_model_the_engine_shows_its_part(text: dict[str, Any], seen: str) -> None:
    config = {"model_type": "outer", "text_config": text}
    replay = Replay({}, Environment("A2", config, {"config.json": config}, None))
    replay.vllm_config.names["quant_config"] = Instance(None, {"packed_modules_mapping": {"x": ["y"]}})

    def shown() -> tuple[Any, Any]:
        names = replay.vllm_config.names
        return (
            names["model_config"].names["hf_config"].names["model_type"],
            names["quant_config"].names["packed_modules_mapping"],
        )

    with replay.inside("text_config", {"proj": ["a", "b"]}):
        assert shown() == (seen, {"proj": ["a", "b"]})
    assert shown() == ("outer", {"x": ["y"]})
