"""Pages of compressed attention, by the sizes of DeepSeek-V4-Flash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_models import Builder, Model, launch, profile, rules, target

from ascend_compat.core.plan import KvPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind, MtpProfile
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB
from ascend_compat.memory.plan import make_plan

V23 = target("A3", "0.23.0", "0.23.0")
MTP = {"method": "mtp", "num_speculative_tokens": 1}


def compressed(head_dim: int | None = 512) -> Model:
    """43 layers: 2 with a window only, 21 that compress by 4 and 20 by 128."""
    builder = Builder()
    builder.ends(129280, 4096)
    window = AttentionGroup(AttentionKind.SLIDING, (0, 1), 64, 1, head_dim, window=128)
    fine, coarse = tuple(range(2, 43, 2)), tuple(range(3, 43, 2))
    groups = [
        AttentionGroup(AttentionKind.COMPRESSED, layers, 64, 1, head_dim, index_head_dim=128, compress_ratio=ratio)
        for layers, ratio in ((fine, 4), (coarse, 128))
    ]
    return builder.facts(), profile(
        builder, hidden_size=4096, layers=43, vocab_size=129280, max_positions=1048576,
        attention=(window, *groups), mtp=MtpProfile(1, (0,), "mtp.*", 1, 1),
    )  # fmt: skip


def kv(model: Model, on: Target = V23, **options: Any) -> KvPlan | None:
    options = {"max_model_len": 65536, "max_num_batched_tokens": 4096, "tp": 1, **options}
    studied = make_plan(*model, on, launch(**options), rules(), {}).studied
    assert studied is not None
    return studied.kv


def test_a_block_is_two_pages_for_every_tuple_of_layers() -> None:
    """Keys 128 x 512 x 2, index 128 x (128 + 2); 43 windows in two groups of at most 22, beside 21 and 20 layers."""
    plan, drafted = kv(compressed()), kv(compressed(), speculative=MTP)
    assert plan is not None and drafted is not None
    assert plan.page_bytes == (131072 + 16640) * 22
    assert drafted.page_bytes == (131072 + 16640) * 23


def test_a_request_takes_blocks_of_every_group() -> None:
    plan = kv(compressed())
    assert plan is not None
    tokens, windows, states = 65536 // 512 + 65536 // 16384, 2 * (33 + 1), (513 + 1) + (132 + 1)
    assert plan.pages_per_request == tokens + windows + states + 0
    assert plan.requests == plan.pages // plan.pages_per_request


def test_smaller_blocks_hold_less() -> None:
    plan = kv(compressed(), flags={"--block-size": "32"})
    assert plan is not None and plan.page_bytes == (131072 + 16640) // 4 * 22


def test_a5_caches_in_eight_bits() -> None:
    plan = kv(compressed(), target("A5", "0.23.0", "0.23.0"))
    assert plan is not None and plan.page_bytes == (128 * 640 + 128 * 132) * 22


@pytest.mark.parametrize("change", [{"head_dim": None}, {"compress_ratio": None}])
def test_an_unknown_size_is_unknown_capacity(change: dict[str, Any]) -> None:
    facts, prof = compressed()
    groups = tuple(replace(group, **change) for group in prof.attention)
    plan = make_plan(facts, replace(prof, attention=groups), V23, launch(tp=1, max_model_len=4096), rules(), {})
    assert plan.studied is not None and plan.studied.kv is None
    assert "AC409.kv" in {message.id for message in plan.unknown}


def test_stages_without_compressed_layers_are_unknown() -> None:
    facts, prof = compressed()
    plan = make_plan(facts, prof, V23, launch(tp=1, pp=43, max_model_len=4096), rules(), {})
    assert plan.studied is not None
    assert plan.studied.kv is None or plan.studied.kv.page_bytes < GIB


def weights(model: Model, release: str, **options: Any) -> int:
    on = target("A3", release, release.partition("rc")[0])
    options = {"max_model_len": 65536, "max_num_batched_tokens": 4096, "tp": 1, **options}
    studied = make_plan(*model, on, launch(**options), rules(), {}).studied
    assert studied is not None and studied.rank is not None
    return studied.rank.weights


@pytest.mark.parametrize(
    ("release", "drafting", "rows", "size"),
    [("0.13.0rc3", False, 4, 2), ("0.20.2rc1", True, 4, 4), ("0.23.0", False, 4, 4), ("0.23.0", True, 8, 4)],
)
def test_rotary_caches_of_compressed_attention_have_two_bases_and_rows_of_the_batch(
    release: str, drafting: bool, rows: int, size: int
) -> None:
    facts, known = compressed()
    options = {"speculative": MTP} if drafting else {}
    wide = replace(facts, config={"rope_theta": 10000, "compress_rope_theta": 160000})
    with_caches = weights((wide, replace(known, rotary_dim=64)), release, **options)
    without = weights((wide, replace(known, rotary_dim=64, max_positions=None)), release, **options)
    assert with_caches - without == 2 * (2 * 1048576 + rows * 4096) * 64 * size


@pytest.mark.parametrize(
    ("release", "options", "kept"),
    [
        ("0.13.0rc3", {}, False), ("0.20.2rc1", {}, True), ("0.26.0rc1", {}, True), ("0.27.1rc1", {}, False),
        ("0.29.0rc1", {"speculative": MTP}, True), ("0.30.0rc2", {"speculative": MTP}, False),
    ],
)  # fmt: skip
def test_residual_streams_are_kept_for_the_draft(release: str, options: dict[str, Any], kept: bool) -> None:
    facts, known = compressed()
    more = weights((replace(facts, config={"hc_mult": 4}), known), release, **options)
    assert more - weights((facts, known), release, **options) == kept * 4096 * 4 * 4096 * 2
