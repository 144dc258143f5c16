"""Options and releases that change what a rank holds: fine-grained groups, towers, load peaks, cache formats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from memory_models import Builder, Model, deepseek_v3, glm47, launch, qwen3, qwen3_moe, qwen35, rules, target

from ascend_compat.core.plan import Attempt
from ascend_compat.core.profile import AttentionGroup, AttentionKind, QuantArgs, QuantGroup, QuantProfile
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB
from ascend_compat.memory.case import make_case
from ascend_compat.memory.plan import make_plan

V18, V23, V26 = (
    target("A3", release, vllm)
    for release, vllm in (("0.18.0", "0.18.0"), ("0.23.0", "0.23.0"), ("0.26.0rc1", "0.26.0"))
)


def studied(model: Model, on: Target = V23, **options: Any) -> Attempt:
    options = {"max_model_len": 4096, "max_num_batched_tokens": 4096, **options}
    attempt = make_plan(*model, on, launch(**options), rules(), {}).studied
    assert attempt is not None and attempt.rank is not None
    return attempt


def weights(model: Model, on: Target = V23, **options: Any) -> int:
    rank = studied(model, on, **options).rank
    assert rank is not None
    return rank.weights


def fine(**sizes: int) -> dict[str, Any]:
    return {"finegrained_tp_config": {f"{name}_tensor_parallel_size": size for name, size in sizes.items()}}


def sparse(own: range = range(61)) -> Model:
    """DeepSeek-V3 with an indexer on the layers of ``own``."""
    facts, prof = deepseek_v3(True)
    builder = Builder()
    builder.add("model.layers.*.self_attn.indexer.wk.weight", (128, 7168), tuple(own))
    group = replace(prof.attention[0], kind=AttentionKind.DSA, index_head_dim=128, index_heads=64)
    return replace(facts, tensors=(*facts.tensors, *builder.groups)), replace(prof, attention=(group,))


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("lmhead", 129280 * 7168 * 2),
        ("embedding", 129280 * 7168 * 2),
        ("oproj", 61 * 7168 * 16384),
        ("mlp", 3 * 3 * 18432 * 7168),
    ],
)
def test_fine_grained_groups_shard_a_module_over_data_parallel_ranks(name: str, saved: int) -> None:
    """Published for DP32 EP32: 1.51, 1.51, 5.8 and 0.9 GB saved by groups of 8."""
    pure = {"tp": 1, "dp": 32, "ep": True}
    less = weights(deepseek_v3(True), **pure) - weights(deepseek_v3(True), **pure, additional_config=fine(**{name: 8}))
    assert less == pytest.approx(saved * 7 / 8, rel=0.002)


def test_a_tower_in_data_mode_is_whole_on_every_rank() -> None:
    tower = 201_000_000
    more = weights(qwen35(), tp=2, flags={"--mm-encoder-tp-mode": "data"}) - weights(qwen35(), tp=2)
    assert more == pytest.approx(tower / 2, rel=0.01)


def test_sequence_parallelism_replicates_shared_experts_up_to_0_25() -> None:
    on = {"tp": 8, "dp": 2, "additional_config": {"enable_flashcomm1": True}}
    shared = 89 * 3 * 1536 * 5120 * 2
    assert weights(glm47(), V23, **on) - weights(glm47(), V23, tp=8, dp=2) == shared * 7 // 8
    assert weights(glm47(), V26, **on) == weights(glm47(), V26, tp=8, dp=2)


def test_context_parallelism_of_sparse_attention_follows_the_release() -> None:
    on = {"tp": 16, "environment": {"VLLM_ASCEND_ENABLE_FLASHCOMM1": "1"}}
    plain = {name: weights(sparse(), release, tp=16) for name, release in (("18", V18), ("23", V23))}
    shared = 58 * 3 * 2048 * 7168 * 15 // 16
    assert weights(sparse(), V18, **on) - plain["18"] > 2 * shared
    assert weights(sparse(), V23, **on) - plain["23"] == pytest.approx(shared, rel=0.01)
    assert weights(sparse(), V23, tp=16, additional_config={"enable_dsa_cp": True}) > plain["23"] + GIB


def test_mixed_placement_adds_an_expert_a_rank() -> None:
    more = weights(glm47(), tp=8, dp=2, additional_config={"mix_placement": True}) - weights(glm47(), tp=8, dp=2)
    assert more == 89 * 3 * 1536 * 5120 * 2


def quantized(declared: str, dtype: str, bits: int, rows: int, version: str) -> Model:
    """GLM-4.7 whose routed experts are stored in another scheme."""
    facts, prof = glm47()
    experts = ".mlp.experts."
    tensors = tuple(
        replace(g, dtype=dtype, shape=(g.shape[0] // rows, *g.shape[1:]), bytes=g.bytes // 2 // rows)
        if experts in g.template
        else g
        for g in facts.tensors
    )
    modules = tuple(g.module for g in tensors if experts in g.template)
    kind = "float" if dtype.startswith("F") else "int"
    group = QuantGroup(("Linear",), declared, QuantArgs(bits, kind, "channel", False, True), None, dtype, modules, 1)
    return (
        replace(facts, tensors=tensors, quant_description={"version": version}),
        replace(prof, quantization=QuantProfile("modelslim", None, (group,))),
    )


def test_unpacked_int4_loads_at_the_size_of_int8() -> None:
    """A 0.18.0 quantization/methods/w4a8.py packs after everything is in; version 1.0.0 comes packed."""
    experts = 89 * 20 * 3 * 1536 * 5120
    loose, packed = (
        studied(quantized("W4A8_DYNAMIC", "I8", 4, rows, version), tp=8).rank
        for rows, version in ((1, ""), (2, "1.0.0"))
    )
    assert loose is not None and packed is not None
    assert loose.weights == packed.weights
    assert loose.load_peak - loose.weights == experts // 2
    assert packed.load_peak == packed.weights


def test_a_load_peak_above_the_device_is_refused_though_the_rest_fits() -> None:
    facts, prof = quantized("W4A8_DYNAMIC", "I8", 4, 1, "")
    on = target("generic", memory=36)
    attempt = make_plan(facts, prof, on, launch(tp=8, max_model_len=4096), rules(), {}).studied
    assert attempt is not None and attempt.first_failure is not None
    assert attempt.first_failure.id == "AC401.load"


def test_shared_exponents_cost_a_byte_for_32_elements() -> None:
    weight = 89 * 20 * 3 * 1536 * 5120
    plain = weights(quantized("W8A8_DYNAMIC", "I8", 8, 1, ""), tp=8)
    assert weights(quantized("W8A8_MXFP8", "F8_E4M3", 8, 1, ""), tp=8) == pytest.approx(plain + weight / 32, rel=0.003)


def kv(model: Model, on: Target = V23, **options: Any) -> tuple[int, int]:
    """Bytes of one block over all layers, and blocks a request needs."""
    plan = studied(model, on, **options).kv
    assert plan is not None
    return plan.page_bytes, plan.pages_per_request


def test_sparse_cache_formats() -> None:
    """Bytes a token and layer: 1408 plain, 1282 with an 8-bit indexer, 912 with a packed latent, 786 with both."""
    sizes = {
        "": {},
        "li": {"enable_sparse_li_c8": True},
        "sfa": {"enable_sparse_sfa_c8": True},
        "both": {"enable_sparse_li_c8": True, "enable_sparse_sfa_c8": True},
    }
    pages = {name: kv(sparse(), tp=16, additional_config=config)[0] for name, config in sizes.items()}
    assert pages == {name: 61 * 128 * size for name, size in (("", 1408), ("li", 1282), ("sfa", 912), ("both", 786))}
    assert kv(sparse(), target("A3", "0.13.0", "0.13.0"), tp=16)[0] == 61 * 128 * 2304


def test_layers_without_an_indexer_cache_no_index_key() -> None:
    assert kv(sparse(range(20)), tp=16)[0] == 128 * (20 * 1408 + 41 * 1152)


def test_context_parallel_ranks_share_the_pages_of_a_request() -> None:
    one, four = (kv(qwen3(1024, 28, 16, 4, 3072, True), tp=16, dcp=dcp) for dcp in (1, 4))
    assert one[0] == four[0]
    assert (one[1], four[1]) == (32, 8)
    assert kv(glm47(True), tp=8, pcp=2)[1] == 16


def test_the_indexer_is_kept_for_every_decode_context_rank() -> None:
    assert kv(sparse(), tp=16, dcp=16) == (61 * 128 * (1152 + 16 * 256), 2)


def test_a_cache_of_eight_bits_takes_half_the_page() -> None:
    model = qwen3(1024, 28, 16, 8, 3072, True)
    assert kv(model, tp=1, flags={"--kv-cache-dtype": "int8"})[0] * 2 == kv(model, tp=1)[0]


def test_states_are_kept_at_block_borders_when_asked() -> None:
    model = qwen35()
    pages = [
        kv(model, tp=1, flags={"--mamba-cache-mode": mode}, enable_prefix_caching=True)[1]
        for mode in ("none", "align", "all")
    ]
    assert pages == [4 + 3, 4 + 3 * 2, 4 + 3 * 4]


def test_close_layer_counts_share_groups_from_1_25_on_in_old_releases() -> None:
    facts, prof = qwen3(1024, 28, 16, 8, 3072, True)
    full = AttentionGroup(AttentionKind.GQA, tuple(range(12)), 16, 8, 128)
    window = AttentionGroup(AttentionKind.SLIDING, tuple(range(12, 28)), 16, 8, 128, window=512)
    model = facts, replace(prof, attention=(full, window))
    assert kv(model, V23, tp=1)[0] == 16 * 128 * 4096
    assert kv(model, target("A3", "0.14.0rc1", "0.13.0"), tp=1)[0] == 12 * 128 * 4096


def test_hardest_layouts() -> None:
    """Qwen3-235B in BF16 on one node: no at 0.9, barely at 0.95; GLM-4.7 W8A8 on one node."""
    on = target("A2")
    assert not studied(qwen3_moe(), on, tp=8, gpu_memory_utilization=0.9).fits
    assert studied(
        qwen3_moe(), on, tp=8, gpu_memory_utilization=0.95, max_num_batched_tokens=8096, max_num_seqs=32
    ).fits
    assert studied(glm47(True), on, tp=8).fits


@pytest.mark.parametrize(
    ("options", "tokens", "seqs"),
    [
        ({}, 2048, 256),
        ({"max_num_seqs": 16}, 2048, 16),
        ({"max_num_batched_tokens": 128}, 128, 128),
        ({"max_num_batched_tokens": 128, "max_num_seqs": 512}, 128, 512),
        ({"max_model_len": 512, "max_num_seqs": 2}, 1024, 2),
        ({"max_model_len": 8192, "flags": {"--no-enable-chunked-prefill": None}}, 8192, 256),
        ({"max_model_len": 1024, "flags": {"--no-enable-chunked-prefill": None}}, 2048, 256),
    ],
)
def test_a_batch_that_is_not_given_is_what_vllm_takes(options: dict[str, Any], tokens: int, seqs: int) -> None:
    """V 0.23.0 vllm/engine/arg_utils.py:2480; without chunked prefill a prompt is one batch."""
    facts, profile = qwen3_moe()
    case = make_case(facts, profile, target(), launch(**options), rules(), {})
    assert (case.batched_tokens, case.num_seqs) == (tokens, seqs)
    assert ("AC409.batch" in {message.id for message in case.unknown}) is ("max_num_batched_tokens" not in options)
