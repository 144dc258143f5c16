"""Mappings of classes that are not written out in one place: another class's, a module's, unions of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from extract.trees import make_trees

from ascend_compat.extract.modules import extract_modules

HOME = "vllm.model_executor.models.m"
HEAD = """from vllm.model_executor.models.other import Other, Child
from vllm.layers import nn, WeightsMapper
"""
OTHER = """
class Other:
    packed_modules_mapping = {"qkv": ["q", "k"], "both": ["one"]}
    hf_to_vllm_mapper = WeightsMapper(orig_to_new_prefix={"model.": "", "old.": "a."}, orig_to_new_substr={".x": ".y"})
class Child(Other): ...
"""


def extracted(tmp_path: Path, body: str) -> tuple[dict[str, Any], list[str]]:
    files = {"other": OTHER, "m": f"{HEAD}SHARED = {{'qkv': ['q']}}\nclass Model(nn.Module):\n    {body}\n"}
    trees = make_trees(tmp_path, {f"vllm/model_executor/models/{name}.py": text for name, text in files.items()})
    classes, _ = extract_modules(trees, {"A": {"module": HOME, "class": "Model"}})
    return classes.get("~m:Model", {}), trees.unfollowed


@pytest.mark.parametrize(
    ("expression", "mapping"),
    [
        ("Other.packed_modules_mapping", {"qkv": ["q", "k"], "both": ["one"]}),
        ("Child.packed_modules_mapping", {"qkv": ["q", "k"], "both": ["one"]}),
        ("Other.packed_modules_mapping | {'both': ['two']}", {"qkv": ["q", "k"], "both": ["two"]}),
        ("{'a': ['b']} | Child.packed_modules_mapping | SHARED", {"a": ["b"], "both": ["one"], "qkv": ["q"]}),
        ("SHARED", {"qkv": ["q"]}),
    ],
)
def test_packed_modules_are_followed_to_where_they_stand(
    tmp_path: Path, expression: str, mapping: dict[str, list[str]]
) -> None:
    found, unfollowed = extracted(tmp_path, f"packed_modules_mapping = {expression}")
    assert found["packed_modules_mapping"] == mapping
    assert unfollowed == []


def test_a_union_of_mappers_joins_their_tables(tmp_path: Path) -> None:
    more = "WeightsMapper(orig_to_new_prefix={'old.': 'b.', 'mtp.': None})"
    found, _ = extracted(tmp_path, f"hf_to_vllm_mapper = Child.hf_to_vllm_mapper | {more}")
    assert found["hf_to_vllm_mapper"] == {
        "orig_to_new_prefix": {"model.": "", "old.": "b.", "mtp.": None},
        "orig_to_new_substr": {".x": ".y"},
    }


@pytest.mark.parametrize("expression", ["Other.absent | {}", "{'a': ['b']} | made()", "Nowhere.packed_modules_mapping"])
def test_what_the_text_does_not_tell_is_noted(tmp_path: Path, expression: str) -> None:
    found, unfollowed = extracted(tmp_path, f"packed_modules_mapping = {expression}")
    assert "packed_modules_mapping" not in found
    assert len(unfollowed) == 1 and "models/m.py:5" in unfollowed[0]


def test_mappings_that_name_each_other_end(tmp_path: Path) -> None:
    found, unfollowed = extracted(tmp_path, "packed_modules_mapping = Model.packed_modules_mapping")
    assert "packed_modules_mapping" not in found and unfollowed
