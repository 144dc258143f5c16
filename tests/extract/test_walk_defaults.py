"""What the walk takes for settled: the configuration of the plugin, packages that are there, what may be None."""

from __future__ import annotations

from pathlib import Path

import pytest
from walk_trees import PLAIN, kinds, met, section

from ascend_compat.extract.tree import Trees
from ascend_compat.extract.walk.world import World
from ascend_compat.knowledge.guard_values import Unknown, Values, elements

NORM, MODELS, CONFIG = "vllm_ascend/norm.py", "vllm/models.py", "vllm_ascend/ascend_config.py"
PLAIN_RETURN = "        return torch_npu.npu_norm(x)\n"
ASKING = "from vllm_ascend.ascend_config import get_ascend_config\nimport torch_npu\n"
OVERLAP = """        import torch
        if get_ascend_config().parts.overlap:
            torch.ops._C.overlapped(x)
        return torch_npu.npu_norm(x)
"""
FACTORY = """
import dataclasses
from pydantic_core import ArgsKwargs
from vllm_ascend.made import config
@config
class Parts:
    overlap: bool = False
@config
class AscendConfig:
    first: bool = True
    parts: Parts = dataclasses.field(default_factory=lambda: Parts())
    def derive(self, vllm_config):
        self.first = self.first and vllm_config.model_config is None
def init_ascend_config(vllm_config):
    made = AscendConfig()
    made.derive(vllm_config)
    return made
def get_ascend_config():
    return _ASCEND_CONFIG
"""


def test_a_flag_of_the_plugin_that_is_off_prunes_its_branch(tmp_path: Path) -> None:
    asked = ((NORM, "import torch_npu\n", ASKING), (NORM, PLAIN_RETURN, OVERLAP), (CONFIG, "", FACTORY))
    found = section(tmp_path, *asked)
    assert ("cuda", "torch.ops._C.overlapped") not in kinds(met(found)) | kinds(met(found), certain=False)
    turned = section(tmp_path / "turned", *asked, (CONFIG, "overlap: bool = False", "overlap: bool = True"))
    assert ("cuda", "torch.ops._C.overlapped") in kinds(met(turned))


def test_a_package_that_the_plugin_cannot_load_without_is_there(tmp_path: Path) -> None:
    needed = (NORM, "import torch_npu\n", "import torch_npu\nfrom fast_npu.ops import norm\n")
    used = (NORM, PLAIN_RETURN, "        return norm(x)\n")
    assert kinds(met(section(tmp_path, needed, used))) == {("replaced", "Norm")}
    optional = "import importlib\nthere = importlib.util.find_spec('fast_npu')\nclass AscendNorm"
    section(tmp_path / "asked", needed, used, (NORM, "class AscendNorm", optional))
    for name, absent in (("", False), ("asked", True)):
        trees = Trees(tmp_path / name / "ascend", tmp_path / name / "engine")
        assert World(trees).absent("fast_npu.ops") is absent


def test_an_attribute_of_what_may_be_none_is_that_of_the_other(tmp_path: Path) -> None:
    part = """class Part:
    def __init__(self): self.fast = False
class Tiny"""
    made = "        self.part = None\n        if config.shared and config.experts:\n            self.part = Part()\n"
    use = "        x = self.norm(x)\n        part = self.part\n        if {}:\n            torch.ops._C.missing(x)\n"
    for number, test in enumerate(("part.fast", "getattr(part, 'fast', False)")):
        found = section(
            tmp_path / str(number), (MODELS, "class Tiny", part), (MODELS, "        self.norm = Norm()\n",
            f"        self.norm = Norm()\n{made}"), (MODELS, "        x = self.norm(x)\n", use.format(test)),
        )  # fmt: skip
        assert not [use for use in met(found, config={}) if use.kind == "cuda"]


PICKED = """
class Fast(torch.nn.Module):
    def __init__(self, vllm_config, prefix=""):
        super().__init__()
    def forward(self, x):
        return torch.ops._C.fast_only(x)
VERSIONS = {(1, 5): Fast}
class Tiny(torch.nn.Module):
    def __new__(cls, *, vllm_config, prefix=""):
        config = vllm_config.model_config.hf_config
        version = tuple(int(x) for x in str(config.version).split("."))
        picked = VERSIONS.get((version[0], version[1]))
        if picked is None:
            return super().__new__(cls)
        return picked(vllm_config=vllm_config, prefix=prefix)
"""


def test_a_class_that_new_picks_by_the_configuration_is_walked(tmp_path: Path) -> None:
    found = section(tmp_path, (MODELS, "\nclass Tiny(torch.nn.Module):\n", PICKED))
    assert kinds(met(found, config={**PLAIN, "version": 1.5})) == {("cuda", "torch.ops._C.fast_only")}
    assert kinds(met(found, config={**PLAIN, "version": "2.0"})) == {("replaced", "Norm")}
    assert ("cuda", "torch.ops._C.fast_only") in kinds(met(found), certain=False)


def test_every_element_is_one_tuple_and_no_choice() -> None:
    text = "every(int(each(str(config.version).split('.')))) in ((4, 5),)"
    assert not elements(text)
    assert Values({"version": 4.5}).test(text)
    assert not Values({"version": "4.5.1"}).test(text)
    with pytest.raises(Unknown):
        Values({"version": "four"}).test(text)


