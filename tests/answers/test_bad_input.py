"""Bad input gets one clear line or a finding, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ascend_compat import analyze
from ascend_compat.cli.main import main

Checkpoint = Callable[[str], Path]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(["check", *argv])
    return code, capsys.readouterr().err


@pytest.fixture
def qwen(damageable: Checkpoint) -> Path:
    """A checkpoint that a test may damage."""
    return damageable("qwen3.5-0.8b")


@pytest.mark.parametrize(
    ("config", "says"),
    [(None, "config.json"), ("not json {", "config.json"), ("[1, 2]", "config.json"), ("", "config.json")],
)
def test_a_directory_that_is_no_checkpoint_ends_with_3_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str | None, says: str
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    code, err = run(capsys, str(tmp_path))
    assert code == 3
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_a_wrong_path_ends_with_3_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = run(capsys, str(tmp_path / "nothing-here"))
    assert code == 3
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("argv", [["--target", "9.9.9"], ["--soc", "H100"], ["--format", "xml"]])
def test_an_unknown_release_soc_or_format_is_a_usage_error(
    qwen: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    try:
        code = main(["check", str(qwen), *argv])
    except SystemExit as stop:  # argparse's own
        code = int(stop.code or 0)
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_truncated_shard_is_a_blocker_with_both_sizes(qwen: Path) -> None:
    shard = next(qwen.glob("*.safetensors"))
    size = shard.stat().st_size
    with shard.open("r+b") as file:
        file.truncate(size - 4096)
    report = analyze(qwen, target="0.18.0rc1")
    damage = next(f for f in report.findings if f.code == "AC101")
    assert report.verdict.value == "incompatible"
    assert str(size - 4096) in str(list(damage.params.values())) or str(size) in damage.message
    assert report.gates[1].prediction.value == "fail"


def test_a_git_lfs_pointer_instead_of_a_shard_is_a_blocker(qwen: Path) -> None:
    shard = next(qwen.glob("*.safetensors"))
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
    shard.write_text(pointer, encoding="utf-8")
    report = analyze(qwen, target="0.18.0rc1")
    assert "AC103" in {f.code for f in report.findings}
    assert report.verdict.value == "incompatible"


def test_an_unknown_architecture_is_named_with_the_registry(qwen: Path) -> None:
    config = json.loads((qwen / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["NeverHeardOfForCausalLM"]
    (qwen / "config.json").write_text(json.dumps(config), encoding="utf-8")
    report = analyze(qwen, target="0.18.0rc1")
    found = next(f for f in report.findings if f.code == "AC201")
    assert report.verdict.value == "incompatible"
    assert found.evidence[0].path == "vllm/model_executor/models/registry.py"


def test_a_directory_with_only_a_config_gets_the_answer_of_the_checkpoint(qwen: Path) -> None:
    read = analyze(qwen, target="0.18.0rc1")
    for file in qwen.glob("model*"):
        file.unlink()
    report = analyze(qwen, target="0.18.0rc1")
    assert report.model.has_weights is False
    assert report.model.table is not None and report.model.table.level == "verified"
    assert "AC115.computed" in {row.message_id for row in report.findings}
    assert report.verdict is read.verdict and report.memory.minimum == read.memory.minimum
    assert report.model.checkpoint_bytes == read.model.checkpoint_bytes
    assert report.model.parameters == read.model.parameters


def test_a_config_that_no_table_covers_is_answered_and_says_what_is_missing(qwen: Path) -> None:
    for file in qwen.glob("model*"):
        file.unlink()
    config = json.loads((qwen / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["linear_conv_kernel_dim"] = None
    (qwen / "config.json").write_text(json.dumps(config), encoding="utf-8")
    report = analyze(qwen, target="0.18.0rc1")
    assert report.verdict.value == "undetermined"
    (said,) = [f.message for f in report.findings if f.code == "AC311" and f.undetermined]
    assert "linear_conv_kernel_dim" in said
    assert report.model.has_weights is False
    assert report.memory.minimum is None
    assert report.memory.unknown


def test_a_pattern_that_could_take_for_ever_is_not_run(damageable: Checkpoint) -> None:
    target = damageable("glm-4.7-fp8")
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"]["ignore"] = ["re:(a|aa|.+)+(.+)+$"]
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    report = analyze(target, target="0.18.0rc1")
    assert report.verdict.value in ("undetermined", "incompatible")
    assert any(f.undetermined and "regular expression" in f.message for f in report.findings)
