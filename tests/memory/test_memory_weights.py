"""Weights per rank against logged figures and hand-derived sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memory_models import Builder, Model, deepseek_v3, glm47, launch, profile, qwen3, qwen3_moe, qwen35, rules, target

from ascend_compat.core.plan import Layout, MemoryPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind, QuantArgs, QuantGroup, QuantProfile
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB
from ascend_compat.memory.case import make_case
from ascend_compat.memory.plan import make_plan
from ascend_compat.memory.weights import stage_layers

MTP = {"method": "mtp", "num_speculative_tokens": 1}
V23 = {"release": "0.23.0", "vllm": "0.23.0"}


def plan(model: Model, on: Target | None = None, **options: object) -> MemoryPlan:
    return make_plan(*model, on or target(), launch(**options), rules(), {})


def weights(model: Model, on: Target | None = None, **options: object) -> float:
    result = plan(model, on, **options)
    assert result.studied is not None and result.studied.rank is not None
    assert sum(item.bytes for item in result.breakdown) == result.studied.rank.weights
    return result.studied.rank.weights / GIB


def test_logged_dense_models() -> None:
    assert weights(qwen3(1024, 28, 16, 8, 3072, tied=True), tp=1) == pytest.approx(1.1395, abs=5e-5)
    assert weights(qwen3(5120, 40, 40, 8, 17408, tied=False), tp=1) == pytest.approx(27.5376, rel=1e-5)


def test_logged_hybrid_model_with_vision_tower() -> None:
    assert weights(qwen35(), tp=1) == pytest.approx(1.714, abs=1e-3)


def test_a_model_served_for_text_alone_has_no_tower() -> None:
    whole, text = (plan(qwen35(), tp=1, flags=flags) for flags in ({}, {"--language-model-only": None}))
    assert whole.studied and whole.studied.rank and text.studied and text.studied.rank
    assert whole.studied.rank.weights - text.studied.rank.weights == pytest.approx(0.201e9, rel=0.01)
    assert text.studied.rank.activation < whole.studied.rank.activation
    assert "AC409.vision" not in {message.id for message in text.unknown}


def test_logged_deepseek_w8a8() -> None:
    assert weights(deepseek_v3(w8=True), tp=4, dp=4) == pytest.approx(44.1591, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (glm47(), {"tp": 8, "dp": 2}, 43.36),
        (glm47(), {"tp": 8, "dp": 2, "speculative": MTP}, 44.12),
        (glm47(), {"tp": 8}, 82.47),
        (glm47(w8=True), {"tp": 8}, 41.67),
        (glm47(w8=True), {"tp": 8, "speculative": MTP}, 42.41),
        (glm47(w8=True), {"tp": 8, "dp": 2}, 22.08),
        (qwen3_moe(w8=True), {"tp": 8}, 27.74),
        (qwen3_moe(), {"tp": 8}, 54.94),
        (qwen3_moe(w8=True), {"tp": 4}, 55.26),
    ],
)
def test_worked_examples(model: Model, options: dict[str, object], expected: float) -> None:
    assert weights(model, **options) == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize(
    ("w8", "options", "expected"),
    [
        (True, {"tp": 4, "dp": 4, "speculative": MTP}, 45.27),
        (True, {"tp": 8, "dp": 2, "speculative": MTP}, 42.79),
        (True, {"tp": 16, "speculative": MTP}, 41.55),
        (True, {"tp": 8}, 80.00),
        (False, {"tp": 8, "dp": 4}, 44.22),
        (False, {"tp": 16}, 80.29),
    ],
)
def test_worked_examples_latent_attention(w8: bool, options: dict[str, object], expected: float) -> None:
    assert weights(deepseek_v3(w8), target(**V23), **options) == pytest.approx(expected, rel=5e-4)


def test_router_of_latent_models_grows_to_float32_in_newer_releases() -> None:
    old = weights(deepseek_v3(), tp=8, dp=4)
    new = weights(deepseek_v3(), target(**V23), tp=8, dp=4)
    assert round((new - old) * GIB) == 58 * 256 * 7168 * 2


def test_expert_bytes_do_not_depend_on_expert_parallelism() -> None:
    model = glm47()
    assert weights(model, tp=8, dp=2, ep=True) == pytest.approx(weights(model, tp=8, dp=2, ep=False), rel=1e-9)


def test_shared_experts_are_whole_when_asked() -> None:
    model = glm47()
    more = weights(model, tp=8, additional_config={"enable_shared_expert_dp": True}) - weights(model, tp=8)
    assert round(more * GIB) == 89 * 3 * 1536 * 5120 * 2 * 7 // 8


def test_redundant_experts_add_whole_experts() -> None:
    model = glm47()
    extra = {"eplb_config": {"num_redundant_experts": 8}}
    assert (
        round((weights(model, tp=8, additional_config=extra) - weights(model, tp=8)) * GIB) == 89 * 3 * 1536 * 5120 * 2
    )


def test_key_value_heads_are_replicated_beyond_their_number() -> None:
    model = qwen3(1024, 28, 16, 2, 3072, tied=True)
    named = {tp: {i.name: i.bytes for i in plan(model, tp=tp).breakdown} for tp in (2, 4, 8)}
    assert named[2]["attention k, v"] == named[4]["attention k, v"] == named[8]["attention k, v"]
    assert named[4]["attention q"] == 2 * named[8]["attention q"]


def test_vocabulary_is_padded_before_it_is_split() -> None:
    facts, prof = qwen3(64, 2, 8, 8, 128, tied=True)
    groups = tuple(
        replace(g, shape=(1000, 64), bytes=1000 * 64 * 2) if "embed" in g.template else g for g in facts.tensors
    )
    result = plan((replace(facts, tensors=groups), replace(prof, vocab_size=1000)), tp=8)
    assert {i.name: i.bytes for i in result.breakdown}["embedding"] == 1024 // 8 * 64 * 2


def stage_sizes(layers: int, pp: int, **environment: str) -> list[int]:
    facts, prof = qwen3(1024, layers, 16, 8, 3072, tied=False)
    case = make_case(facts, prof, target(), launch(environment=environment), rules(), {})
    return [len(stage) for stage in stage_layers(case, pp)]


def test_stages_split_layers_away_from_the_last() -> None:
    assert stage_sizes(94, 4) == [23, 24, 24, 23]
    assert stage_sizes(61, 4) == [15, 15, 16, 15]


def test_the_partition_of_the_user_wins_where_it_adds_up() -> None:
    assert stage_sizes(61, 4, VLLM_PP_LAYER_PARTITION="10, 17,17,17") == [10, 17, 17, 17]
    assert stage_sizes(61, 4, VLLM_PP_LAYER_PARTITION="10,10,10,10") == [15, 15, 16, 15]


def test_pipeline_stages_hold_everything_once() -> None:
    model = qwen3(1024, 28, 16, 8, 3072, tied=False)
    whole, half = weights(model, tp=1), weights(model, tp=1, pp=2)
    assert whole / 2 < half < whole * 0.6


def test_tied_embedding_is_on_both_ends_of_a_pipeline() -> None:
    model = qwen3(1024, 28, 16, 8, 3072, tied=True)
    breakdown = {i.name: i.bytes for i in plan(model, tp=1, pp=2).breakdown}
    assert breakdown["embedding"] == 151936 * 1024 * 2


def test_unknown_names_are_counted_whole_and_said() -> None:
    facts, prof = qwen3(1024, 28, 16, 8, 3072, tied=True)
    odd = Builder()
    odd.add("model.layers.*.novelty.mixing_table", (100, 10), range(28))
    result = plan((replace(facts, tensors=(*facts.tensors, *odd.groups)), prof), tp=2)
    assert {i.name: i.bytes for i in result.breakdown}["unrecognised, kept whole"] == 28 * 1000 * 2
    assert any(message.id == "AC409.modules" for message in result.unknown)


def test_buffers_and_unused_mtp_are_not_loaded() -> None:
    facts, prof = qwen3(1024, 28, 16, 8, 3072, tied=True)
    odd = Builder()
    odd.add("model.layers.*.self_attn.rotary_emb.inv_freq", (64,), range(28), dtype="F32")
    odd.add("mtp.layers.*.mlp.up_proj.weight", (3072, 1024), (0,))
    grown = (replace(facts, tensors=(*facts.tensors, *odd.groups)), prof)
    assert weights(grown, tp=1) == weights((facts, prof), tp=1)


def test_packed_int4_is_counted_by_its_logical_size() -> None:
    b = Builder()
    b.ends(64, 64, tied=True)
    b.add("model.layers.*.mlp.up_proj.weight_packed", (256, 8), range(2), dtype="I32")
    b.add("model.layers.*.mlp.up_proj.weight_scale", (256, 2), range(2))
    args = QuantArgs(4, "int", "group", False, True, 32)
    group = QuantGroup(("Linear",), "W4A16", args, None, "I32", ("model.layers.*.mlp.up_proj",), 2)
    attention = AttentionGroup(AttentionKind.GQA, (0, 1), 4, 4, 16)
    prof = profile(b, hidden_size=64, layers=2, vocab_size=64, max_positions=16, attention=(attention,))
    prof = replace(prof, quantization=QuantProfile("compressed-tensors", "pack-quantized", (group,)))
    result = plan((b.facts(), prof), tp=1)
    # int4 elements, then scale and zero offset of 2 bytes each per group of 32
    assert {i.name: i.bytes for i in result.breakdown}["dense MLP"] == 2 * (256 * 64 // 2 + 256 * 2 * 4)


def test_studied_layout_is_the_one_asked_for() -> None:
    result = plan(glm47(), tp=8, dp=4)
    assert result.studied is not None
    assert result.studied.layout == Layout(32, 4, 8, 4, 1, True)
    assert result.minimum == Layout(16, 2, 8, 2, 1, True)


@pytest.mark.parametrize(
    ("declared", "per_row", "per_column"), [("W8A8_DYNAMIC", 8, 0), ("W8A8", 12, 6), ("UNHEARD_OF", 8, 0)]
)
def test_modelslim_schemes_are_named(declared: str, per_row: int, per_column: int) -> None:
    b = Builder(w8=True)
    b.ends(64, 64, tied=True)
    b.linear("model.layers.*.mlp.up_proj", (256, 64), range(2))
    group = QuantGroup((declared,), declared, None, None, "I8", tuple(b.modules), 2)
    attention = AttentionGroup(AttentionKind.GQA, (0, 1), 4, 4, 16)
    prof = profile(b, hidden_size=64, layers=2, vocab_size=64, max_positions=16, attention=(attention,))
    prof = replace(prof, quantization=QuantProfile("modelslim", declared, (group,)))
    breakdown = {i.name: i.bytes for i in plan((b.facts(), prof), tp=1).breakdown}
    assert breakdown["dense MLP"] == 2 * (256 * 64 + 256 * per_row + 64 * per_column)
