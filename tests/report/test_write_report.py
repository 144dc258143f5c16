"""Writing a report: all files or none, and the right language in each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ascend_compat.core.report import ReportDocument
from ascend_compat.errors import UsageError
from ascend_compat.report import write


def test_every_file_is_written_once(fp8: ReportDocument, tmp_path: Path) -> None:
    written = write.write_report(fp8, tmp_path / "new" / "dir", "en")
    assert [path.name for path in written] == [
        "ANALYSIS_REPORT.md",
        "ANALYSIS_REPORT.zh.md",
        "RUNBOOK.md",
        "GLM-4.7-FP8.yaml",
        "report.json",
        "report.html",
    ]
    assert sorted(path.name for path in (tmp_path / "new" / "dir").iterdir()) == sorted(path.name for path in written)
    assert ReportDocument.model_validate(json.loads(written[4].read_text(encoding="utf-8"))) == fp8


def test_the_main_report_is_in_the_language_asked_for(fp8: ReportDocument, tmp_path: Path) -> None:
    write.write_report(fp8, tmp_path, "zh")
    assert "不兼容" in (tmp_path / "ANALYSIS_REPORT.md").read_text(encoding="utf-8")
    assert "incompatible" in (tmp_path / "ANALYSIS_REPORT.en.md").read_text(encoding="utf-8")


def test_nothing_is_written_when_a_view_fails(
    fp8: ReportDocument, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("no")

    monkeypatch.setattr(write, "render_html", broken)
    with pytest.raises(RuntimeError):
        write.write_report(fp8, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_of_a_checkpoint_can_not_leave_the_directory(hostile: ReportDocument, tmp_path: Path) -> None:
    for path in write.write_report(hostile, tmp_path):
        assert path.parent == tmp_path
        assert path.is_file()


def test_a_directory_that_is_a_file_is_one_clear_error(fp8: ReportDocument, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="can't write the report"):
        write.write_report(fp8, tmp_path / "file")


def test_the_same_report_gives_the_same_bytes(fp8: ReportDocument) -> None:
    assert write.render_files(fp8) == write.render_files(fp8)
