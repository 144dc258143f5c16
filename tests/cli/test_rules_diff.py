"""``rules diff`` and ``explain --source`` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
FLAGS = {f"--flag-{n:02}": {"at": f"vllm/args.py:{n}"} for n in range(1, 30)}


@pytest.fixture
def packs(tmp_path: Path) -> tuple[str, str]:
    """Two pack files: the second lacks the flags of the first and all other sections."""
    names = []
    for release, flags in (("1.0", FLAGS), ("2.0", {"--new": {"at": "vllm/args.py:1"}})):
        pack = {"schema": 1, "release": {"vllm_ascend": release, "vllm": "0.9"}, "digest": release, "flags": flags}
        path = tmp_path / f"{release}.json"
        path.write_text(json.dumps(pack))
        names.append(str(path))
    return names[0], names[1]


def test_two_pack_files_are_compared_and_a_difference_is_no_failure(run: Run, packs: tuple[str, str]) -> None:
    code, out, err = run("rules", "diff", *packs)
    assert (code, err) == (0, "")
    assert "Flags of vllm serve that are gone (29)" in out
    assert "and 19 more" in out
    assert "environment is not recorded in 1.0" in out
    assert "--flag-29" in run("rules", "diff", *packs, "--verbose")[1]


def test_the_formats_agree(run: Run, packs: tuple[str, str]) -> None:
    data = json.loads(run("rules", "diff", *packs, "--format", "json")[1])
    kinds = {change["kind"]: [item["subject"] for item in change["items"]] for change in data["changes"]}
    assert kinds == {"launch.flags.removed": sorted(FLAGS), "launch.flags.added": ["--new"]}
    assert "`--flag-29`" in run("rules", "diff", *packs, "--format", "markdown")[1]
    assert "已删除的参数" in run("rules", "diff", *packs, "--lang", "zh")[1]


def test_output_is_the_same_every_time(run: Run, packs: tuple[str, str]) -> None:
    assert run("rules", "diff", *packs, "--format", "json") == run("rules", "diff", *packs, "--format", "json")


def test_an_unknown_release_and_a_damaged_pack_are_errors(run: Run, packs: tuple[str, str], tmp_path: Path) -> None:
    assert run("rules", "diff", packs[0], "9.9.9")[0] == 2
    (tmp_path / "bad.json").write_text("{")
    assert run("rules", "diff", packs[0], str(tmp_path / "bad.json"))[0] == 3


def test_explain_shows_the_lines_of_the_tree(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    report = analysis["result"]
    row = next(
        row for finding in report.findings for row in finding.evidence if row.kind.value == "source" and row.line
    )
    file = tmp_path / row.path
    file.parent.mkdir(parents=True)
    (tmp_path / "vllm_ascend").mkdir(exist_ok=True)
    (tmp_path / "vllm_ascend" / "__init__.py").write_text("")
    (tmp_path / "PKG-INFO").write_text(f"Version: {report.target.vllm_ascend}\n")
    file.write_text("".join(f"text of line {n}\x1b[31m\n" for n in range(1, row.line + 5)))
    code = next(finding.code for finding in report.findings if row in finding.evidence)
    out = run("explain", "m", "--finding", code, "--source", str(tmp_path))[1]
    assert f"> {row.line} │ text of line {row.line}\\x1b[31m" in out
    assert "\x1b" not in out
    (tmp_path / "PKG-INFO").write_text("Version: 9.9.9\n")
    other = run("explain", "m", "--finding", code, "--source", str(tmp_path))[1]
    assert "text of line" not in other
    assert other.count("is 9.9.9, the finding is about") == 1


def test_source_needs_a_finding_and_a_tree(run: Run, analysis: dict[str, Any], tmp_path: Path) -> None:
    assert run("explain", "AC301", "--source", str(tmp_path))[0] == 2
    code, _, err = run("explain", "m", "--finding", "AC301", "--source", str(tmp_path))
    assert code == 2
    assert "holds no source tree" in err
