"""Models changed as pull requests change them: factories, classes handed to constructors, tests of the platform."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_trees import changed, write_files

from ascend_compat.extract.modules import extract_modules
from ascend_compat.extract.registry import extract_registry
from ascend_compat.extract.tree import Trees
from ascend_compat.knowledge.modules import ModuleTree

PLATFORM = "vllm_ascend/platform.py"
MODEL = "vllm/model_executor/models/tiny.py"
HEAD = """
from torch import nn
from vllm.model_executor.layers.linear import ColumnParallelLinear, LinearBase, RowParallelLinear
from vllm.platforms import current_platform
"""
COLUMN = changed(
    "vllm/model_executor/layers/linear.py",
    (
        "class UnquantizedLinearMethod",
        "class ColumnParallelLinear(LinearBase):\n    pass\nclass UnquantizedLinearMethod",
    ),
)


def leaves(root: Path, model: str, **more: str) -> dict[str, list[str]]:
    """Paths of the small model's leaves to the classes that may stand there."""
    read = Trees(*write_files(root, {**COLUMN, MODEL: HEAD + model, **more}))
    architectures, _ = extract_registry(read)
    classes, layers = extract_modules(read, architectures)
    pack = {"architectures": architectures, "model_classes": classes, "layer_classes": layers}
    tree = ModuleTree(pack, "TinyForCausalLM")
    return {path: [leaf.cls.rpartition(":")[2] for leaf in found] for path, found in tree.leaves.items()}


HANDED = """
class Block(nn.Module):
    def __init__(self, quant_config=None, layer=RowParallelLinear):
        super().__init__()
        self.proj = layer(8, 8, quant_config=quant_config)
class TinyForCausalLM(nn.Module):
    def __init__(self, vllm_config, prefix=""):
        self.block = Block(vllm_config.quant_config)
"""
FACTORY = """
def make_block(kind):
    class Block(nn.Module):
        pass
    return Block
def build(quant_config):
    return RowParallelLinear(8, 8, quant_config=quant_config)
class TinyForCausalLM(nn.Module):
    def __init__(self, vllm_config, prefix=""):
        self.proj = build(vllm_config.quant_config)
"""
BRANCH = """
if current_platform.is_cuda():
    from vllm.model_executor.layers.linear import ColumnParallelLinear as Chosen
else:
    from vllm.model_executor.layers.linear import RowParallelLinear as Chosen
class TinyForCausalLM(nn.Module):
    def __init__(self, vllm_config, prefix=""):
        self.proj = Chosen(8, 8, quant_config=vllm_config.quant_config)
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", ["RowParallelLinear"]),
        ("layer=RowParallelLinear", "layer=ColumnParallelLinear", ["ColumnParallelLinear"]),
        ("Block(vllm_config.quant_config)", "Block(vllm_config.quant_config, ColumnParallelLinear)",
         ["ColumnParallelLinear"]),
        ("Block(vllm_config.quant_config)", "Block(vllm_config.quant_config, layer=ColumnParallelLinear)",
         ["ColumnParallelLinear"]),
        ("layer", "kind_of_a_pull_request", ["RowParallelLinear"]),
    ],
    ids=["default", "another default", "by position", "by name", "parameter renamed"],
)  # fmt: skip
def test_a_class_handed_to_a_constructor_is_the_one_that_is_built(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    assert leaves(tmp_path, HANDED.replace(old, new) if old else HANDED)["block.proj"] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", ["RowParallelLinear"]),
        ("build", "renamed_by_a_pull_request", ["RowParallelLinear"]),
        ("    return RowParallelLinear", "    return ColumnParallelLinear", ["ColumnParallelLinear"]),
        ("    return RowParallelLinear",
         "    if quant_config is None:\n        return ColumnParallelLinear(8, 8)\n    return RowParallelLinear",
         ["RowParallelLinear", "ColumnParallelLinear"]),
    ],
    ids=["a function", "renamed", "another class", "one branch more"],
)  # fmt: skip
def test_what_a_factory_returns_stands_where_it_is_called(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    assert leaves(tmp_path, FACTORY.replace(old, new) if old else FACTORY)["proj"] == expected


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("current_platform.is_cuda()", ["RowParallelLinear"]),
        ("not current_platform.is_cuda()", ["ColumnParallelLinear"]),
        ("current_platform.is_cuda() or current_platform.is_cuda()", ["RowParallelLinear"]),
        ("current_platform.is_cuda() and current_platform.is_something_new()", ["RowParallelLinear"]),
    ],
)
def test_an_import_under_a_test_of_the_platform_is_that_of_the_npu(
    tmp_path: Path, test: str, expected: list[str]
) -> None:
    assert leaves(tmp_path, BRANCH.replace("current_platform.is_cuda()", test, 1))["proj"] == expected


def test_another_platform_takes_the_other_branch(tmp_path: Path) -> None:
    plugin = changed(PLATFORM, ("_enum = PlatformEnum.OOT", "_enum = PlatformEnum.CUDA"))
    assert leaves(tmp_path, BRANCH, **plugin)["proj"] == ["ColumnParallelLinear"]
