"""Layouts that are refused before memory matters, and the context a model has positions for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from memory_models import Model, deepseek_v3, glm47, launch, qwen3, rules, target

from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.core.target import LONGEST, Target
from ascend_compat.errors import UsageError
from ascend_compat.memory.plan import make_plan

SMALL = qwen3(1024, 28, 16, 8, 3072, True)


def plan(model: Model, on: Target | None = None, **options: Any) -> MemoryPlan:
    options = {"max_model_len": 4096, "max_num_batched_tokens": 4096, **options}
    return make_plan(*model, on or target(), launch(**options), rules(), {})


def refusal(model: Model, on: Target | None = None, **options: Any) -> str | None:
    studied = plan(model, on, **options).studied
    assert studied is not None
    return studied.first_failure.id if studied.first_failure else None


def sparse() -> Model:
    """DeepSeek with the sizes of sparse attention."""
    facts, prof = deepseek_v3(True)
    group = replace(prof.attention[0], kind=AttentionKind.DSA, index_head_dim=128, index_heads=64)
    return facts, replace(prof, attention=(group,))


@pytest.mark.parametrize(
    ("model", "options", "code"),
    [
        (SMALL, {"tp": 16, "dcp": 2}, None),
        (SMALL, {"tp": 16, "dcp": 4}, "AC413.decode_context"),
        (SMALL, {"tp": 8, "dcp": 2}, "AC413.decode_context"),
        (deepseek_v3(True), {"tp": 16, "dcp": 16}, None),
        (deepseek_v3(True), {"tp": 16, "dcp": 3}, "AC413.decode_context"),
        (sparse(), {"tp": 16, "dcp": 16}, None),
        (sparse(), {"tp": 16, "dcp": 8}, "AC413.sparse_context"),
        (glm47(), {"tp": 8, "dp": 2, "pcp": 2}, "AC413.context_and_data"),
        (glm47(), {"tp": 8, "pcp": 2}, None),
        (SMALL, {"tp": 1, "additional_config": {"enable_flashcomm1": True}}, "AC413.sequence"),
        (SMALL, {"tp": 2, "environment": {"VLLM_ASCEND_ENABLE_FLASHCOMM1": "1"}}, None),
        (glm47(), {"tp": 8, "dp": 2, "ep": False, "additional_config": {"enable_flashcomm1": True}}, "AC413.sequence"),
        (
            deepseek_v3(True),
            {"tp": 4, "dp": 4, "additional_config": {"finegrained_tp_config": {"lmhead_tensor_parallel_size": 8}}},
            "AC413.fine_grained",
        ),
        (
            glm47(),
            {"tp": 8, "dp": 2, "ep": False, "additional_config": {"eplb_config": {"num_redundant_experts": 16}}},
            "AC411.redundant",
        ),
        (SMALL, {"tp": 1, "flags": {"--kv-cache-dtype": "int8", "--block-size": "16"}}, "AC412.block"),
        (SMALL, {"tp": 1, "max_model_len": 50_000}, "AC412.length"),
    ],
)
def test_static_checks(model: Model, options: dict[str, Any], code: str | None) -> None:
    assert refusal(model, target("A3"), **options) == code


def test_window_layers_exclude_decode_context_parallelism() -> None:
    facts, prof = SMALL
    window = AttentionGroup(AttentionKind.SLIDING, tuple(range(28)), 16, 8, 128, window=512)
    assert refusal((facts, replace(prof, attention=(window,))), target("A3"), tp=16, dcp=2) == "AC413.window_context"


@pytest.mark.parametrize(
    "options",
    [
        {"flags": {"--hf-overrides": json.dumps({"rope_parameters": YARN})}}
        for YARN in ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 40960},)
    ]
    + [
        {"flags": {"--hf-overrides": '{"text_config": {"max_position_embeddings": 131072}}'}},
        {"environment": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}},
    ],
)
def test_overrides_lengthen_the_context(options: dict[str, Any]) -> None:
    assert refusal(SMALL, tp=1, max_model_len=131072) == "AC412.length"
    assert refusal(SMALL, tp=1, max_model_len=131072, **options) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rope_parameters": 3}', '{"rope_parameters": {"factor": "x"}}'])
def test_broken_overrides_change_nothing(text: str) -> None:
    assert refusal(SMALL, tp=1, max_model_len=50_000, flags={"--hf-overrides": text}) == "AC412.length"


def test_the_longest_context_fits_and_one_page_more_does_not() -> None:
    found = plan(deepseek_v3(True), tp=4, dp=4, gpu_memory_utilization=0.85)
    assert found.longest is not None and 0 < found.longest < 163840
    assert refusal(deepseek_v3(True), tp=4, dp=4, gpu_memory_utilization=0.85, max_model_len=found.longest) is None
    more = found.longest + 128
    assert refusal(deepseek_v3(True), tp=4, dp=4, gpu_memory_utilization=0.85, max_model_len=more) == "AC401.kv"


def test_auto_length_is_the_longest_that_fits() -> None:
    found = plan(glm47(True), tp=8, max_model_len=LONGEST)
    assert found.studied is not None and found.studied.kv is not None
    assert found.studied.fits and found.studied.kv.max_model_len == found.longest
    assert not [m for m in found.unknown if m.id == "AC409.length"]
    with pytest.raises(UsageError, match="max-model-len -2"):
        plan(glm47(True), max_model_len=-2)


def test_published_layouts_are_tried_first() -> None:
    facts, prof = glm47()
    options = launch(max_model_len=4096, max_num_batched_tokens=4096)
    usual = make_plan(facts, prof, target("A3"), options, rules(), {})
    liked = make_plan(facts, prof, target("A3"), options, rules(), {}, [(4, 4, 1)])
    assert usual.minimum is not None and liked.minimum is not None
    assert (usual.minimum.tp, liked.minimum.tp) == (16, 4)
    assert usual.minimum.npus == liked.minimum.npus
