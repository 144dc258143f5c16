"""Output projections that stay whole or go over ranks of their own, and layers dealt out to the ranks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_models import Model, deepseek_v3, launch, rules, target

from ascend_compat.core.profile import AttentionKind
from ascend_compat.memory.plan import make_plan

LAYERS, HIDDEN, HEADS = 61, 7168, 128
OUTPUT = HEADS * 128 * HIDDEN * 2
QUERY = HEADS * 192 * 1536 * 2
PRODUCER = {"--kv-transfer-config": '{"kv_connector": "X", "kv_role": "kv_producer"}'}
CONTEXT = {"enable_flashcomm1": True, "enable_dsa_cp": True}
TP, DP = 8, 2


def sparse() -> Model:
    """DeepSeek-V3 in 16 bit with an indexer."""
    facts, prof = deepseek_v3()
    group = replace(prof.attention[0], kind=AttentionKind.DSA, index_head_dim=128, index_heads=64)
    return facts, replace(prof, attention=(group,))


def part(name: str, release: str = "0.23.0", flags: dict[str, str | None] | None = None, **config: Any) -> int:
    asked = launch(
        tp=TP, dp=DP, ep=True, flags=flags, additional_config={key: value for key, value in config.items() if key},
    )  # fmt: skip
    plan = make_plan(*sparse(), target("A3", release, release.partition("rc")[0]), asked, rules(), {})
    return {item.name: item.bytes for item in plan.breakdown}.get(name, 0)


@pytest.mark.parametrize(
    ("release", "flags", "whole"),
    [("0.23.0", PRODUCER, True), ("0.24.0rc1", PRODUCER, False), ("0.23.0", None, False),
     ("0.23.0", {"--kv-transfer-config": '{"kv_role": "kv_consumer"}'}, False),
     ("0.23.0", {"--kv-transfer-config": "{not json"}, False)],
)  # fmt: skip
def test_the_prefill_side_keeps_the_whole_output_projection(
    release: str, flags: dict[str, str | None] | None, whole: bool
) -> None:
    assert part("attention output", release, flags, **CONTEXT) == LAYERS * OUTPUT // (1 if whole else TP)


def test_elsewhere_one_of_them_is_gathered_in_a_buffer() -> None:
    buffers = [part("load-time buffers", flags=flags, **config) for flags, config in (
        (None, {"enable_flashcomm1": True}), (None, CONTEXT), (PRODUCER, CONTEXT))]  # fmt: skip
    assert buffers[1] - buffers[0] == OUTPUT
    assert buffers[2] == buffers[0]


def test_layers_dealt_out_are_a_share_and_two_that_are_fetched() -> None:
    """61 over 16 ranks: 4, the current one and the next (A 0.18.0 vllm_ascend/ops/layer_shard_linear.py)."""
    both = {**CONTEXT, "layer_sharding": ["o_proj", "q_b_proj"]}
    assert part("attention output", flags=PRODUCER, **both) == (4 + 2) * OUTPUT
    assert part("attention q_b", flags=PRODUCER, **both) == (4 + 2) * QUERY
    one = {**CONTEXT, "layer_sharding": ["q_b_proj"]}
    assert part("attention output", flags=PRODUCER, **one) == LAYERS * OUTPUT


@pytest.mark.parametrize(("release", "flags"), [("0.23.0", None), ("0.24.0rc1", PRODUCER)])
def test_nothing_is_dealt_out_where_the_release_does_not(release: str, flags: dict[str, str | None] | None) -> None:
    plain = part("attention q_b", release, flags, **CONTEXT)
    assert part("attention q_b", release, flags, **CONTEXT, layer_sharding=["q_b_proj"]) == plain


@pytest.mark.parametrize("value", ["o_proj", {"o_proj": 1}, [["o_proj"]], 1, None])
def test_a_list_of_names_is_what_counts(value: object) -> None:
    config = {**CONTEXT, "layer_sharding": value}
    assert part("attention output", flags=PRODUCER, **config) == LAYERS * OUTPUT


@pytest.mark.parametrize(
    ("size", "release", "ranks"),
    [(1, "0.23.0", 1), (4, "0.23.0", 4), (8, "0.23.0", TP), (16, "0.23.0", TP), (0, "0.23.0", TP), ("x", "0.23.0", TP),
     (1, "0.25.1rc1", TP)],
)  # fmt: skip
def test_flashcomm2_cuts_the_output_projection_over_ranks_of_its_own(size: object, release: str, ranks: int) -> None:
    assert part("attention output", release, enable_flashcomm2_parallel_size=size) == LAYERS * OUTPUT // ranks


def test_flashcomm2_deals_out_whole_projections() -> None:
    found = part("attention output", enable_flashcomm2_parallel_size=1, layer_sharding=["o_proj"])
    assert found == (4 + 2) * OUTPUT
