"""The terminal view: within its width, verdict first, no escape sequence unless asked."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from ascend_compat.core.report import ReportDocument
from ascend_compat.errors import UsageError
from ascend_compat.report import catalog
from ascend_compat.report.text import render_estimate, render_finding, render_text


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("lang", catalog.LANGUAGES)
@pytest.mark.parametrize("name", ["fp8", "w8a8", "bare", "hostile"])
def test_no_line_is_wider_than_the_terminal(width: int, lang: str, name: str, request: pytest.FixtureRequest) -> None:
    doc = request.getfixturevalue(name)
    for text in (render_text(doc, lang, width=width), render_estimate(doc, lang, width=width)):
        assert max(cell_len(line) for line in text.split("\n")) <= width
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
        assert "view." not in text


def test_the_verdict_is_on_the_second_line(fp8: ReportDocument) -> None:
    assert render_text(fp8).split("\n")[1] == "Verdict: incompatible"


def test_evidence_minimum_and_way_follow(fp8: ReportDocument) -> None:
    text = render_text(fp8)
    evidence = text.index("vllm_ascend/quantization/methods/w8a8_dynamic.py:147")
    assert text.index("AC301") < evidence < text.index("Minimum: 8 NPUs") < text.index("1. Take the ModelSlim W8A8")


def test_a_compatible_model_needs_no_way(w8a8: ReportDocument) -> None:
    assert "Shortest way" not in render_text(w8a8)


def test_color_is_only_where_it_is_asked_for(fp8: ReportDocument) -> None:
    assert "\x1b[" not in render_text(fp8)
    assert "\x1b[1;31m" in render_text(fp8, color=True)


def test_rich_markup_in_a_name_is_plain_text(fp8: ReportDocument) -> None:
    model = fp8.model.model_copy(update={"name": "[red]x[/red]"})
    assert "[red]x[/red]" in render_text(fp8.model_copy(update={"model": model}))


def test_a_finding_is_explained_by_its_path(fp8: ReportDocument) -> None:
    text = render_finding(fp8, "AC301")
    assert "class:AscendCompressedTensorsConfig" in text
    assert "AC501" not in text


def test_an_absent_finding_names_those_that_are_there(fp8: ReportDocument) -> None:
    with pytest.raises(UsageError) as caught:
        render_finding(fp8, "AC999")
    assert "AC301, AC501" in caught.value.hint


def test_an_estimate_says_whether_it_fits(fp8: ReportDocument) -> None:
    memory = fp8.memory.model_copy(update={"fits": False})
    assert "8 NPUs (TP8 EP) fits." in render_estimate(fp8)
    assert "does not fit" in render_estimate(fp8.model_copy(update={"memory": memory}))