def test_a_property_that_a_patch_puts_in_place_is_read_not_taken_for_true(tmp_path: Path) -> None:
    patch = """import vllm.config
def _fast(self):
    return self.dtype == "fast"
vllm.config.ModelConfig.fast = property(_fast)
"""
    worker = ("vllm_ascend/patch/worker/__init__.py", "if not", "import vllm_ascend.patch.worker.patch_config\nif not")
    added = ("vllm_ascend/patch/worker/patch_config.py", "", patch)
    use = "        x = self.norm(x)\n        if self.model_config.fast:\n            torch.ops._C.missing(x)\n"
    model = (MODELS, "        x = self.norm(x)\n", use)
    kept = (MODELS, "        self.norm = Norm()\n", "        self.norm = Norm()\n"
            "        self.model_config = vllm_config.model_config\n")  # fmt: skip
    setting = ("vllm/config/__init__.py", 'dtype: str = "auto"', "fast: bool = True\n    dtype: str = 'auto'")
    changes = (worker, added, model, kept, setting)
    assert kinds(met(section(tmp_path / "off", *changes))) == {("replaced", "Norm")}
    without = section(tmp_path / "without", model, kept, setting)
    assert ("cuda", "torch.ops._C.missing") in kinds(met(without))
    plain = section(tmp_path / "plain", *changes, (added[0], "property(_fast)", "staticmethod(_fast)"))
    assert ("cuda", "torch.ops._C.missing") in kinds(met(plain))


def test_a_keyword_parameter_that_a_server_may_give_is_not_taken_as_left_out(tmp_path: Path) -> None:
    method = """    def embed_input_ids(self, input_ids, *, is_multimodal=None):
        if is_multimodal is None:
            raise ValueError("only with is_multimodal")
        return input_ids
    def forward(self, x):
"""
    found = section(tmp_path, (MODELS, "    def forward(self, x):\n", method))
    assert not [use for use in met(found) if use.kind == "refused"]


GROUPS = """class Groups(torch.nn.Module):
    def __init__(self, size: int, groups: int):
        super().__init__()
        self.size = size
        self.groups = groups
    def forward(self, x):
        return x if self.groups == 1 else torch.ops._C.grouped(x)
class Tiny"""


def test_a_number_that_is_compared_with_a_constant_is_decided_by_the_configuration(tmp_path: Path) -> None:
    made = "        self.norm = Norm()\n        self.groups = Groups(config.size, config.groups)\n"
    found = section(
        tmp_path, (MODELS, "class Tiny", GROUPS), (MODELS, "        self.norm = Norm()\n", made),
        (MODELS, "        x = self.norm(x)\n", "        x = self.groups(self.norm(x))\n"),
    )  # fmt: skip
    assert ("cuda", "torch.ops._C.grouped") not in kinds(met(found, config={**PLAIN, "size": 8, "groups": 1}))
    assert ("cuda", "torch.ops._C.grouped") in kinds(met(found, config={**PLAIN, "size": 8, "groups": 2}))


@pytest.mark.parametrize("copied", ["cast(dict, {})", "copy.deepcopy({})", "{}"])
def test_a_copy_of_the_configuration_is_the_configuration(tmp_path: Path, copied: str) -> None:
    head = "import copy\nfrom typing import cast\nimport torch\n"
    inner = copied.format("vllm_config.model_config.hf_config")
    found = section(
        tmp_path, (MODELS, "import torch\n", head), (MODELS, "config = vllm_config.model_config.hf_config",
        f"config = {inner}"), (MODELS, "self.mixer = Scan()", "self.mixer = torch.ops._C.scan(config)"),
    )  # fmt: skip
    assert ("cuda", "torch.ops._C.scan") not in kinds(met(found)) | kinds(met(found), certain=False)


def test_a_configuration_with_another_part_keeps_the_rest(tmp_path: Path) -> None:
    altered = """        from dataclasses import replace
        vllm_config = replace(vllm_config, model_config=vllm_config.model_config)
        config = vllm_config.model_config.hf_config
"""
    found = section(
        tmp_path, (MODELS, "        config = vllm_config.model_config.hf_config\n", altered),
        (MODELS, "self.mixer = Scan()", "self.mixer = torch.ops._C.scan(config)"),
    )  # fmt: skip
    assert ("cuda", "torch.ops._C.scan") not in kinds(met(found)) | kinds(met(found), certain=False)


def test_a_feature_that_config_json_leads_into_and_nobody_wrote_is_refused(tmp_path: Path) -> None:
    refusing = (
        "class Refusing:\n    def __init__(self):\n        raise {}('only other backends are supported')\nclass Tiny"
    )
    made = (MODELS, "self.mixer = Scan()", "self.mixer = Refusing()")
    found = section(tmp_path, (MODELS, "class Tiny", refusing.format("NotImplementedError")), made)
    assert ("refused", "NotImplementedError") in kinds(met(found, config={"layer_type": "scan"}))
    assert ("refused", "NotImplementedError") not in kinds(met(found))
    checked = section(tmp_path / "checked", (MODELS, "class Tiny", refusing.format("ValueError")), made)
    assert not [use for use in met(checked, config={"layer_type": "scan"}) if use.kind == "refused"]
