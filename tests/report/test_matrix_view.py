"""The matrix in words: who runs it first, why the others do not."""

from __future__ import annotations

from types import ModuleType

import pytest

from ascend_compat.core.matrix import MatrixDocument
from ascend_compat.core.verdict import Verdict
from ascend_compat.report.matrix import render_matrix_markdown, render_matrix_text, span


@pytest.fixture
def doc(build: ModuleType) -> MatrixDocument:
    found: MatrixDocument = build.matrix()
    return found


def test_neighbours_are_named_by_their_ends() -> None:
    assert span(["0.9.1rc1", "0.11.0", "0.17.0rc1"]) == "0.9.1rc1 ... 0.17.0rc1"
    assert span(["0.18.0rc1", "0.18.0"]) == "0.18.0rc1, 0.18.0"


def test_markdown_has_a_column_per_device_and_a_first_release_per_device(doc: MatrixDocument) -> None:
    page = render_matrix_markdown(doc, "en")
    assert "| Release | A2 | A5 |" in page
    assert "| 0.9.1rc1 ... 0.18.0 | no `AC301` ×8 | no `AC301` ×8 |" in page
    assert "- A2: no packed release is known to run it." in page
    assert "- A5: 0.23.0 with 4 NPUs (TP4 EP). Not in `0.24.0rc1`." in page


def test_each_kind_of_reason_is_told_once_with_the_oldest_release_that_has_it(doc: MatrixDocument) -> None:
    page = render_matrix_markdown(doc, "en")
    assert page.count("The loader copies") == 1
    assert "(0.9.1rc1, A2)" in page
    assert "(0.23.0, A2)" in page


def test_the_terminal_has_the_same_answers_in_both_languages(doc: MatrixDocument) -> None:
    english = render_matrix_text(doc, "en", 100, False)
    chinese = render_matrix_text(doc, "zh", 100, False)
    for text in (english, chinese):
        assert "0.9.1rc1 ... 0.18.0" in text
        assert "AC307" in text
        assert "×4" in text
    assert "First release that runs it" in english
    assert "最早可运行的版本" in chinese


def test_a_condition_is_named(doc: MatrixDocument) -> None:
    first = doc.first[1].model_copy(update={"verdict": Verdict.CONDITIONAL, "condition": "AC307"})
    page = render_matrix_markdown(doc.model_copy(update={"first": [first]}), "en")
    assert "under the condition of `AC307`" in page


def test_names_of_a_model_are_data(doc: MatrixDocument) -> None:
    hostile = doc.model_copy(update={"model": "<b>|x|</b> \x1b[31m"})
    page = render_matrix_markdown(hostile, "en")
    assert "<b>" not in page
    assert "\x1b" not in page + render_matrix_text(hostile, "en", 80, False)


def test_where_all_run_no_reasons_are_announced(doc: MatrixDocument) -> None:
    yes = doc.rows[1].cells[1]
    row = doc.rows[1].model_copy(update={"cells": [yes, yes]})
    bare = doc.model_copy(update={"rows": [row]})
    assert "First blockers" not in render_matrix_text(bare, "en", 80, False)
    assert "First blockers" not in render_matrix_markdown(bare, "en")
