"""The modules a model class builds, read off its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from extract.trees import DEVICES, make_trees, real_trees

from ascend_compat.core.class_names import shorten
from ascend_compat.extract.modules import extract_modules
from ascend_compat.extract.registry import extract_registry
from ascend_compat.knowledge.modules import ModuleTree

LAYERS = """
from torch import nn
class LinearBase(nn.Module): ...
class Row(LinearBase):
    def forward_native(self): ...
class Column(LinearBase): ...
"""
HEAD = "from torch import nn\nfrom functools import partial\nfrom vllm.layers import Column, Row\n"
HOME = "vllm.model_executor.models.m"


def _model(root: Path, body: str, before: str = "", after: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    source = f"{HEAD}{before}class Model(nn.Module):\n    def __init__(self, quant_config=None):\n{lines}{after}"
    trees = make_trees(root, {"vllm/layers.py": LAYERS, "vllm/model_executor/models/m.py": source})
    return extract_modules(trees, {"Arch": {"module": HOME, "class": "Model"}})


def _children(root: Path, body: str, **parts: str) -> dict[str, list[tuple[str, bool]]]:
    classes, _ = _model(root, body, **parts)
    return {
        attr: [(child[0].rpartition(":")[2], "l" in "".join(child[2:3])) for child in made]
        for attr, made in classes["~m:Model"].get("children", {}).items()
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("self.x = Row()", [("Row", False)]),
        ("self.x = Row() if a else Column()", [("Row", False), ("Column", False)]),
        ("if a:\n    self.x = Row()\nelse:\n    self.x = Column()", [("Row", False), ("Column", False)]),
        ("self.x = nn.ModuleList([Row() for _ in range(3)])", [("Row", True)]),
        ("self.x = nn.ModuleList([Row(), Column()])", [("Row", True), ("Column", True)]),
        ("self.x = nn.ModuleDict({'a': Row()})", [("Row", True)]),
        ("self.a, self.b, self.x = make_layers(3, lambda prefix: Row())", [("Row", True)]),
        ("def make(prefix):\n    return Row()\nself.a, self.b, self.x = make_layers(3, make)", [("Row", True)]),
        ("kind = Row if a else Column\nself.x = kind()", [("Row", False), ("Column", False)]),
        ("made = Row()\nself.x = made", [("Row", False)]),
        ("from vllm.layers import Row as Other\nself.x = Other()", [("Row", False)]),
        ("self.x = init_vllm_registered_model(vllm_config)", [("dynamic", False)]),
    ],
)
def test_each_way_to_build_a_child(tmp_path: Path, body: str, expected: list[tuple[str, bool]]) -> None:
    assert _children(tmp_path, body)["x"] == expected


def test_values_that_are_no_modules_are_no_children(tmp_path: Path) -> None:
    assert _children(tmp_path, "self.x = 3\nself.y = config.size\nself.z = helper()\nself.w = Row()") == {
        "w": [("Row", False)]
    }


def test_whether_a_layer_is_given_the_quantization(tmp_path: Path) -> None:
    body = "self.a = Row(quant_config=quant_config)\nself.b = Row(quant_config=None)\nself.c = Row()"
    classes, _ = _model(tmp_path, body)
    children = classes["~m:Model"]["children"]
    assert {attr: "q" in "".join(made[0][2:3]) for attr, made in children.items()} == {
        "a": True,
        "b": False,
        "c": False,
    }


def test_a_layer_may_be_given_the_quantization_on_some_devices_only(tmp_path: Path) -> None:
    devices = "get_ascend_device_type() == AscendDeviceType.A5"
    body = "\n".join(
        f"self.{attr} = Row(quant_config={value})"
        for attr, value in (
            ("a", f"None if {devices} else quant_config"),
            ("b", "None if prefix else quant_config"),
            ("c", "quant_config or None"),
        )
    )
    head = "from vllm_ascend.utils import AscendDeviceType, get_ascend_device_type\n"
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    source = f"{HEAD}{head}class Model(nn.Module):\n    def __init__(self, quant_config=None, prefix=''):\n{lines}"
    files = {"vllm/layers.py": LAYERS, "vllm/model_executor/models/m.py": source, "vllm_ascend/utils.py": DEVICES}
    classes, _ = extract_modules(make_trees(tmp_path, files), {"Arch": {"module": HOME, "class": "Model"}})
    made = {attr: given[0][4:] for attr, given in classes["~m:Model"]["children"].items()}
    assert made == {"a": [["310P", "A2", "A3"]], "b": [], "c": []}
    tree = {"architectures": {"Arch": {"module": HOME, "class": "Model", "at": ""}}, "model_classes": classes}
    for device, quantized in (("A2", True), ("A5", False), (None, True)):
        leaves = ModuleTree(tree, "Arch", {}, device).leaves
        assert leaves["a"][0].quantized is quantized
        assert leaves["b"][0].quantized


def test_leaves_have_their_bases_and_models_are_opened(tmp_path: Path) -> None:
    before = "class Inner(nn.Module):\n    def __init__(self):\n        self.y = Column()\n"
    classes, layers = _model(tmp_path, "self.x = Inner()\nself.z = Row()", before=before)
    assert "~m:Inner" in classes
    assert layers["vllm.layers:Row"]["bases"] == ["vllm.layers:LinearBase", "torch.nn.Module"]
    assert "vllm.layers:Column" in layers


def test_a_class_made_from_another_inherits_its_modules(tmp_path: Path) -> None:
    plain = "class Plain(nn.Module):\n    def __init__(self):\n        self.x = Row()\n"
    source = f"{HEAD}{plain}class Made(wrap(Plain)): ...\n"
    trees = make_trees(tmp_path, {"vllm/layers.py": LAYERS, "vllm/model_executor/models/m.py": source})
    classes, _ = extract_modules(trees, {"Arch": {"module": HOME, "class": "Made"}})
    assert classes["~m:Made"]["bases"] == ["~m:Plain"]
    assert "x" in classes["~m:Plain"]["children"]


def test_literal_mappings_are_kept_and_others_noted(tmp_path: Path) -> None:
    source = (
        f"{HEAD}class Model(nn.Module):\n    packed_modules_mapping = {{'qkv': ['q', 'k', 'v']}}\n"
        "    hf_to_vllm_mapper = WeightsMapper(orig_to_new_prefix={'model.': ''})\n"
        "class Odd(nn.Module):\n    packed_modules_mapping = compute()\n"
    )
    trees = make_trees(tmp_path, {"vllm/model_executor/models/m.py": source})
    names = {"A": {"module": HOME, "class": "Model"}, "B": {"module": HOME, "class": "Odd"}}
    classes, _ = extract_modules(trees, names)
    assert classes["~m:Model"]["packed_modules_mapping"] == {"qkv": ["q", "k", "v"]}
    assert classes["~m:Model"]["hf_to_vllm_mapper"] == {"orig_to_new_prefix": {"model.": ""}}
    assert any("models/m.py:8" in line for line in trees.unfollowed)


def test_what_a_constructor_adds_to_a_mapping_belongs_to_it(tmp_path: Path) -> None:
    source = (
        f"{HEAD}class Model(nn.Module):\n    packed_modules_mapping = {{'qkv': ['q', 'k', 'v']}}\n"
        "    def __init__(self, config):\n        if config.dense:\n"
        "            self.packed_modules_mapping['both'] = ['one', 'other']\n"
        "        self.packed_modules_mapping[config.name] = ['x']\n"
    )
    trees = make_trees(tmp_path, {"vllm/model_executor/models/m.py": source})
    classes, _ = extract_modules(trees, {"A": {"module": HOME, "class": "Model"}})
    assert classes["~m:Model"]["packed_modules_mapping"] == {"qkv": ["q", "k", "v"], "both": ["one", "other"]}
    assert any("models/m.py:9" in line for line in trees.unfollowed)


def test_names_that_go_round_in_circles_end(tmp_path: Path) -> None:
    body = "f = g\ng = f\nself.x = f()\nlayer = layer if a else Row()\nself.y = layer\nself.z = self.again()"
    after = "    def again(self):\n        return self.again()\n"
    found = _children(tmp_path, body, after=after)
    assert ("Row", False) in found["y"] and "x" not in found


def test_an_architecture_whose_class_is_missing_stays_out(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {})
    assert extract_modules(trees, {"Arch": {"module": HOME, "class": "Gone"}}) == ({}, {})


@pytest.mark.parametrize(("release", "vllm"), [("0.18.0rc1", "0.18.0"), ("0.23.0", "0.23.0")])
def test_every_architecture_of_a_real_release_has_a_class(release: str, vllm: str) -> None:
    trees = real_trees(release, vllm)
    architectures, _ = extract_registry(trees)
    classes, _ = extract_modules(trees, architectures)
    assert [name for name, e in architectures.items() if shorten(f"{e['module']}:{e['class']}") not in classes] == []


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ("architectures=['A']", ["A"]),
        ("hf_config=config.text_config", ["config.text_config"]),
        ("hf_config=config.text_config, architectures=['A']", ["A", "config.text_config"]),
        ("hf_config=config.text_config, architectures=names", ["config.text_config"]),
    ],
)
def test_a_nested_model_keeps_its_names_and_the_part_of_the_configuration_it_is_handed(
    tmp_path: Path, arguments: str, kept: list[str]
) -> None:
    classes, _ = _model(tmp_path, f"self.x = init_vllm_registered_model(vllm_config, {arguments})")
    assert classes["~m:Model"]["children"]["x"][0][-1] == kept
