"""Which weights are one row or one column on a rank."""

from __future__ import annotations

import pytest
from defect_cases import GATE

from ascend_compat.core.facts import TensorGroup
from ascend_compat.knowledge.modules import Leaf
from ascend_compat.knowledge.single_lines import single_lines

PACKAGE = "vllm.model_executor.layers.linear:"


def names(shape: tuple[int, ...], cls: str, tp: int | None, dtype: str = "BF16") -> tuple[str, ...] | None:
    leaf = Leaf("model.layers.*.proj", f"{PACKAGE}{cls}", (f"{PACKAGE}LinearBase",), "x.py:1", False, ())
    group = TensorGroup("model.layers.*.proj.weight", dtype, shape, 1, 128, (0,))
    facts = GATE.but(tensors=(group,), leaves=(leaf,)).facts()
    return single_lines(facts.checkpoint, facts.profile, facts.match, tp)


@pytest.mark.parametrize(
    ("shape", "cls", "tp"),
    [
        ((1, 2048), "ReplicatedLinear", 8),
        ((2048, 1), "ReplicatedLinear", None),
        ((32, 2048), "ColumnParallelLinear", 32),
        ((2048, 8), "RowParallelLinear", 8),
    ],
)
def test_a_single_line_on_a_rank_is_found(shape: tuple[int, ...], cls: str, tp: int | None) -> None:
    assert names(shape, cls, tp) == ("proj",)


@pytest.mark.parametrize(
    ("shape", "cls", "tp", "dtype"),
    [
        ((32, 2048), "ReplicatedLinear", 32, "BF16"),
        ((32, 2048), "ColumnParallelLinear", 16, "BF16"),
        ((8, 1, 4), "ColumnParallelLinear", 8, "BF16"),
        ((1, 2048), "ReplicatedLinear", 1, "F32"),
    ],
)
def test_other_weights_are_left_alone(shape: tuple[int, ...], cls: str, tp: int, dtype: str) -> None:
    assert names(shape, cls, tp, dtype) == ()


def test_without_tensors_it_is_not_known() -> None:
    facts = GATE.but(tensors=()).facts()
    assert single_lines(facts.checkpoint, facts.profile, facts.match, 1) is None
