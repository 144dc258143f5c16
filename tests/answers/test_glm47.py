"""The real case: GLM-4.7 in three precisions on vllm-ascend 0.18.0rc1, and its way to a yes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ascend_compat import Report, analyze
from ascend_compat.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
Checkpoint = Callable[[str], Path]


@pytest.fixture(scope="module")
def fp8(checkpoint: Checkpoint) -> Report:
    return analyze(checkpoint("glm-4.7-fp8"), target="0.18.0rc1", soc="A2")


@pytest.fixture(scope="module")
def bf16(checkpoint: Checkpoint) -> Report:
    return analyze(checkpoint("glm-4.7-bf16"), target="0.18.0rc1", soc="A2")


@pytest.fixture(scope="module")
def w8a8(checkpoint: Checkpoint) -> Report:
    return analyze(checkpoint("glm-4.7-w8a8"), target="0.18.0rc1", soc="A2")


def blockers(report: Report) -> list[Any]:
    return [f for f in report.findings if f.severity.value == "blocker"]


def test_the_fp8_checkpoint_is_incompatible_because_its_values_are_cast_into_int8(fp8: Report) -> None:
    assert fp8.verdict.value == "incompatible"
    found = blockers(fp8)
    assert {f.code for f in found} == {"AC301"}
    for blocker in found:
        assert blocker.effect.value == "wrong-output"
        assert blocker.basis.value == "source"
        assert (blocker.params["scheme"], blocker.params["stored"], blocker.params["allocated"]) == (
            "W8A8_DYNAMIC",
            "F8_E4M3",
            "int8",
        )
        places = [e.place for e in blocker.evidence if e.kind.value == "source"]
        assert any(p.startswith("vllm_ascend/quantization/methods/w8a8_dynamic.py:") for p in places)
        assert any(p.startswith("vllm_ascend/quantization/compressed_tensors_config.py:") for p in places)


def test_the_blockers_path_runs_from_the_checkpoint_through_dispatch_to_the_stored_dtype(fp8: Report) -> None:
    path = blockers(fp8)[0].path
    assert path[0] == "checkpoint"
    assert path[1:6] == [
        "quant_method:compressed-tensors",
        "config:AscendCompressedTensorsConfig",
        "decision:_detect_quant_type",
        "scheme:W8A8_DYNAMIC/linear",
        "class:AscendW8A8DynamicLinearMethod",
    ]
    assert path[-1] == "stored:F8_E4M3"


def test_linear_layers_and_experts_are_both_named(fp8: Report) -> None:
    classes = {f.params["cls"]: f.params["modules"] for f in blockers(fp8)}
    # 92 layers of qkv and o, 3 of dense gate_up and down, 89 of shared gate_up and down; 89 expert modules.
    assert classes == {"AscendW8A8DynamicLinearMethod": 92 * 2 + 3 * 2 + 89 * 2, "AscendW8A8DynamicFusedMoEMethod": 89}


def test_dummy_weights_pass_where_real_ones_answer_garbage(fp8: Report) -> None:
    assert {g.stage: g.prediction.value for g in fp8.gates} == {"dummy-weights": "pass", "real-weights": "wrong-output"}


def test_mtp_is_present_and_its_draft_architecture_registered(fp8: Report) -> None:
    assert fp8.mtp is not None
    assert (fp8.mtp.declared, fp8.mtp.present, fp8.mtp.layers) == (1, True, [92])
    assert (fp8.mtp.draft_architecture, fp8.mtp.registered) == ("Glm4MoeMTPModel", True)


def test_the_remedies_are_other_weights_on_a2_or_the_first_release_with_an_fp8_scheme_on_a5(fp8: Report) -> None:
    rows = [(r.precision, r.soc, r.npus) for r in fp8.remedies]
    assert rows[:2] == [("modelslim-w8a8", "A2", 8), ("bf16", "A2", 16)]
    a5 = next(r for r in fp8.remedies if r.soc == "A5")
    assert (a5.precision, a5.release) == (None, "0.23.0")
    assert all(r.verified for r in fp8.remedies)


def test_published_totals_are_met(fp8: Report, bf16: Report) -> None:
    assert fp8.model.tensors == 88_542
    assert (bf16.model.tensors, bf16.model.elements) == (44_691, 358_337_791_296)
    assert fp8.model.parameters == bf16.model.parameters == 358_337_791_296


def test_the_bf16_checkpoint_needs_two_nodes_and_says_why_one_is_not_enough(bf16: Report) -> None:
    assert bf16.verdict.value == "compatible"
    assert bf16.findings == []
    minimum = bf16.memory.minimum
    assert minimum is not None
    assert (minimum.npus, minimum.nodes, minimum.tp, minimum.dp, minimum.ep) == (16, 2, 8, 2, True)
    eight = [t for t in bf16.memory.tried if t.npus == 8]
    assert eight
    assert all(not t.fits and t.first_failure is not None for t in eight)
    assert any(abs(t.per_rank.weights / 2**30 - 82.47) < 0.01 for t in eight if t.per_rank)


def test_the_modelslim_checkpoint_is_detected_and_fits_on_one_node(w8a8: Report) -> None:
    assert w8a8.verdict.value == "compatible"
    assert (w8a8.quantization.resolved_method, w8a8.quantization.auto_detected) == ("ascend", True)
    assert w8a8.memory.minimum is not None
    assert w8a8.memory.minimum.npus == 8
    assert w8a8.launch is not None
    assert w8a8.launch.argv[w8a8.launch.argv.index("--quantization") + 1] == "ascend"


def test_the_same_checkpoint_runs_where_the_release_allocates_float8(checkpoint: Checkpoint) -> None:
    path = checkpoint("glm-4.7-fp8")
    assert analyze(path, target="0.23.0", soc="A5").verdict.value == "compatible"
    on_a2 = analyze(path, target="0.23.0", soc="A2")
    assert on_a2.verdict.value == "incompatible"
    assert {f.code for f in blockers(on_a2)} == {"AC307"}


def test_a_wrong_flag_is_refused_as_the_release_refuses_it(checkpoint: Checkpoint) -> None:
    from ascend_compat import LaunchProfile

    report = analyze(checkpoint("glm-4.7-fp8"), target="0.18.0rc1", profile=LaunchProfile(quantization="ascend"))
    assert [(f.code, f.params["exception"]) for f in blockers(report)] == [("AC302", "ValueError")]


def test_qwen35_reproduces_the_logged_pages(checkpoint: Checkpoint) -> None:
    from ascend_compat import LaunchProfile

    launch = LaunchProfile(
        tp=1, max_model_len=512, max_num_batched_tokens=512, kv_cache_memory_bytes=int(43.65 * 2**30)
    )
    report = analyze(checkpoint("qwen3.5-0.8b"), target="0.18.0rc1", soc="A2", profile=launch)
    assert report.verdict.value == "compatible"
    assert report.memory.per_rank is not None
    assert abs(report.memory.per_rank.weights / 2**30 - 1.714) < 0.001
    kv = report.memory.kv
    assert kv is not None
    assert (kv.pages, kv.requests, kv.tokens) == (3_660, 915, 468_480)


def test_every_category_of_the_published_operator_table_has_an_implementation(fp8: Report) -> None:
    by_category = {row.category for row in fp8.operators if row.status in ("replaced", "native", "patched")}
    assert {"norm", "activation", "linear", "moe", "attention", "rope"} <= by_category
    assert all(row.evidence for row in fp8.operators)
    experts = next(r for r in fp8.operators if r.operator == "SharedFusedMoE")
    assert (experts.status, experts.implementation) == ("replaced", "AscendSharedFusedMoE")


def test_the_command_line_gives_the_same_answer_and_its_json_validates(
    checkpoint: Checkpoint, fp8: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(checkpoint("glm-4.7-fp8"))
    assert main(["check", path, "--target", "0.18.0rc1", "--soc", "A2", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8")))
    assert document == json.loads(fp8.to_json())


def test_the_report_has_every_section_in_both_languages(fp8: Report) -> None:
    for lang in ("en", "zh"):
        text = fp8.to_markdown(lang)
        assert text.count("\n## ") >= 12
        assert "vllm_ascend/quantization/methods/w8a8_dynamic.py:" in text
        assert "Glm4MoeMTPModel" in text
