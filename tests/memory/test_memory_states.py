"""Pages of Mamba2, Kimi delta, plain linear and block-sparse layers, by release; figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memory_models import Model, launch, qwen3, qwen35, rules, target

from ascend_compat.core.plan import KvPlan, MemoryPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.core.units import GIB
from ascend_compat.memory.plan import make_plan

EVEN, ODD = tuple(range(0, 28, 2)), tuple(range(1, 28, 2))
DENSE = AttentionGroup(AttentionKind.GQA, EVEN, 32, 2, 128)
#: Nemotron-H: 64 heads of 64, 8 groups, states of 128.
MAMBA = AttentionGroup(AttentionKind.MAMBA, ODD, 64, 8, 64, 128, conv_kernel=4, state_dtype="float32")
#: Kimi-Linear: 32 heads of 128, latent attention of 512 + 64.
DELTA = AttentionGroup(AttentionKind.KDA, ODD, 32, 32, 128, 128, conv_kernel=4)
LATENT = AttentionGroup(
    AttentionKind.MLA, EVEN, 32, None, 192, 128, kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128
)


def plan(*groups: AttentionGroup, release: str = "0.23.0", **options: object) -> MemoryPlan:
    facts, prof = qwen3(1024, 28, 32, 2, 3072, tied=True)
    model: Model = facts, replace(prof, attention=groups)
    options = {"tp": 1, "max_model_len": 4096, "max_num_batched_tokens": 2048, **options}
    on = target(release=release, vllm=release.partition("rc")[0])
    return make_plan(*model, on, launch(**options), rules(), {})


def pages(*groups: AttentionGroup, release: str = "0.23.0", **options: object) -> KvPlan:
    studied = plan(*groups, release=release, **options).studied
    assert studied is not None and studied.kv is not None
    return studied.kv


def test_mamba2_state_fills_the_keys_of_a_block() -> None:
    """State 64 x 64 x 128 x 4 = 2,097,152; keys 2 x 128 x 2 = 512; 4,096 tokens; conv 3 x (4096 + 2048) x 2."""
    kv = pages(DENSE, MAMBA)
    assert kv.block_size == 4096
    assert kv.page_bytes == 14 * (4096 * 1024 + 36_864)
    assert kv.pages_per_request == 1 + 1


def test_mamba2_groups_are_copied_only_when_there_is_one() -> None:
    single = replace(MAMBA, kv_heads=1)
    # tp 2: conv 3 x (4096 + 2 x 2 x 128) / 2 x 2 bytes, state half; keys of one head.
    kv = pages(DENSE, single, tp=2)
    assert kv.page_bytes == 14 * (4096 * 512 + 3 * 4608)
    refused = plan(DENSE, replace(MAMBA, kv_heads=3), tp=2).studied
    assert refused is not None and refused.first_failure is not None
    assert refused.first_failure.id == "AC410.state_groups"


@pytest.mark.parametrize(
    ("release", "block", "page"),
    [
        # state 32 x 128 x 128 x 4 = 2,097,152; keys of the latent 1,024 a token; convolution 3 x 4096 x 2 beside
        ("0.22.1rc1", 2048, 2048 * 1152 + 24_576),
        # one convolution of 3 x 12288 x 2
        ("0.23.0", 2048, 2048 * 1152 + 73_728),
        # 128 x ceil((2,097,152 + 73,728) / (128 x 1152)) tokens, nothing beside them
        ("0.30.0rc2", 1920, 1920 * 1152),
    ],
)
def test_kimi_delta_by_release(release: str, block: int, page: int) -> None:
    kv = pages(LATENT, DELTA, release=release)
    assert (kv.block_size, kv.page_bytes) == (block, 14 * page)


def test_kimi_delta_does_not_start_where_keys_count_the_rope() -> None:
    studied = plan(LATENT, DELTA, release="0.18.0").studied
    assert studied is not None and studied.first_failure is not None
    assert studied.first_failure.id == "AC412.alignment"


def test_the_flag_names_the_dtype_of_the_state() -> None:
    half = pages(DENSE, MAMBA, flags={"--mamba-ssm-cache-dtype": "bfloat16"})
    assert half.block_size == 2048


def test_plain_linear_attention_has_no_convolution() -> None:
    linear = AttentionGroup(AttentionKind.LINEAR, ODD, 32, 32, 128)
    kv = pages(DENSE, linear)
    assert (kv.block_size, kv.page_bytes) == (2048, 14 * 2048 * 1024)


def test_a_model_of_states_alone_keeps_one_for_each_request() -> None:
    kv = pages(replace(MAMBA, layers=tuple(range(28))), kv_cache_memory_bytes=GIB)
    assert kv.page_bytes == 28 * (2_097_152 + 36_864)
    assert kv.requests == kv.pages == GIB // kv.page_bytes


def test_sizes_that_are_unknown_are_not_guessed() -> None:
    result = plan(DENSE, replace(MAMBA, v_head_dim=None))
    assert result.studied is not None and result.studied.kv is None
    assert "AC409.kv" in {message.id for message in result.unknown}


def test_block_sparse_layers_add_one_index_key() -> None:
    sparse = AttentionGroup(AttentionKind.BLOCK_SPARSE, ODD, 64, 4, 128, index_head_dim=128)
    full = AttentionGroup(AttentionKind.GQA, EVEN, 64, 4, 128)
    kv = pages(sparse, full, tp=4)
    assert kv.bytes_per_token == 28 * 2 * 128 * 2 + 14 * 128 * 2
    assert kv.page_bytes == 128 * kv.bytes_per_token


def test_mixed_windows_share_blocks_until_layers_have_their_own() -> None:
    window = AttentionGroup(AttentionKind.SLIDING, ODD, 32, 2, 128, window=1024)
    shared, private = (pages(DENSE, window, release=release) for release in ("0.28.0rc1", "0.29.0rc1"))
    assert shared.page_bytes == 14 * 128 * 1024
    assert private.page_bytes == 28 * 128 * 1024
    assert shared.pages_per_request == private.pages_per_request


@pytest.mark.parametrize(
    ("release", "block", "page"),
    [("0.15.0rc1", 640, 640 * 2048), ("0.29.0rc1", 1024, 2_134_016), ("0.30.0rc1", 640, 640 * 2048)],
)
def test_gated_delta_block_by_release(release: str, block: int, page: int) -> None:
    on = target(release=release, vllm=release.partition("rc")[0])
    studied = make_plan(*qwen35(), on, launch(tp=1, max_model_len=512), rules(), {}).studied
    assert studied is not None and studied.kv is not None
    assert (studied.kv.block_size, studied.kv.page_bytes) == (block, 6 * page)
