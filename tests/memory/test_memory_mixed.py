"""Latent experts, attention residuals, output gates and windowed latents in bytes of a rank."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from memory_models import Model, launch, qwen3, rules, target

from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.plan import MemoryPlan, RankMemory
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.core.units import GIB
from ascend_compat.memory.plan import make_plan

#: Kimi-K3 in two layers, its first delta layer dense, its second latent layer with experts.
TEXT: dict[str, Any] = {
    "model_type": "kimi_linear", "architectures": ["KimiLinearForCausalLM"], "dtype": "bfloat16", "hidden_size": 7168,
    "num_hidden_layers": 2, "intermediate_size": 33792, "first_k_dense_replace": 1, "num_experts": 896,
    "num_experts_per_token": 16, "num_shared_experts": 2, "moe_intermediate_size": 3072,
    "routed_expert_hidden_size": 3584, "attn_res_block_size": 1, "vocab_size": 163840,
    "max_position_embeddings": 1048576, "num_attention_heads": 96, "q_lora_rank": 1536, "kv_lora_rank": 512,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "mla_use_nope": True,
    "mla_use_output_gate": True,
    "linear_attn_config": {"num_heads": 96, "head_dim": 128, "short_conv_kernel_size": 4, "use_full_rank_gate": True,
                           "full_attn_layers": [2], "kda_layers": [1]},
}  # fmt: skip


def model(**changes: Any) -> Model:
    facts = configured(CheckpointFacts("", "", None, {**TEXT, **changes}, ("config.json",), (), False))
    return facts, classify(facts)


def plan(known: Model, release: str = "0.23.0", soc: str = "A3", **options: Any) -> MemoryPlan:
    options = {"tp": 16, "dp": 4, "ep": True, "max_model_len": 4096, "max_num_batched_tokens": 8192, **options}
    on = target(soc, release, release.partition("rc")[0])
    return make_plan(*known, on, launch(**options), rules(), {})


def rank(known: Model, **options: Any) -> RankMemory:
    studied = plan(known, **options).studied
    assert studied is not None and studied.rank is not None
    return studied.rank


def parts(known: Model, **options: Any) -> dict[str, int]:
    return {item.name: item.bytes for item in plan(known, **options).breakdown}


def test_experts_are_those_of_their_latent_and_its_projections_are_whole() -> None:
    found = parts(model())
    assert found["routed experts"] == 896 // 64 * 3 * 3072 * 3584 * 2
    assert found["latent of the experts"] == 2 * 7168 * 3584 * 2


def test_output_gates_are_cut_by_head_and_whole_with_one_row_a_head() -> None:
    assert parts(model())["attention output gate"] == 2 * 12288 * 7168 // 16 * 2
    facts, prof = model()
    narrow = tuple(replace(g, shape=(96, 7168)) if g.template.endswith("g_proj.weight") else g for g in facts.tensors)
    assert parts((replace(facts, tensors=narrow), prof))["attention output gate"] == 2 * 96 * 7168 * 2


def test_latent_attention_without_positions_keeps_no_rotary_cache() -> None:
    assert "rope caches" not in parts(model())
    assert parts(model(mla_use_nope=False))["rope caches"] == 3 * 1048576 * 64 * 2


def test_blocks_of_attention_residuals_lie_beside_the_stream() -> None:
    """Two blocks of 8192 x 7168 in 16 bit, twice; sequence parallelism deals them out to the ranks."""
    one = 2 * 8192 * 7168 * 2
    added = rank(model()).activation - rank(model(attn_res_block_size=None)).activation
    assert added == 2 * one
    sharded = {"additional_config": {"enable_flashcomm1": True}}
    added = rank(model(), **sharded).activation - rank(model(attn_res_block_size=None), **sharded).activation
    assert abs(added - 2 * one // 16) <= 1


def test_delta_layers_align_the_block_of_latent_attention() -> None:
    """State 6 x 128 x 128 x 4 = 393,216; keys of the latent 1,024 a token; convolution 3 x 3 x 768 x 2 beside."""
    studied = plan(model()).studied
    assert studied is not None and studied.kv is not None
    assert (studied.kv.block_size, studied.kv.page_bytes) == (384, 384 * 1152 + 13_824)


def test_windowed_latents_keep_a_latent_of_their_own() -> None:
    """1,024 + 64 elements of 2 bytes; a window of 513 and 2048 batched tokens take 21 + 1 blocks of 128."""
    facts, prof = qwen3(1024, 28, 32, 2, 3072, tied=True)
    group = AttentionGroup(
        AttentionKind.SLIDING, tuple(range(28)), 64, None, 256, 128, kv_lora_rank=1024, qk_rope_head_dim=64, window=513
    )
    options = {"tp": 1, "dp": 1, "ep": None, "max_num_batched_tokens": 2048}
    studied = plan((facts, replace(prof, attention=(group,))), **options).studied
    assert studied is not None and studied.kv is not None
    assert studied.kv.page_bytes == 28 * 128 * 1088 * 2
    assert studied.kv.pages_per_request == 20 + 1


def test_with_a_fixed_cache_the_graphs_and_the_margin_of_its_suggestion_have_to_fit_as_well() -> None:
    """150 MiB stay free in the size that a release suggests for all of a device (A 0.20.2rc1 worker/worker.py:518)."""
    known = qwen3(1024, 28, 32, 2, 3072, tied=True)
    options = {"tp": 1, "dp": 1, "ep": None, "soc": "A2"}
    held = rank(known, **options, kv_cache_memory_bytes=GIB)
    free = held.device - held.total - held.unprofiled - held.graph - 150 * 2**20
    for size, fits in ((free, True), (free + 1, False)):
        studied = plan(known, **options, kv_cache_memory_bytes=size).studied
        assert studied is not None and studied.fits is fits
