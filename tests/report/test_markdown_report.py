"""ANALYSIS_REPORT.md and RUNBOOK.md: every section, the verdict first, no name gets out of its cell."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from ascend_compat.core.report import ReportDocument
from ascend_compat.report import catalog
from ascend_compat.report.markdown import render_markdown
from ascend_compat.report.runbook import render_runbook

SECTIONS = (
    "summary way findings specification environment architecture gate quantization memory tried launch smoke ladder "
    "validation features limits deliverables changes"
).split()


@pytest.mark.parametrize("lang", catalog.LANGUAGES)
def test_every_section_is_there_in_both_languages(fp8: ReportDocument, lang: str) -> None:
    text = render_markdown(fp8, lang)
    for name in SECTIONS:
        title = catalog.render(f"view.section.{name}", {}, lang)
        assert re.search(rf"^##+ (\d+\. )?{re.escape(title)}$", text, re.M), name


@pytest.mark.parametrize("lang", catalog.LANGUAGES)
def test_no_label_is_missing(fp8: ReportDocument, w8a8: ReportDocument, bare: ReportDocument, lang: str) -> None:
    for doc in (fp8, w8a8, bare):
        for text in (render_markdown(doc, lang), render_runbook(doc, lang)):
            assert not re.search(r"view\.\w+", text)
            assert not re.search(r"\{\w+\}", text)


def test_the_verdict_stands_before_everything_else(fp8: ReportDocument) -> None:
    first = [line for line in render_markdown(fp8, "en").split("\n") if line][1]
    assert first.startswith("> **Verdict: incompatible.**")


def test_findings_name_their_evidence_and_their_path(fp8: ReportDocument) -> None:
    text = render_markdown(fp8, "en")
    for row in fp8.findings:
        for evidence in row.evidence:
            assert f"`{evidence.place}`" in text
    assert "`scheme:W8A8_DYNAMIC` → `dtype:int8`" in text


def test_a_blocker_stands_before_a_warning(fp8: ReportDocument) -> None:
    text = render_markdown(fp8, "en")
    assert text.index("### AC301") < text.index("### AC501")


def test_the_remedy_stands_before_a_command_that_will_not_do(fp8: ReportDocument) -> None:
    launch = render_markdown(fp8, "en").partition("## 10. Launch")[2].partition("## 11.")[0]
    assert launch.index("ModelSlim W8A8") < launch.index("does not give a working server") < launch.index("vllm serve")


def test_a_compatible_model_has_a_command_without_a_warning(w8a8: ReportDocument) -> None:
    launch = render_markdown(w8a8, "en").partition("## 10. Launch")[2].partition("## 11.")[0]
    assert "The command that matches the plan" in launch
    assert launch.count("vllm serve") == 2
    assert "### Node 1" in launch


def test_a_variable_of_the_command_is_explained_and_left_to_the_shell(w8a8: ReportDocument) -> None:
    text = render_markdown(w8a8, "en")
    assert "Set on each node first: `NODE0_IP` (address of node 0)" in text
    assert '--data-parallel-address "$NODE0_IP"' in text


def test_code_changes_are_named_only_where_source_has_to_change(fp8: ReportDocument, w8a8: ReportDocument) -> None:
    needed = render_markdown(fp8, "en").partition("Code changes")[2]
    assert "`vllm_ascend/quantization/compressed_tensors_config.py:355`" in needed
    assert "No code has to change" in render_markdown(w8a8, "en").partition("Code changes")[2]


def test_every_layout_tried_is_in_the_table(fp8: ReportDocument) -> None:
    text = render_markdown(fp8, "en")
    for row in fp8.memory.tried:
        assert re.search(rf"^\| {row.npus} \| TP{row.layout.tp} ", text, re.M)


def test_steps_of_the_ladder_follow_the_model(fp8: ReportDocument, bare: ReportDocument) -> None:
    full, empty = render_markdown(fp8, "en"), render_markdown(bare, "en")
    for name in ("moe", "mtp", "quantization", "output"):
        title = catalog.render(f"view.ladder.{name}", {}, "en")
        assert f"**{title}**" in full
        assert f"**{title}**" not in empty
    assert f"**{catalog.render('view.ladder.undetermined', {}, 'en')}**" in empty


def test_tables_keep_their_columns_whatever_a_name_holds(hostile: ReportDocument) -> None:
    for text in (render_markdown(hostile, "en"), render_runbook(hostile, "zh")):
        width = None
        fence = ""
        for line in text.split("\n"):
            mark = re.match(r" *(`{3,})", line)
            if mark and (not fence or line.strip() == fence):
                fence = "" if fence else mark[1]
            if fence or not line.startswith("|"):
                width = None
                continue
            cells = len(re.findall(r"(?<!\\)\|", line))
            assert width in (None, cells), line
            width = cells


def test_no_tag_heading_or_link_of_a_name_survives(hostile: ReportDocument) -> None:
    text = render_markdown(hostile, "en")
    outside = re.sub(r"(`{3,})\w*\n.*?\n *\1|(`+)[^`].*?[^`]?\2", "", text, flags=re.S)
    assert "<script" not in outside
    assert not re.search(r"(?<!\\)\]\(javascript", outside)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"^# d", text, re.M)


def test_long_searches_are_folded_to_one_layout_per_card_count(build: ModuleType, fp8: ReportDocument) -> None:
    rows = [row for row in fp8.model_dump(mode="json")["memory"]["tried"] for _ in range(20)]
    memory = {**fp8.model_dump(mode="json")["memory"], "tried": rows}
    text = render_markdown(build.incompatible(memory=memory), "en")
    assert len(re.findall(r"^\| 1 \| TP1 ", text, re.M)) == 1


def test_the_runbook_goes_from_checks_to_rollback(w8a8: ReportDocument) -> None:
    titles = re.findall(r"^## (\d)\. ", render_runbook(w8a8, "en"), re.M)
    assert titles == [str(number) for number in range(1, 9)]
    assert "ascend-compat check /models/GLM-4.7-W8A8 --target 0.18.0rc1 --soc A2" in render_runbook(w8a8, "en")


def test_a_runbook_without_a_plan_says_so(bare: ReportDocument) -> None:
    text = render_runbook(bare, "en")
    assert "No layout is known to fit" in text
    assert "No variable is needed" in text
