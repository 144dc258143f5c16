"""Which model classes run in pipeline stages, as vLLM asks them."""

from __future__ import annotations

from pathlib import Path

import pytest
from extract.trees import make_trees

from ascend_compat.extract.registry import extract_registry
from ascend_compat.extract.stages import resolution_order

MODELS = "vllm/model_executor/models"
FILES = {
    f"{MODELS}/registry.py": """
_TEXT_GENERATION_MODELS = {
    "Staged": ("tiny", "Staged"), "Heir": ("tiny", "Heir"), "Plain": ("tiny", "Plain"), "Deaf": ("tiny", "Deaf"),
    "Mixed": ("tiny", "Mixed"), "Flagged": ("tiny", "Flagged"), "Moved": ("moved", "Staged"), "Gone": ("tiny", "Gone"),
}
""",
    f"{MODELS}/interfaces.py": """
from typing import Protocol
class SupportsPP(Protocol):
    supports_pp = True
    def forward(self, *, intermediate_tensors): ...
class VllmModel(Protocol):
    def forward(self, input_ids, positions): ...
""",
    f"{MODELS}/tiny.py": """
from torch import nn
from .interfaces import SupportsPP, VllmModel
class Staged(nn.Module, SupportsPP):
    def forward(self, input_ids, intermediate_tensors=None): ...
class Heir(Staged): ...
class Plain(nn.Module):
    def forward(self, input_ids, intermediate_tensors=None): ...
class Deaf(nn.Module, SupportsPP):
    def forward(self, input_ids, positions): ...
class Mixin(VllmModel): ...
class Mixed(Mixin, Open): ...
class Open(nn.Module, VllmModel, SupportsPP):
    def forward(self, input_ids, **kwargs): ...
class Mixed(Mixin, Open): ...
class Flagged(nn.Module):
    supports_pp = True
    def forward(self, input_ids, intermediate_tensors=None): ...
""",
    f"{MODELS}/moved.py": "from .tiny import Staged\n",
}


@pytest.mark.parametrize(
    ("name", "staged"),
    [
        ("Staged", True), ("Heir", True), ("Plain", False), ("Deaf", False), ("Mixed", True), ("Flagged", True),
        ("Moved", True), ("Gone", None),
    ],
)  # fmt: skip
def test_the_interface_and_what_forward_takes_decide(tmp_path: Path, name: str, staged: bool | None) -> None:
    found, _ = extract_registry(make_trees(tmp_path, FILES))
    assert found[name].get("stages") is staged


def test_bases_are_asked_in_the_order_of_python(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, FILES)
    order = [name.rpartition(":")[2] for name in resolution_order(trees, "vllm.model_executor.models.tiny:Mixed")]
    assert order.index("Open") < order.index("VllmModel") < order.index("SupportsPP")
