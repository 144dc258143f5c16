"""Arguments, exit codes, streams: what a shell and a pipeline rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from ascend_compat.cli import options
from ascend_compat.cli.check import FORMATS
from ascend_compat.errors import CheckpointError, RuleError, UsageError
from ascend_compat.report.threshold import FAIL_ON

Run = Callable[..., tuple[int, str, str]]


def test_an_incompatible_model_exits_with_1_and_prints_the_report(run: Run, analysis: dict[str, Any]) -> None:
    code, out, err = run("check", "m", "--format", "json")
    assert code == 1
    assert json.loads(out)["verdict"] == "incompatible"
    assert err == ""


def test_a_compatible_model_exits_with_0(run: Run, analysis: dict[str, Any], build: ModuleType) -> None:
    analysis["result"] = build.compatible()
    assert run("check", "m")[0] == 0


@pytest.mark.parametrize(("fail_on", "expected"), [("blocker", 0), ("warning", 1), ("undetermined", 0)])
def test_fail_on_sets_the_threshold(
    run: Run, analysis: dict[str, Any], build: ModuleType, fail_on: str, expected: int
) -> None:
    warning = [row for row in build.incompatible().model_dump(mode="json")["findings"] if row["severity"] == "warning"]
    analysis["result"] = build.compatible(findings=warning)
    assert run("check", "m", "--fail-on", fail_on)[0] == expected


def test_an_undetermined_verdict_fails_only_when_asked(run: Run, analysis: dict[str, Any], build: ModuleType) -> None:
    analysis["result"] = build.compatible(verdict="undetermined")
    assert run("check", "m")[0] == 0
    assert run("check", "m", "--fail-on", "undetermined")[0] == 1


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(run: Run, analysis: dict[str, Any], name: str) -> None:
    code, out, _ = run("check", "m", "--format", name)
    assert code == 1
    assert "AC301" in out


def test_the_formats_are_what_they_say(run: Run, analysis: dict[str, Any]) -> None:
    assert json.loads(run("check", "m", "--format", "sarif")[1])["version"] == "2.1.0"
    assert ElementTree.fromstring(run("check", "m", "--format", "junit")[1]).tag == "testsuites"
    assert run("check", "m", "--format", "github")[1].startswith("::error ")
    assert run("check", "m", "--format", "markdown")[1].startswith("# ")


def test_the_language_is_chosen_at_the_edge(run: Run, analysis: dict[str, Any]) -> None:
    assert "不兼容" in run("check", "m", "--lang", "zh")[1]


def test_output_goes_to_the_file_and_not_to_stdout(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    code, out, _ = run("check", "m", "--format", "json", "-o", str(tmp_path / "r.json"))
    assert (code, out) == (1, "")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["schema_version"] == 1


def test_a_failed_analysis_leaves_no_file(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    analysis["result"] = CheckpointError("no config.json", "check the path")
    assert run("check", "m", "-o", str(tmp_path / "r"))[0] == 3
    assert not (tmp_path / "r").exists()


def test_a_file_that_can_not_be_written_is_a_usage_error(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    code, _, err = run("check", "m", "-o", str(tmp_path / "no" / "r"))
    assert code == 2
    assert err.startswith("ascend-compat: error: can't write")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckpointError("bad\nthing", "do this"), 3),
        (UsageError("no such SoC", "do this"), 2),
        (ValueError("x\x1b"), 3),
    ],
)
def test_an_error_is_one_line_on_stderr(run: Run, analysis: dict[str, Any], error: Exception, code: int) -> None:
    analysis["result"] = error
    got, out, err = run("check", "m")
    assert (got, out) == (code, "")
    assert err.startswith("ascend-compat: error: ")
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "Traceback" not in err


def test_a_hint_follows_in_parentheses(run: Run, analysis: dict[str, Any]) -> None:
    analysis["result"] = CheckpointError("no config.json", "check the path")
    assert run("check", "m")[2] == "ascend-compat: error: no config.json (check the path)\n"


def test_verbose_shows_the_trace_of_a_defect(run: Run, analysis: dict[str, Any]) -> None:
    analysis["result"] = ValueError("defect")
    assert "Traceback" in run("check", "m", "-v")[2]


def test_an_interrupt_exits_with_130(run: Run, analysis: dict[str, Any]) -> None:
    analysis["result"] = KeyboardInterrupt()
    assert run("check", "m") == (130, "", "")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nonsense",),
        ("check",),
        ("check", "m", "--format", "pdf"),
        ("check", "m", "--tp", "0"),
        ("check", "m", "--tp", "x"),
        ("check", "m", "--gpu-memory-utilization", "1.5"),
        ("check", "m", "--gpu-memory-utilization", "nan"),
        ("check", "m", "--speculative", "[1]"),
        ("check", "m", "--additional-config", "{"),
    ],
)
def test_bad_usage_exits_with_2_before_any_analysis(run: Run, analysis: dict[str, Any], argv: tuple[str, ...]) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert "usage:" in err
    assert analysis["calls"] == []


def test_mtp_and_speculative_contradict_each_other(run: Run, analysis: dict[str, Any]) -> None:
    assert run("check", "m", "--mtp", "1", "--speculative", "{}")[0] == 2


def test_the_options_reach_the_analysis(run: Run, analysis: dict[str, Any]) -> None:
    run(
        *("check", "org/m", "--target", "0.18.0rc1", "--soc", "910B", "--npu-memory", "60.97", "--rules", "r"),
        *("--offline", "--tp", "8", "--dp", "2", "--no-ep", "--max-model-len", "4096", "--mtp", "1"),
        *("--quantization", "ascend", "--additional-config", '{"a": 1}', "--enforce-eager"),
    )
    model, given = analysis["calls"][0]
    profile = given.pop("profile")
    assert model == "org/m"
    assert given == {"target": "0.18.0rc1", "soc": "910B", "npu_memory": "60.97", "rules": "r", "offline": True}
    assert (profile.tp, profile.dp, profile.pp, profile.ep, profile.max_model_len) == (8, 2, None, False, 4096)
    assert profile.speculative == {"method": "mtp", "num_speculative_tokens": 1}
    assert (profile.quantization, profile.additional_config, profile.enforce_eager) == ("ascend", {"a": 1}, True)


def test_what_is_not_given_is_left_open(run: Run, analysis: dict[str, Any]) -> None:
    run("check", "m")
    _, given = analysis["calls"][0]
    profile = given["profile"]
    assert (given["target"], given["soc"], given["npu_memory"], given["offline"]) == (None, "A2", None, False)
    assert (profile.tp, profile.ep, profile.speculative, profile.enable_prefix_caching) == (None, None, None, None)


def test_report_writes_the_files_and_shows_the_answer(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    code, out, err = run("report", "m", "-o", str(tmp_path / "out"))
    assert code == 1
    assert out.split("\n")[1] == "Verdict: incompatible"
    assert "wrote ANALYSIS_REPORT.md" in err
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_quiet_says_nothing(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    assert run("report", "m", "-q", "-o", str(tmp_path / "out")) == (1, "", "")


def test_report_names_its_directory_after_the_model(
    run: Run, analysis: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("report", "m")
    assert (tmp_path / "GLM-4.7-FP8-report" / "RUNBOOK.md").is_file()


def test_estimate_is_the_memory_part(run: Run, analysis: dict[str, Any]) -> None:
    code, out, _ = run("estimate", "m", "--format", "json")
    assert code == 0, "memory fits although the checkpoint is incompatible"
    assert set(json.loads(out)) == {"schema_version", "model", "target", "memory"}


def test_estimate_exits_with_1_when_it_does_not_fit(run: Run, analysis: dict[str, Any], build: ModuleType) -> None:
    doc = build.compatible()
    analysis["result"] = doc.model_copy(update={"memory": doc.memory.model_copy(update={"fits": False})})
    assert run("estimate", "m", "--tp", "4")[0] == 1


def test_color_follows_the_switches(
    run: Run, analysis: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in run("check", "m")[1]
    assert "\x1b[" not in run("check", "m", "--no-color")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("check", "m")[1]


@pytest.fixture
def packs(tmp_path: Path) -> str:
    """A rules directory with two packs."""
    (tmp_path / "curated").mkdir()
    (tmp_path / "packs").mkdir()
    for release in ("0.18.0rc1", "0.23.0"):
        (tmp_path / "packs" / f"{release}.json").write_text(json.dumps({"schema": 1, "release": release, "x": [1, 2]}))
    return str(tmp_path)


def test_the_matrix_is_data_or_a_table(run: Run, analysis: dict[str, Any]) -> None:
    code, out, _ = run("matrix", "m", "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert data["rows"][0]["releases"] == ["0.9.1rc1", "0.13.0", "0.18.0"]
    assert data["rows"][0]["cells"][0]["blockers"][0] == "AC301"
    assert data["first"][1]["release"] == "0.23.0"
    assert "0.9.1rc1 ... 0.18.0" in run("matrix", "m")[1]
    assert "| 0.23.0 | no `AC307` ×8 | yes ×4 |" in run("matrix", "m", "--format", "markdown")[1]


def test_the_matrix_takes_the_target_the_device_and_the_launch(run: Run, analysis: dict[str, Any]) -> None:
    run("matrix", "m", "--soc", "A5", "--target", "0.23.0", "--tp", "4", "--rules", "r", "--offline")
    model, given = analysis["calls"][0]
    assert (model, given["soc"], given["target"], given["rules"], given["offline"]) == ("m", "A5", "0.23.0", "r", True)
    assert given["profile"].tp == 4


def test_a_matrix_without_a_yes_exits_with_1(run: Run, analysis: dict[str, Any], build: ModuleType) -> None:
    analysis["matrix"] = build.matrix(runs=False)
    code, out, _ = run("matrix", "m")
    assert code == 1
    assert "A5: no packed release is known to run it." in out


def test_a_bad_model_ends_the_matrix(run: Run, analysis: dict[str, Any]) -> None:
    analysis["matrix"] = CheckpointError("no config.json")
    assert run("matrix", "m")[0] == 3


def test_rules_list_and_show(run: Run, packs: str) -> None:
    listed = run("rules", "list", "--rules", packs)[1].splitlines()
    assert [line.split("\t")[0] for line in listed] == ["0.18.0rc1", "0.23.0"]
    assert "2 entries" in run("rules", "show", "0.18.0rc1", "--rules", packs)[1]
    assert json.loads(run("rules", "show", "0.23.0", "--rules", packs, "--format", "json")[1])["x"] == [1, 2]


def test_an_unknown_release_is_a_usage_error_that_names_the_known(run: Run, packs: str) -> None:
    code, _, err = run("rules", "show", "9.9.9", "--rules", packs)
    assert code == 2
    assert "0.18.0rc1" in err


def test_a_tree_that_is_not_there_can_not_be_built(run: Run, tmp_path: Path) -> None:
    code, _, err = run("rules", "build", "--vllm-ascend", str(tmp_path / "no"), "--vllm", str(tmp_path))
    assert code == 3
    assert "is not a directory" in err


def test_explain_prints_the_page_of_a_code(run: Run, analysis: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# AC301: a cast\n\nEnglish.\n\n## 中文\n\n中文说明。\n"
    monkeypatch.setattr("ascend_compat.report.pages.page", lambda code: text if code == "AC301" else None)
    assert run("explain", "ac301") == (0, text, "")
    assert run("explain", "AC301", "--lang", "zh")[1] == "# AC301: a cast\n\n中文说明。\n"
    assert run("explain", "AC999")[0] == 2
    assert analysis["calls"] == []


def test_explain_shows_the_path_of_a_finding(run: Run, analysis: dict[str, Any]) -> None:
    code, out, _ = run("explain", "m", "--finding", "AC301")
    assert code == 0
    assert "scheme:W8A8_DYNAMIC" in out
    assert run("explain", "m", "--finding", "AC999")[0] == 2


def test_a_damaged_rule_file_is_an_error_of_its_own(run: Run, analysis: dict[str, Any]) -> None:
    analysis["result"] = RuleError("pack is damaged", "build it anew")
    assert run("check", "m")[0] == 3


def test_the_threshold_values_are_those_of_the_report_layer() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    options.add_fail_on(parser)
    action = next(action for action in parser._actions if action.dest == "fail_on")
    assert tuple(action.choices or ()) == FAIL_ON


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from ascend_compat.cli.main import main; code = main(['--help']);"
        "heavy = {'pydantic', 'networkx', 'rich', 'jinja2', 'yaml', 'huggingface_hub', 'modelscope', 'safetensors'};"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "ascend_compat", "explain", "NOPE"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"ascend-compat: error: NOPE")


def test_a_reader_that_stops_early_sees_no_complaint() -> None:
    writer = "import sys; from ascend_compat.cli import main as m, output; "
    script = (
        writer
        + "m.rules.show.run_list = lambda args: output.write('x' * 10**6, None) or 0; "
        + "sys.exit(m.main(['rules', 'list']))"
    )
    command = f'{sys.executable} -c "{script}" | head -c 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("x", "")
