"""Every reported row is described, the table and the layouts are sound, and the page shows what they say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "benchmarks" / "reality"
DATA = Path(os.environ.get("ASCEND_COMPAT_SHARED", str(ROOT.parent / "shared"))) / "data"
PAGE = ROOT / "docs" / "reality.md"
FRESH_PAGE = ROOT / "docs" / "reality-fresh.md"
FINDINGS = ROOT / "docs" / "findings"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flat modules of the benchmark, for one test."""
    for folder in (ROOT / "fixtures", ROOT / "benchmarks", HERE):
        monkeypatch.syspath_prepend(str(folder))
    if not (DATA / "reports.jsonl").is_file():
        pytest.skip("reported rows are not beside the repository: their table is not checked")


@pytest.fixture
def table(modules: None) -> Any:
    import table

    return table


def test_every_reported_row_has_an_entry(table: Any) -> None:
    reported = [json.loads(line)["id"] for line in (DATA / "reports.jsonl").read_text(encoding="utf-8").splitlines()]
    described = {row.id: row for row in table.rows()}
    assert set(described) == set(reported)
    assert not [row.id for row in described.values() if row.skip == "not described in rows.toml"]


def test_an_entry_names_a_known_model_layout_release_and_outcome(table: Any) -> None:
    layouts, packs = table.load("layouts.toml"), {p.name.removesuffix(".json.gz") for p in PACKS}
    for row in table.judged(table.rows()):
        assert row.layout in layouts and set(row.releases) <= packs, row.id
        assert table.config_for(row)["architectures"], row.id
        assert row.releases and row.socs and row.expect in table.EXPECTED, row.id
        assert row.expect == table.RUNS or row.cause, f"{row.id}: a failure without a cause"


def test_a_row_that_is_chosen_for_says_what_was_chosen(table: Any) -> None:
    reports = {report["id"]: report for report in table.reports()}
    for row in table.judged(table.rows()):
        assert row.note or reports[row.id]["soc"], f"{row.id}: no device is stated and no note says why these"


def test_static_rows_are_left_out_for_a_fact_and_not_as_not_static(table: Any) -> None:
    for row in table.rows():
        assert not (row.static and row.skip.startswith("not static")), row.id


def test_a_fresh_row_names_a_known_model_layout_release_and_outcome(table: Any) -> None:
    layouts, packs = table.load("layouts.toml"), {p.name.removesuffix(".json.gz") for p in PACKS}
    for row in table.judged(table.fresh()):
        assert row.layout in layouts and set(row.releases) <= packs and row.releases, row.id
        assert table.config_for(row)["architectures"] and row.socs, row.id
        assert row.expect == table.RUNS or row.cause, f"{row.id}: a failure without a cause"
        assert all((FINDINGS / f"{cause.partition(' ')[0]}.md").is_file() for cause in row.cause), row.id


def test_no_fresh_row_is_of_a_reported_thread(table: Any) -> None:
    """Rules were written with the reported threads in view: another row of theirs is not fresh."""
    reported = {report["id"].partition("/")[2].partition("/")[0] for report in table.reports()}
    found = [row.id for row in table.fresh() if row.id.partition("/")[2].partition("/")[0] in reported]
    assert not found


def test_a_fresh_row_keeps_its_first_answer(table: Any) -> None:
    from compare import AGREES, ALARM, CONTRADICTS, GREEN, OPEN, OTHER, WARNED, first_outcome

    kinds = {AGREES, ALARM, CONTRADICTS, GREEN, OPEN, OTHER, WARNED}
    for row in table.judged(table.fresh()):
        assert first_outcome(row) in kinds and row.first.partition(": ")[2], row.id
        assert set(row.first_figures) <= set(row.figures), row.id


def test_a_fresh_row_without_a_report_is_refused(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "load", lambda name: {"a/b#1": {"skip": "x", "category": "y"}})
    with pytest.raises(ValueError, match="reason missing"):
        table.fresh()


def test_an_unknown_key_is_refused(table: Any) -> None:
    with pytest.raises(ValueError, match="unknown keys"):
        table._check("x", {"modell": "y"})
    with pytest.raises(ValueError, match="unknown keys"):
        table._check("x", {"first": "y"})


def test_a_checkpoint_is_written_as_its_layout_says(table: Any, tmp_path: Path) -> None:
    from written import write

    row = next(row for row in table.rows() if row.id.endswith("#8367"))
    folder = write(row, tmp_path / "model")
    described = json.loads((folder / "quant_model_description.json").read_text(encoding="utf-8"))
    assert described["model.language_model.layers.0.self_attn.q_proj.weight"] == "W8A8"
    assert not any(name.startswith("lm_head") for name in described)
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert "lm_head.weight" in index["weight_map"]


@pytest.mark.parametrize(
    ("verdict", "expect", "outcome"),
    [
        ("compatible", "runs", "agreement"),
        ("conditional", "runs", "false alarm"),
        ("compatible", "oom", "silent green"),
        ("incompatible", "blocked", "right answer, other reason"),
        ("undetermined", "blocked", "undetermined"),
    ],
)
def test_an_answer_is_set_against_the_outcome(modules: None, verdict: str, expect: str, outcome: str) -> None:
    from compare import compare
    from judge import Answer
    from table import Row

    row = Row("a/b#1", "x", True, "", expect=expect, cause=("AC301",))
    assert compare(row, [Answer("0.18.0", "A2", verdict)]).outcome == outcome


def test_a_cause_is_a_code_and_words_of_its_message(modules: None) -> None:
    from compare import compare
    from judge import Answer
    from table import Row

    row = Row("a/b#1", "x", True, "", expect="blocked", cause=("AC601 tower",))
    named = Answer("0.18.0", "A2", "incompatible", [("AC601", "A quantized vision tower")])
    other = Answer("0.18.0", "A2", "incompatible", [("AC601", "Something else")])
    warned = Answer("0.18.0", "A2", "compatible", warnings=named.blockers)
    assert [compare(row, [answer]).outcome for answer in (named, other, warned)] == [
        "agreement", "right answer, other reason", "warned only",
    ]  # fmt: skip
    assert compare(row, [named, warned]).outcome == "warned only"


def test_the_page_shows_every_row(table: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not [row.id for row in table.rows() if f"[{row.id}](" not in page]
    for row in table.rows():
        assert not row.skip or row.skip in page, row.id


def test_the_page_of_fresh_rows_shows_every_row_and_both_scores(table: Any) -> None:
    page = FRESH_PAGE.read_text(encoding="utf-8")
    assert not [row.id for row in table.fresh() if f"[{row.id}](" not in page]
    assert "| **first** |" in page and "| present |" in page


def test_the_first_score_is_that_of_the_recorded_answers(modules: None) -> None:
    from compare import compare, first_score, score
    from judge import Answer
    from table import Row

    row = Row("a/b#1", "x", True, "", expect="blocked", cause=("AC301",), first="silent green: compatible")
    judged = [compare(row, [Answer("0.18.0", "A2", "incompatible", [("AC301", "")])])]
    assert first_score(judged).green == 1 and first_score(judged).agrees == 0
    assert score(judged).green == 0 and score(judged).agrees == 1


def test_the_pages_leave_no_disagreement_unexplained() -> None:
    for page in (PAGE, FRESH_PAGE):
        assert "not explained yet" not in page.read_text(encoding="utf-8"), page.name


PACKS = sorted((ROOT / "rules" / "packs").glob("*.json.gz"))
