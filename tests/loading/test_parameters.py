"""Which parameters a module has before loading: biases of experts where the checkpoint stores some."""

from __future__ import annotations

import pytest

from ascend_compat.knowledge.evaluate.values import Instance
from ascend_compat.knowledge.loading.parameters import parameters
from ascend_compat.knowledge.modules import Leaf

EXPERTS = Leaf("model.layers.*.mlp.experts", "vllm:FusedMoE", (), "x.py:1", False, ())


@pytest.mark.parametrize(
    ("stored", "biased"), [({"w13_bias", "w2_bias"}, True), ({"bias"}, True), ({"w13_weight"}, False)]
)
def test_experts_have_biases_where_some_are_stored(stored: set[str], biased: bool) -> None:
    owner = Instance(None, {}, label="experts")
    found = parameters({}, EXPERTS, owner, "model.layers.0.mlp.experts", None, stored, "bfloat16", (2, 8, 4))
    assert ("w13_bias" in found and "w2_bias" in found) is biased
    assert {"w13_weight", "w2_weight"} <= set(found)
