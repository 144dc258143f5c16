"""Which parameters a module has before loading: biases of experts where the checkpoint stores some."""

from __future__ import annotations

import pytest

from ascend_compat.core.facts import TensorGroup
from ascend_compat.knowledge.evaluate.values import Instance
from ascend_compat.knowledge.loading.parameters import Stored, parameters
from ascend_compat.knowledge.loading.samples import Sample
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


def test_what_the_checkpoint_counts_and_the_model_names_is_found() -> None:
    """``mm_projector.proj.0`` is loaded as ``mm_projector.linear_1``: a number in a name need not be a layer."""
    groups = {n: TensorGroup(f"proj.*.{n}", "BF16", (8, 8), 2, 256, (0, 2)) for n in ("weight", "bias")}
    samples = [Sample(f"proj.0.{name}", group, 0, (0,)) for name, group in groups.items()]
    stored = Stored.of(samples, {"orig_to_new_prefix": {"proj.0.": "mm.linear_1."}})
    assert stored.at("mm.linear_1", None, ()) == {"weight", "bias"}
    assert stored.at("mm.linear_1", 1, ()) == set()
