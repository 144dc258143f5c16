"""Layouts that are refused before memory matters, and the context a model has positions for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from memory_models import Model, deepseek_v3, glm47, launch, qwen3, qwen35, rules, target

from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind, QuantGroup, VisionProfile
from ascend_compat.core.target import LONGEST, Target
from ascend_compat.errors import UsageError
from ascend_compat.memory.classes import Classes, Staged
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.plan import make_plan
from ascend_compat.report.catalog import templates

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


def on(release: str, soc: str = "A3") -> Target:
    return target(soc, release=release, vllm=release.partition("rc")[0])


MTP = {"method": "mtp", "num_speculative_tokens": 1}
COPIES = {"dynamic_eplb": True, "init_redundancy_expert": 16}
V2 = {"VLLM_USE_V2_MODEL_RUNNER": "1"}
LATENT_96 = replace(deepseek_v3(True)[1].attention[0], heads=96)


@pytest.mark.parametrize(
    ("model", "release", "options", "code"),
    [
        (glm47(), "0.20.2rc1", {"tp": 4, "dp": 2, "pcp": 2}, None),
        (glm47(), "0.23.0", {"tp": 4, "dp": 2, "pcp": 2}, "AC413.context_and_data"),
        (glm47(), "0.24.0rc1", {"tp": 8, "pcp": 2}, None),
        (glm47(), "0.24.0rc1", {"tp": 4, "dp": 2, "pcp": 2}, "AC413.context_and_data"),
        (glm47(), "0.25.1rc1", {"tp": 8, "pcp": 2}, "AC413.prefill_context"),
        (glm47(), "0.25.1rc1", {"tp": 8, "pcp": 2, "environment": V2}, None),
        (glm47(), "0.26.0rc1", {"tp": 8, "pcp": 2, "environment": V2}, "AC413.prefill_attention"),
        (deepseek_v3(True), "0.26.0rc1", {"tp": 8, "pcp": 2, "environment": V2}, None),
        (glm47(), "0.27.1rc1", {"tp": 4, "pp": 2, "pcp": 2, "environment": V2}, "AC413.prefill_stages"),
        (glm47(), "0.30.0rc2", {"tp": 4, "pp": 2, "pcp": 2, "environment": V2}, None),
        (glm47(), "0.27.1rc1", {"tp": 8, "pcp": 2, "speculative": MTP, "environment": V2}, "AC413.prefill_speculative"),
        (deepseek_v3(True), "0.27.1rc1", {"tp": 8, "pcp": 2, "dcp": 2, "environment": V2}, "AC413.both_contexts"),
        (SMALL, "0.30.0rc2", {"tp": 16, "pcp": 4, "dcp": 2, "environment": V2}, "AC413.equal_contexts"),
        (SMALL, "0.30.0rc2", {"tp": 16, "pcp": 2, "dcp": 2, "environment": V2}, None),
        (sparse(), "0.22.1rc1", {"tp": 16, "dcp": 8}, None),
        (sparse(), "0.23.0", {"tp": 16, "dcp": 8}, "AC413.sparse_context"),
        (SMALL, "0.23.0", {"tp": 8, "dcp": 2}, "AC413.decode_context"),
        (deepseek_v3(), "0.15.0rc1", {"tp": 3, "dp": 1}, "AC410.heads"),
        (glm47(), "0.15.0rc1", {"tp": 2, "dp": 3, "pp": 4}, None),
        (glm47(), "0.16.0rc1", {"tp": 2, "dp": 3, "pp": 4}, "AC411.count"),
        (glm47(), "0.11.0", {"tp": 8, "dp": 2, "additional_config": COPIES}, "AC411.unplaced"),
        (glm47(), "0.11.0", {"tp": 8, "dp": 2, "additional_config": {**COPIES, "expert_map_path": "map.json"}}, None),
        (glm47(), "0.11.0", {"tp": 8, "dp": 2, "additional_config": {"dynamic_eplb": True}}, None),
        (glm47(), "0.13.0rc1", {"tp": 8, "dp": 2, "additional_config": COPIES}, "AC411.unplaced"),
        (glm47(), "0.13.0rc2", {"tp": 8, "dp": 2, "additional_config": COPIES}, None),
        (glm47(), "0.23.0", {"tp": 8, "pp": 2, "speculative": MTP}, "AC413.mtp_stages"),
        (glm47(), "0.24.0rc1", {"tp": 8, "pp": 2, "speculative": MTP}, None),
        (
            glm47(),
            "0.23.0",
            {"tp": 8, "pp": 2, "speculative": MTP, "flags": {"--kv-transfer-config": '{"kv_role": "kv_producer"}'}},
            None,
        ),
        (qwen35(), "0.23.0", {"tp": 1, "max_model_len": 512, "flags": {"--block-size": "2048"}}, "AC412.hybrid_block"),
        (qwen35(), "0.23.0", {"tp": 1, "max_model_len": 512, "flags": {"--block-size": "1024"}}, None),
        (qwen35(), "0.30.0rc2", {"tp": 1, "max_model_len": 512, "flags": {"--block-size": "2048"}}, None),
    ],
)
def test_checks_hold_where_the_release_makes_them(
    model: Model, release: str, options: dict[str, Any], code: str | None
) -> None:
    found = refusal(model, on(release), **options)
    assert found == code or (code is None and str(found).startswith("AC401"))


@pytest.mark.parametrize(
    ("release", "tp", "refused"),
    [("0.17.0rc1", 8, True), ("0.16.0rc1", 8, True), ("0.17.0rc1", 4, False), ("0.18.0rc1", 8, False)],
)
def test_the_convolution_of_a_rank_is_cut_into_whole_tiles(release: str, tp: int, refused: bool) -> None:
    """16 key and 48 value heads of 128 are 10240 channels: a rank of four has 2560, five tiles, one of eight 1280."""
    facts, prof = qwen35()
    wide = tuple(replace(g, heads=48) if g.kind is AttentionKind.GDN else g for g in prof.attention)
    found = refusal((facts, replace(prof, attention=wide)), on(release), tp=tp)
    assert (found == "AC413.conv_width") is refused


def test_heads_of_all_decode_ranks_reach_one_attention_call() -> None:
    """96 heads over 16 ranks are 6, which the release pads to 8; with two ranks in one call they are 12."""
    facts, prof = deepseek_v3(True)
    odd = replace(prof, attention=(replace(LATENT_96, layers=prof.attention[0].layers),))
    assert refusal((facts, odd), on("0.23.0"), tp=16, dcp=2) == "AC413.latent_calls"
    assert refusal((facts, odd), on("0.23.0"), tp=16) is None


def classes_of(model: Model, release: str, classes: Classes, **options: Any) -> str | None:
    options = {"max_model_len": 4096, "max_num_batched_tokens": 4096, **options}
    studied = make_plan(*model, on(release), launch(**options), rules(), {}, classes=classes).studied
    assert studied is not None
    return studied.first_failure.id if studied.first_failure else None


def test_a_class_without_stages_takes_no_pipeline() -> None:
    place = Evidence(EvidenceKind.SOURCE, "vllm/model_executor/models/registry.py", 77)
    none, some = Staged("SmallModel", False, place), Staged("SmallModel", True, place)
    assert classes_of(SMALL, "0.23.0", Classes(none), tp=1, pp=2) == "AC413.unstaged"
    assert classes_of(SMALL, "0.23.0", Classes(some), tp=1, pp=2) is None
    assert classes_of(SMALL, "0.23.0", Classes(none), tp=2) is None
    # The draft was checked with the stages of the model until the plugin loaded it on the last stage alone.
    draft = Classes(some, none)
    assert classes_of(glm47(), "0.21.0rc1", draft, tp=8, pp=2, speculative=MTP) == "AC413.draft_stages"
    assert classes_of(glm47(), "0.26.0rc1", draft, tp=8, pp=2, speculative=MTP) is None


def test_the_refusal_names_the_line_that_refuses() -> None:
    place = Evidence(EvidenceKind.SOURCE, "vllm/model_executor/models/registry.py", 77)
    options = {"tp": 1, "pp": 2, "max_model_len": 4096, "max_num_batched_tokens": 4096}
    classes = Classes(Staged("SmallModel", False, place))
    result = make_plan(*SMALL, on("0.23.0"), launch(**options), rules(), {}, classes=classes)
    (finding,) = memory_findings(result, on("0.23.0"), launch(**options))
    assert finding.code == "AC413" and place in finding.evidence
    assert any("vllm/config/model.py:1086" in item.detail for item in finding.evidence)


@pytest.mark.parametrize(
    ("at", "flags", "release", "code"),
    [
        ("vllm/model_executor/models/qwen2_5_vl.py", {}, "0.23.0", "AC410.vision"),
        ("vllm/model_executor/models/qwen2_5_vl.py", {"--mm-encoder-tp-mode": "data"}, "0.23.0", None),
        ("vllm/model_executor/models/intern_vit.py", {}, "0.23.0", None),
        ("vllm/model_executor/models/kimi_k25_vit.py", {}, "0.25.1", "AC410.vision"),
        ("vllm/model_executor/models/kimi_k25_vit.py", {}, "0.26.0", None),
        (None, {}, "0.23.0", None),
    ],
)
def test_encoder_heads_divide_by_tp(at: str | None, flags: dict[str, str], release: str, code: str | None) -> None:
    facts, prof = qwen3(6144, 4, 48, 6, 6144, True)
    tower = VisionProfile("vision", "visual.", 12, 768, 16, 0, "BF16")
    model = facts, replace(prof, towers=(tower,), vocab_size=151_680)
    assert classes_of(model, release, Classes(encoder=at), tp=6, flags=flags) == code


@pytest.mark.parametrize(
    ("release", "options", "code"),
    [
        ("0.18.0", {"tp": 16, "dp": 2, "ep": False}, "AC415.ranks"),
        ("0.18.0", {"tp": 16, "dp": 2, "ep": True}, None),
        ("0.23.0", {"tp": 16, "dp": 2, "ep": False}, None),
    ],
)
def test_packed_experts_have_a_limit_of_ranks(release: str, options: dict[str, Any], code: str | None) -> None:
    facts, prof = deepseek_v3()
    group = QuantGroup(("*",), "W4A8_DYNAMIC", None, None, "I8", ("model.layers.*.mlp.experts.*.up_proj",), 58)
    packed = replace(facts, quant_description={"version": "1.0.0", "group_size": 0})
    model = packed, replace(prof, quantization=replace(prof.quantization, groups=(group,)))
    assert refusal(model, on(release), **options) == code


@pytest.mark.parametrize(
    ("release", "named", "code"),
    [("0.18.0", {}, "AC415.group"), ("0.18.0", {"group_size": 128}, None), ("0.27.1rc1", {}, None)],
)
def test_groups_that_nobody_names_are_those_of_the_release(
    release: str, named: dict[str, int], code: str | None
) -> None:
    facts, prof = deepseek_v3()
    group = QuantGroup(("*",), "W4A8_DYNAMIC", None, None, "I8", ("model.layers.*.mlp.experts.*.up_proj",), 58)
    described = replace(facts, quant_description={"model_quant_type": "W4A8_DYNAMIC", **named})
    model = described, replace(prof, quantization=replace(prof.quantization, groups=(group,)))
    found = refusal(model, on(release), tp=16, ep=False)
    assert (found if found == "AC415.group" else None) == code  # what is left has no room on these cards


def test_every_check_has_a_rule_and_every_rule_a_message() -> None:
    checked = {name for name in templates("en") if name.startswith("AC41") and not name.endswith(".remedy")}
    assert checked == {entry.check for entry in rules().checks}


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
