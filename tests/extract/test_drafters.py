"""Which drafts may be picked for a checkpoint, and that only these are read of a tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import make_trees

from ascend_compat.extract.drafters import drafters
from ascend_compat.extract.patches import extract_patches

HOME = "vllm/config/speculative.py"
PICKING = {
    "vllm/config/__init__.py": "from vllm.config.speculative import SpeculativeConfig\n",
    HOME: """
def renamed(config):
    if config.model_type == "wide_mtp":
        config.update({"architectures": ["WideDraft"]})
class SpeculativeConfig:
    @staticmethod
    def hf_config_override(config):
        if config.model_type in ("near", "nearer"):
            config.model_type = "near_mtp"
        if config.model_type == "near_mtp" and config.layers > 0:
            config.update({"architectures": ["NearDraft"]})
        if config.architectures[0] == "FarForCausalLM":
            config.update({"architectures": ["FarDraft"]})
        elif config.model_type != "near":
            config.update({"architectures": ["OtherDraft"]})
        if config.model_type == "wide":
            config.model_type = "wide_mtp"
        renamed(config)
        return config
    def later(self):
        return "NeverDraft"
""",
}
PATCH = {
    "vllm_ascend/patch/__init__.py": "import vllm_ascend.patch.platform\n",
    "vllm_ascend/patch/platform.py": """
from vllm.config import SpeculativeConfig
def own(config):
    if config.model_type == "near":
        config.update({"architectures": ["OwnDraft"]})
SpeculativeConfig.hf_config_override = own
""",
}
NAMES = ("NearDraft", "FarDraft", "OtherDraft", "WideDraft", "NeverDraft", "OwnDraft")


@pytest.mark.parametrize(
    ("asked", "drafts"),
    [
        ("nearforcausallm", {"NearDraft", "OtherDraft"}),
        ("farforcausallm", {"FarDraft", "OtherDraft"}),
        ("wideforcausallm", {"WideDraft", "OtherDraft"}),
        ("unheardofforcausallm", {"OtherDraft"}),
    ],
)
def test_a_branch_counts_unless_it_asks_for_other_names(tmp_path: Path, asked: str, drafts: set[str]) -> None:
    trees = make_trees(tmp_path, PICKING)
    assert drafters(trees, extract_patches(trees), {asked}) & set(NAMES) == drafts


def test_what_a_patch_puts_in_the_place_of_the_method_counts(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {**PICKING, **PATCH})
    found = drafters(trees, extract_patches(trees), {"nearforcausallm"}) & set(NAMES)
    assert found == {"NearDraft", "OtherDraft", "OwnDraft"}


def test_a_tree_without_the_method_picks_nothing(tmp_path: Path) -> None:
    assert drafters(make_trees(tmp_path, {}), [], {"nearforcausallm"}) == set()
