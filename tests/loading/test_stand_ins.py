"""Views of tensors: which part of a parameter an index or a slice means, and what a copy leaves empty."""

from __future__ import annotations

import pytest

from ascend_compat.knowledge.evaluate.values import Raised, Unknown
from ascend_compat.knowledge.loading.stand_ins import Buffer, copied, indexed, known, parameter_data, stored


def test_a_slice_per_dimension_is_the_corner_that_a_smaller_tensor_fills() -> None:
    buffer = Buffer("scale", (4, 1024, 16))
    expert = indexed(parameter_data(buffer, "bfloat16"), 2, "")
    corner = indexed(expert, (slice(None, 512), slice(None, 4)), "")
    assert (expert.shape, corner.shape, corner.region) == ((1024, 16), (512, 4), ((2, 1), (0, 512), (0, 4)))
    copied(corner, stored("a", (512, 4), "bfloat16"), "")
    assert buffer.share() == pytest.approx(512 * 4 / (1024 * 16))


def test_a_slice_ends_with_the_tensor_and_an_index_does_not() -> None:
    view = stored("a", (8, 6), "int8")
    assert indexed(view, (slice(2, 99), -1), "").shape == (6,)
    assert indexed(view, slice(5, 2), "").shape == (0, 6)
    with pytest.raises(Raised, match="index 6 is out of bounds for dimension 1 with size 6"):
        indexed(view, (slice(None), 6), "")


@pytest.mark.parametrize("key", [slice(0, 8, 2), slice(Unknown("", "x"), 3), (0, 0, 0), None, True])
def test_other_keys_give_a_tensor_of_unknown_shape_that_comes_from_the_same(key: object) -> None:
    made = indexed(stored("a", (8, 6), "int8"), key, "")
    assert not known(made)
    assert made.origins == {"a"}
