"""What a replay sees of a checkpoint's files: everything it asks about, and one layer of every kind."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.knowledge.files import DESCRIPTION, CheckpointFiles

LAYERS = 40


def facts(config: dict[str, Any], description: dict[str, Any] | None = None) -> CheckpointFacts:
    files = ("config.json", "tokenizer.json", *([DESCRIPTION] if description is not None else []))
    return CheckpointFacts(
        spec="m",
        source="local",
        revision=None,
        config=config,
        tensors=(),
        has_weights=True,
        files=files,
        quant_description=description,
    )


def ignoring(*odd: int) -> dict[str, Any]:
    names = [f"model.layers.{n}.mlp.{'gate' if n not in odd else 'odd'}" for n in range(LAYERS)]
    return {"quantization_config": {"ignore": ["lm_head", "re:.*vision.*", *names]}, "layer_types": ["full"] * LAYERS}


def kept(config: dict[str, Any], layers: list[int]) -> list[str]:
    names: list[str] = CheckpointFiles(facts(config)).config(layers)["quantization_config"]["ignore"]
    return names


def test_names_of_layers_that_are_asked_about_stay_and_equal_layers_go() -> None:
    assert kept(ignoring(), [3]) == ["lm_head", "re:.*vision.*", "model.layers.0.mlp.gate", "model.layers.3.mlp.gate"]


def test_a_layer_of_another_kind_stays_unasked() -> None:
    assert "model.layers.17.mlp.odd" in kept(ignoring(17), [0])


def test_short_lists_and_lists_without_layers_are_left_alone() -> None:
    config = {"ignore": [f"model.layers.{n}.gate" for n in range(4)], "layer_types": ["full"] * LAYERS, "n": LAYERS}
    assert CheckpointFiles(facts(config)).config([]) == config


def test_the_checkpoints_own_facts_are_not_changed() -> None:
    config = ignoring()
    CheckpointFiles(facts(config)).files([0])
    assert config == ignoring()


def test_a_description_keeps_what_its_layers_differ_in() -> None:
    description: dict[str, Any] = {"model_quant_type": "W8A8_DYNAMIC", "lm_head.weight": "FLOAT"}
    for layer in range(LAYERS):
        kind = "FLOAT" if layer == 30 else "W8A8_DYNAMIC"
        description |= {f"model.layers.{layer}.mlp.experts.{n}.up_proj.weight": kind for n in range(8)}
    seen = CheckpointFiles(facts({}, description)).files([5])[DESCRIPTION]
    numbers = {name.split(".")[2] for name in seen if name.startswith("model.layers")}
    assert numbers == {"0", "5", "30"}
    assert {name.split(".")[5] for name in seen if name.startswith("model.layers")} == {"0"}
    assert seen["model_quant_type"] == "W8A8_DYNAMIC"
    assert seen["model.layers.30.mlp.experts.0.up_proj.weight"] == "FLOAT"


def test_an_expert_of_its_own_kind_stays() -> None:
    names = {f"model.layers.0.mlp.experts.{n}.up_proj.weight": "W8A8_DYNAMIC" for n in range(8)}
    description = {**names, "model.layers.0.mlp.experts.5.up_proj.weight": "FLOAT"}
    seen = CheckpointFiles(facts({}, description)).files([0])[DESCRIPTION]
    assert set(seen.values()) == {"W8A8_DYNAMIC", "FLOAT"}


def test_files_without_kept_content_are_there_and_empty() -> None:
    assert CheckpointFiles(facts({"a": 1})).files([]) == {"config.json": {"a": 1}, "tokenizer.json": {}}


NAMES = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a.q", "a.k", "b.w"])), min_size=20, max_size=120)


@given(NAMES, st.sets(st.integers(0, 30), max_size=4))
def test_asked_layers_are_answered_as_before_and_no_kind_of_name_is_lost(
    names: list[tuple[int, str]], asked: set[int]
) -> None:
    before = [f"model.layers.{layer}.{rest}" for layer, rest in names]
    after = set(kept({"quantization_config": {"ignore": before}}, sorted(asked)))
    assert after <= set(before)
    for layer in asked:
        assert {n for n in before if f".{layer}." in n} == {n for n in after if f".{layer}." in n}
    assert {rest for _, rest in names} == {name.split(".", 3)[3] for name in after}
