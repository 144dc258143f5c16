"""What the profile run of a release counts: shares of the room, memory in use before start-up, towers, buffers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_models import Model, deepseek_v3, launch, qwen3, qwen3_moe, qwen35, rules, target

from ascend_compat.core.plan import RankMemory
from ascend_compat.core.profile import AttentionKind
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB, MIB
from ascend_compat.memory.plan import make_plan


def rank(model: Model, on: Target, **options: Any) -> RankMemory:
    options = {"max_model_len": 4096, "max_num_batched_tokens": 4096, "tp": 1, **options}
    found = make_plan(*model, on, launch(**options), rules(), {}).studied
    assert found is not None and found.rank is not None
    return found.rank


def small() -> Model:
    return qwen3(1024, 28, 16, 8, 3072, True)


@pytest.mark.parametrize(("release", "share"), [("0.11.0rc0", 1), ("0.17.0rc1", 1), ("0.18.0rc1", 2), ("0.30.0rc2", 2)])
def test_a_310p_gives_half_of_its_room_from_the_release_that_halves_it(release: str, share: int) -> None:
    known = rank(small(), target("310P", release, release.partition("rc")[0], "48G"))
    assert known.kv_cache == (known.budget - known.total) // share


@pytest.mark.parametrize(
    ("soc", "release", "before"),
    [
        ("A2", "0.9.1", 0.60), ("A3", "0.14.0rc1", 0.60), ("A2", "0.15.0rc1", 0.3618), ("A2", "0.17.0rc1", 0.3618),
        ("A2", "0.18.0rc1", 0), ("A3", "0.30.0rc2", 0), ("310P", "0.9.2rc1", 1.25), ("310P", "0.30.0rc2", 1.25),
    ],
)  # fmt: skip
def test_memory_in_use_before_start_up_counts_where_the_worker_counts_all_that_is_in_use(
    soc: str, release: str, before: float
) -> None:
    on = target(soc, release, release.partition("rc")[0], 60.0)
    (estimate,) = [part for part in rank(small(), on).estimates if part.name == "non_torch"]
    runtime = rules().span("runtime_bytes")
    found = (estimate.low, estimate.likely, estimate.high)
    assert [part - size for part, size in zip(found, runtime, strict=True)] == pytest.approx([before * GIB] * 3, abs=2)


def deep(levels: int) -> Model:
    """A vision model of width 768 whose encoder hands the outputs of ``levels`` layers to the language model."""
    facts, profile = qwen35()
    vision = {"deepstack_visual_indexes": list(range(levels))}
    return replace(facts, config={**facts.config, "vision_config": vision}), profile


def peak(model: Model, release: str = "0.18.0", **options: Any) -> int:
    return rank(model, target(release=release, vllm=release.partition("rc")[0]), **options).activation


def test_the_encoder_is_in_the_profile_run_from_0_13() -> None:
    text = replace(qwen35()[1], towers=())
    assert peak(qwen35(), "0.12.0rc1") == peak((qwen35()[0], text), "0.12.0rc1")
    assert peak(qwen35(), "0.13.0rc1") == 65536 * 768 * 18 * 2 + 16384 * 1024 * 2


def test_the_mlp_of_the_encoder_is_split_unless_images_are_dealt_out() -> None:
    kept, one = 16384 * 1024 * 2, 65536 * 768 * 2
    assert peak(qwen35(), tp=2) == one * (6 + 12 // 2) + kept
    assert peak(qwen35(), tp=2, flags={"--mm-encoder-tp-mode": "data"}) == one * 18 + kept


def test_images_follow_the_batched_tokens_and_levels_widen_the_output() -> None:
    two = {"max_num_batched_tokens": 32768}
    assert peak(qwen35(), **two) == 2 * (65536 * 768 * 18 * 2 + 16384 * 1024 * 2)
    assert peak(deep(3)) - peak(qwen35()) == 3 * 16384 * 1024 * 2


@pytest.mark.parametrize("tokens", [4096, 32768])
def test_deepstack_buffers_are_weights_of_every_rank(tokens: int) -> None:
    for tp in (1, 2):
        known = [rank(deep(n), target(), tp=tp, max_num_batched_tokens=tokens).weights for n in (0, 3)]
        assert known[1] - known[0] == 3 * tokens * 1024 * 2


@pytest.mark.parametrize(
    ("release", "draft", "count"),
    [("0.11.0rc1", False, 1), ("0.13.0", True, 0), ("0.16.0rc1", True, 2), ("0.23.0", False, 1)],
)
def test_sparse_attention_keeps_its_choices_in_a_buffer_of_the_model_and_of_each_draft_layer(
    release: str, draft: bool, count: int
) -> None:
    facts, profile = deepseek_v3()
    sparse = replace(profile.attention[0], kind=AttentionKind.DSA, index_head_dim=128, index_heads=64)
    on = target(release=release, vllm=release.partition("rc")[0], memory=512)
    options: dict[str, Any] = {"tp": 8, "speculative": {"method": "mtp"} if draft else None}
    known = [
        rank((replace(facts, config=config), replace(profile, attention=(sparse,))), on, **options).weights
        for config in ({}, {"index_topk": 2048})
    ]
    assert known[1] - known[0] == count * 2048 * 4096 * 4


def test_hyper_connections_keep_streams_that_sequence_parallelism_deals_out() -> None:
    facts, profile = deepseek_v3(True)
    wide = replace(facts, config={"hc_mult": 4})
    one = 4 * 4096 * 7168 * 2
    plain, streams = (peak((known, profile), tp=8, ep=True) for known in (facts, wide))
    assert streams - plain == 3 * one
    sequence = {"additional_config": {"enable_flashcomm1": True}}
    plain, streams = (peak((known, profile), tp=8, ep=True, **sequence) for known in (facts, wide))
    assert streams - plain == 3 * one // 8
    assert peak((facts, profile), tp=8, ep=True) - plain == one - one // 8 - one * 7 // 16


def test_pipeline_buffers_are_taken_after_the_profile_run() -> None:
    one, two = (rank(small(), target(), pp=pp) for pp in (1, 2))
    assert two.non_torch == one.non_torch
    assert two.unprofiled - one.unprofiled == 400 * MIB


def test_a_draft_raises_the_high_end_of_the_graphs_of_experts() -> None:
    found = []
    for draft in (None, {"method": "mtp"}):
        known = rank(deepseek_v3(True), target(), tp=8, dp=2, ep=True, speculative=draft)
        found.append(next(part.high for part in known.estimates if part.name == "graph"))
    assert found[1] > 1.9 * GIB > found[0]


def test_a_32g_card_is_what_its_logs_state() -> None:
    assert target(memory="32G").soc.memory_bytes == 31662800896


@pytest.mark.parametrize(
    ("release", "groups"), [("0.10.2rc1", 0), ("0.11.0rc0", 1), ("0.13.0rc2", 2), ("0.18.0rc1", 0)]
)
def test_releases_that_open_every_dispatcher_at_load_pay_for_groups_they_do_not_use(release: str, groups: int) -> None:
    on = target(release=release, vllm=release.partition("rc")[0], memory=512)
    dense, experts = (rank(model, on, tp=4, ep=False).non_torch for model in (small(), qwen3_moe()))
    assert experts - dense == groups * 400 * MIB


def indexed() -> Model:
    """DeepSeek-V3 in W8A8 with sparse attention."""
    facts, profile = deepseek_v3(True)
    group = replace(profile.attention[0], kind=AttentionKind.DSA, index_head_dim=128, index_heads=64)
    return facts, replace(profile, attention=(group,))


@pytest.mark.parametrize(
    ("release", "implied"), [("0.18.0", True), ("0.19.1rc1", True), ("0.20.2rc1", False), ("0.23.0", False)]
)
def test_sequence_parallelism_implies_whole_sparse_attention_only_where_the_release_says_so(
    release: str, implied: bool
) -> None:
    on = target("A3", release=release, vllm=release.partition("rc")[0])
    asked = [{"enable_flashcomm1": True}, {"enable_flashcomm1": True, "enable_dsa_cp": True}]
    alone, both = (rank(indexed(), on, tp=16, additional_config=options).weights for options in asked)
    assert (alone == both) is implied
    assert alone <= both


@pytest.mark.parametrize(("release", "size"), [("0.19.1rc1", 2), ("0.20.2rc1", 4), ("0.23.0", 4)])
def test_routers_of_latent_models_are_kept_in_float32_from_the_release_that_does(release: str, size: int) -> None:
    on = target("A3", release=release, vllm=release.partition("rc")[0])
    found = make_plan(*deepseek_v3(True), on, launch(tp=16, max_model_len=4096), rules(), {}).breakdown
    (router,) = [item.bytes for item in found if "router" in item.name and "bias" not in item.name]
    assert router == 58 * 256 * 7168 * size
