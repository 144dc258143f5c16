"""KV pages: worked examples, sparse and hybrid attention, windows, release switches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memory_models import Model, deepseek_v3, glm47, launch, qwen3, qwen3_moe, qwen35, rules, target

from ascend_compat.core.plan import Attempt
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB
from ascend_compat.core.verdict import Severity
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.plan import make_plan


def studied(model: Model, on: Target | None = None, **options: object) -> Attempt:
    attempt = make_plan(*model, on or target(), launch(**options), rules(), {}).studied
    assert attempt is not None
    return attempt


def with_attention(*groups: AttentionGroup) -> Model:
    facts, prof = qwen3(1024, 28, 16, 8, 3072, tied=True)
    return facts, replace(prof, attention=groups)


@pytest.mark.parametrize(
    ("model", "options", "per_token", "tokens"),
    [
        (glm47(), {"tp": 8, "dp": 2, "max_num_batched_tokens": 8192}, 47104, 136448),
        (glm47(True), {"tp": 8, "max_num_batched_tokens": 4096}, 47104, 258944),
        (qwen3_moe(True), {"tp": 8, "max_num_batched_tokens": 8192}, 48128, 550144),
        (qwen3_moe(), {"tp": 8, "max_num_batched_tokens": 8096, "gpu_memory_utilization": 0.95}, 48128, 4096),
    ],
)
def test_worked_examples(model: Model, options: dict[str, object], per_token: int, tokens: int) -> None:
    """``tokens`` come from a bound of the activations, so the likely value holds more; the room is used to the page."""
    attempt = studied(model, max_num_seqs=32, **options)
    kv, rank = attempt.kv, attempt.rank
    assert kv is not None and rank is not None
    assert kv.bytes_per_token == per_token
    assert tokens <= kv.pages * kv.block_size <= rank.kv_cache // per_token < kv.pages * kv.block_size + kv.block_size
    assert kv.tokens == kv.requests * kv.max_model_len


def test_latent_pages_are_whole_on_every_rank() -> None:
    model, on = deepseek_v3(True), target(release="0.23.0", vllm="0.23.0")
    mtp = {"method": "mtp", "num_speculative_tokens": 1}
    kv = studied(model, on, tp=4, dp=4, max_num_seqs=32, max_num_batched_tokens=4096, speculative=mtp).kv
    assert kv is not None
    assert kv.bytes_per_token == 62 * 1152 == 71424
    assert kv.pages * kv.block_size >= 76416


def test_hybrid_pages_to_the_last_request() -> None:
    options = {"tp": 1, "max_model_len": 512, "enforce_eager": True, "kv_cache_memory_bytes": int(43.65 * GIB)}
    kv = studied(qwen35(), **options).kv
    assert kv is not None
    assert (kv.page_bytes, kv.block_size) == (2_134_016 * 6, 1024)
    assert (kv.pages, kv.pages_per_request, kv.requests, kv.tokens) == (3660, 4, 915, 468_480)


@pytest.mark.parametrize(
    ("release", "vllm", "tokens"), [("0.18.0", "0.18.0", 936_960), ("0.20.2rc1", "0.20.2", 468_480)]
)
def test_the_engine_logs_blocks_of_a_group_and_later_requests(release: str, vllm: str, tokens: int) -> None:
    """3,660 blocks in four groups: 915 x 1,024 tokens, or 915 requests of 512."""
    options = {"tp": 1, "max_model_len": 512, "enforce_eager": True, "kv_cache_memory_bytes": int(43.65 * GIB)}
    kv = studied(qwen35(), target(release=release, vllm=vllm), **options).kv
    assert kv is not None and kv.pages == 3660
    assert kv.logged_tokens == tokens


@pytest.mark.parametrize(("release", "copies"), [("0.11.0", 4), ("0.13.0", 2), ("0.18.0", 1)])
def test_hybrid_cache_was_planned_once_and_allocated_several_times(release: str, copies: int) -> None:
    """0.11 made a tensor for each of the four layers that share one, 0.13 one for the states and one for the keys."""
    on = target(release=release, vllm=release)
    wide, narrow = (studied(qwen35(), on, tp=1, max_model_len=512, gpu_memory_utilization=u) for u in (0.9, 0.2))
    for attempt in (wide, narrow):
        assert attempt.kv is not None and attempt.kv.copies == copies
        assert attempt.kv.page_bytes == 6 * (2_134_016 if release == "0.18.0" else 640 * 2048)
    assert narrow.fits
    assert (wide.first_failure.id if wide.first_failure else None) == (None if copies == 1 else "AC401.copies")


@pytest.mark.parametrize("release", ["0.11.0", "0.13.0"])
def test_a_share_that_is_too_large_is_a_flag_and_not_a_reason_for_more_cards(release: str) -> None:
    on = target(release=release, vllm=release)
    plan = make_plan(*qwen35(), on, launch(max_model_len=512), rules(), {})
    assert plan.minimum is not None and plan.minimum.npus == 1
    assert plan.studied is not None and plan.studied.first_failure is not None
    assert plan.studied.first_failure.id == "AC401.copies"
    assert [attempt.layout.npus for attempt in plan.tried] == [1]
    found = [f for f in memory_findings(plan, on, launch()) if f.severity is Severity.BLOCKER]
    assert [(f.code, f.conditional) for f in found] == [("AC401", True)]
    flags = found[0].remedy.params["flags"] if found[0].remedy else ""
    share = float(str(flags).removeprefix("--gpu-memory-utilization "))
    again = make_plan(*qwen35(), on, launch(max_model_len=512, gpu_memory_utilization=share), rules(), {})
    assert again.studied is not None and again.studied.fits and again.studied.layout == plan.minimum


def test_hybrid_that_does_not_align_fails_at_start() -> None:
    facts, prof = qwen35()
    groups = (replace(prof.attention[0], head_dim=100), prof.attention[1])
    attempt = studied((facts, replace(prof, attention=groups)), tp=1)
    assert attempt.first_failure is not None and attempt.first_failure.id == "AC412.alignment"
    assert attempt.first_failure.params["keys"] != attempt.first_failure.params["state"]


@pytest.mark.parametrize(("release", "per_token"), [("0.13.0", 2304), ("0.18.0rc1", 1408), ("0.23.0", 1408)])
def test_sparse_attention_by_release(release: str, per_token: int) -> None:
    facts, prof = deepseek_v3()
    group = replace(prof.attention[0], kind=AttentionKind.DSA, index_head_dim=128, index_heads=64)
    kv = studied((facts, replace(prof, attention=(group,))), target(release=release, vllm=release), tp=8, dp=4).kv
    assert kv is not None
    assert kv.bytes_per_token == 61 * per_token


def test_sparse_indexer_in_int8() -> None:
    facts, prof = deepseek_v3()
    group = replace(prof.attention[0], kind=AttentionKind.DSA, index_head_dim=128)
    kv = studied(
        (facts, replace(prof, attention=(group,))), tp=8, dp=4, additional_config={"enable_sparse_c8": True}
    ).kv
    assert kv is not None
    assert kv.bytes_per_token == 61 * 1282


def test_int8_cache_halves_the_page() -> None:
    facts, prof = glm47(True)
    quantized = replace(prof.quantization, kv_cache="C8")
    kv = studied((facts, replace(prof, quantization=quantized)), tp=8).kv
    assert kv is not None
    assert kv.bytes_per_token == 47104 // 2


def test_sliding_windows_bound_the_pages_of_a_long_request() -> None:
    full = AttentionGroup(AttentionKind.GQA, tuple(range(0, 28, 2)), 16, 8, 128)
    window = AttentionGroup(AttentionKind.SLIDING, tuple(range(1, 28, 2)), 16, 8, 128, window=1024)
    options = {"tp": 1, "max_model_len": 32768, "max_num_batched_tokens": 2048}
    kv = studied(with_attention(full, window), **options).kv
    assert kv is not None
    assert kv.pages_per_request == 32768 // 128 + (1023 + 2048 + 127) // 128 + 1
    old = studied(with_attention(full, window), target(release="0.13.0", vllm="0.13.0"), **options).kv
    assert old is not None
    assert old.pages_per_request * old.page_bytes == 28 * 32768 * 4096


def test_smaller_pages_take_more_tokens() -> None:
    wide = AttentionGroup(AttentionKind.GQA, tuple(range(14)), 16, 8, 256)
    narrow = AttentionGroup(AttentionKind.SLIDING, tuple(range(14, 28)), 16, 8, 128, window=512)
    kv = studied(with_attention(wide, narrow), tp=1, max_model_len=4096, max_num_batched_tokens=512).kv
    assert kv is not None
    assert kv.page_bytes == 14 * 128 * 2 * 8 * 256 * 2
    assert kv.pages_per_request == 32 + 5
