"""Tensor names collapse into templates, and the per-layer count is uniform in every group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.checkpoint.aggregate import Aggregate
from ascend_compat.core.facts import TensorGroup


def groups(names: list[str]) -> tuple[TensorGroup, ...]:
    aggregate = Aggregate()
    for name in names:
        aggregate.add([(name, "BF16", (2, 3), 12)])
    return aggregate.groups()


def test_experts_of_a_layer_are_one_group() -> None:
    names = [f"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight" for layer in (3, 4, 92) for expert in range(5)]
    (group,) = groups(names)
    assert group == TensorGroup("model.layers.*.mlp.experts.*.up_proj.weight", "BF16", (2, 3), 15, 180, (3, 4, 92))
    assert group.per_layer == 5
    assert group.module == "model.layers.*.mlp.experts.*.up_proj"
    assert group.parameter == "weight"


def test_layers_with_fewer_tensors_are_another_group() -> None:
    names = [f"l.{layer}.e.{expert}.w" for layer, count in ((0, 2), (1, 2), (2, 1)) for expert in range(count)]
    assert [(group.layers, group.per_layer) for group in groups(names)] == [((2,), 1), ((0, 1), 2)]


def test_only_whole_components_are_indices() -> None:
    found = {
        group.template: group.layers for group in groups(["a1.b2", "1.w", "w.7", "x.1.2", "h.0x1.w", "9", "a..0."])
    }
    assert found == {
        "a1.b2": (), "*.w": (1,), "w.*": (7,), "x.*.*": (1,), "h.0x1.w": (), "*": (9,), "a..*.": (0,),
    }  # fmt: skip


def test_endless_number_is_no_index() -> None:
    (group,) = groups(["a." + "9" * 5000 + ".w"])
    assert group.layers == ()


@given(st.lists(st.lists(st.sampled_from(["0", "1", "12", "a", "b", "", "x1"]), max_size=6).map(".".join), unique=True))
def test_nothing_is_lost_and_groups_are_uniform(names: list[str]) -> None:
    found = groups(names)
    assert sum(group.count for group in found) == len(names)
    for group in found:
        assert group.count == max(1, len(group.layers)) * group.per_layer
        assert group.bytes == 12 * group.count
