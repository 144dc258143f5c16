"""Architectures a pair of trees registers."""

from __future__ import annotations

from pathlib import Path

import pytest
from extract.trees import make_trees, real_trees

from ascend_compat.extract.registry import extract_registry

REGISTRY = """
_TEXT_GENERATION_MODELS = {"A": ("a", "AForCausalLM"), "B": ("b", "BForCausalLM")}
_LATE_INTERACTION_MODELS = {"Col": ("col", "ColModel")}
_MULTIMODAL_MODELS = {"Vis": ("vis", "VisForConditionalGeneration"), **{"spread": ("x", "X") for _ in ()}}
_SPECULATIVE_DECODING_MODELS = {"AMTP": ("a_mtp", "AMTP")}
_BRAND_NEW_MODELS = {"New": ("new", "NewModel")}
_VLLM_MODELS = {**_TEXT_GENERATION_MODELS, **_MULTIMODAL_MODELS}
_PREVIOUSLY_SUPPORTED_MODELS = {"Gone": "0.9.2"}
_OOT_SUPPORTED_MODELS = {"Elsewhere": "https://example.org/plugin"}
OTHER = {"NotAModel": ("x", "Y")}
"""
PLUGIN = """
from vllm import ModelRegistry
def register_model():
    ModelRegistry.register_model("A", "vllm_ascend.models.a:AscendA")
    ModelRegistry.register_model("Own", "vllm_ascend.models.own:Own")
    ModelRegistry.register_model(computed(), "vllm_ascend.models.c:C")
"""
PATH = "vllm/model_executor/models/registry.py"


def test_tables_by_what_they_hold(tmp_path: Path) -> None:
    found, removed = extract_registry(make_trees(tmp_path, {PATH: REGISTRY}))
    assert {name: entry["kind"] for name, entry in found.items()} == {
        "A": "text", "B": "text", "Col": "pooling", "Vis": "multimodal", "AMTP": "speculative", "New": "brand_new",
    }  # fmt: skip
    assert found["A"] == {
        "kind": "text", "module": "vllm.model_executor.models.a", "class": "AForCausalLM", "at": f"{PATH}:2",
    }  # fmt: skip
    assert removed == {"Gone": {"last": "0.9.2", "at": f"{PATH}:8"}}


def test_the_plugin_takes_an_architecture_over_and_keeps_its_kind(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {PATH: REGISTRY, "vllm_ascend/models/__init__.py": PLUGIN})
    found, _ = extract_registry(trees)
    assert (found["A"]["class"], found["A"]["kind"], found["A"]["plugin"]) == ("AscendA", "text", True)
    assert found["A"]["at"] == "vllm_ascend/models/__init__.py:4"
    assert found["Own"]["kind"] == "plugin"
    assert any("vllm_ascend/models/__init__.py:6" in line for line in trees.unfollowed)


def test_entries_that_are_no_architectures_are_noted(tmp_path: Path) -> None:
    source = """
_TEXT_GENERATION_MODELS = {1: ("a", "A"), "B": (1, 2), None: ("a", "b"), "Good": ("good", "Good"), **ELSEWHERE}
_PREVIOUSLY_SUPPORTED_MODELS = {2: "0.1", "Gone": "0.2", **ELSEWHERE}
"""
    trees = make_trees(tmp_path, {PATH: source})
    found, removed = extract_registry(trees)
    assert list(found) == ["Good"] and list(removed) == ["Gone"]
    assert sum(f"{PATH}:2" in line for line in trees.unfollowed) == 3


def test_a_tree_without_a_registry_says_so(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {})
    assert extract_registry(trees) == ({}, {})
    assert trees.unfollowed


@pytest.mark.parametrize(
    ("release", "vllm", "count", "gone"), [("0.18.0rc1", "0.18.0", 317, 10), ("0.23.0", "0.23.0", 366, 7)]
)
def test_real_releases(release: str, vllm: str, count: int, gone: int) -> None:
    """Counts of facts measured by an independent reader of the same trees."""
    found, removed = extract_registry(real_trees(release, vllm))
    assert (len(found), len(removed)) == (count, gone)
    assert found["Glm4MoeForCausalLM"]["kind"] == "text"
    assert found["Glm4MoeMTPModel"]["kind"] == "speculative"
