"""Every release x every SoC: one answer a cell, neighbours together, the first that runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ascend_compat import LaunchProfile, analyze, api
from ascend_compat.answer.matrix import first_rows, grouped
from ascend_compat.core.matrix import MatrixCell, MatrixDocument, MatrixRow
from ascend_compat.core.memory_parts import LayoutPart
from ascend_compat.core.parts import Text
from ascend_compat.core.target import Soc
from ascend_compat.core.verdict import Verdict
from ascend_compat.errors import RuleError, SourceError, UsageError
from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory

Checkpoint = Callable[[str], Path]
SOCS = [Soc("A2", 64 << 30, 8, "A2"), Soc("A5", 96 << 30, 8, "A5")]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped rules with three packs; the last can't be read."""
    own, target = Rules(rules_directory()), tmp_path_factory.mktemp("rules")
    shutil.copytree(own.directory / "curated", target / "curated")
    (target / "packs").mkdir()
    for name in ("0.18.0rc1", "0.18.0", "0.23.0"):
        file = own.file(name)
        (target / "packs" / file.name).symlink_to(file)
    (target / "packs" / "0.99.0.json").write_text("{", encoding="utf-8")
    return target


@pytest.fixture(scope="module")
def fp8(checkpoint: Checkpoint, rules: Path) -> MatrixDocument:
    return api.matrix(checkpoint("glm-4.7-fp8"), rules=rules)


def cell(soc: str, verdict: str, codes: tuple[str, ...] = (), npus: int = 8, reason: str = "m") -> MatrixCell:
    layout = LayoutPart(npus=npus, nodes=1, tp=npus, dp=1, pp=1, ep=False)
    text = Text(id=reason, text=reason) if codes else None
    return MatrixCell(soc=soc, verdict=Verdict(verdict), blockers=list(codes), reason=text, minimum=layout)


def row(release: str, *cells: MatrixCell) -> MatrixRow:
    return MatrixRow(releases=[release], cells=list(cells))


def test_releases_that_answer_alike_for_the_same_reasons_share_a_row(fp8: MatrixDocument) -> None:
    assert [part.releases for part in fp8.rows] == [["0.18.0rc1", "0.18.0"], ["0.23.0"], ["0.99.0"]]


def test_a_cell_says_what_check_says(fp8: MatrixDocument, checkpoint: Checkpoint, rules: Path) -> None:
    for index, part in ((0, fp8.rows[0]), (1, fp8.rows[1])):
        for found in part.cells:
            report = analyze(checkpoint("glm-4.7-fp8"), target=part.releases[0], soc=found.soc, rules=rules)
            blocker = next((f for f in report.findings if f.severity.value == "blocker"), None)
            assert (found.verdict, found.minimum) == (report.verdict, report.memory.minimum), (index, found.soc)
            assert (found.blockers[:1], found.reason and found.reason.text) == (
                [blocker.code] if blocker else [],
                blocker and blocker.message,
            )


def test_the_first_release_with_an_fp8_scheme_is_found_on_a5_and_none_on_a2(fp8: MatrixDocument) -> None:
    first = {part.soc: part for part in fp8.first}
    assert (first["A5"].release, first["A5"].verdict) == ("0.23.0", Verdict.COMPATIBLE)
    assert first["A5"].minimum is not None
    assert first["A2"].release is None
    assert fp8.runs


def test_a_pack_that_cannot_be_read_is_a_row_that_says_so(fp8: MatrixDocument) -> None:
    for found in fp8.rows[-1].cells:
        assert (found.verdict, found.blockers) == (Verdict.UNDETERMINED, [])
        assert found.reason is not None
        assert "0.99.0.json" in found.reason.text


def test_the_matrix_is_json_that_reads_back(fp8: MatrixDocument) -> None:
    assert MatrixDocument.model_validate(json.loads(fp8.to_json())) == fp8


def test_the_same_question_gives_the_same_bytes(checkpoint: Checkpoint, rules: Path) -> None:
    twice = [api.matrix(checkpoint("qwen3.5-0.8b"), rules=rules).to_json() for _ in range(2)]
    assert twice[0] == twice[1]


def test_a_condition_is_a_yes_of_a_lower_kind(checkpoint: Checkpoint, rules: Path) -> None:
    found = api.matrix(checkpoint("qwen3.5-0.8b"), rules=rules, soc="310P")
    assert found.socs == ["310P"]
    assert (found.first[0].release, found.first[0].verdict) == ("0.23.0", Verdict.CONDITIONAL)
    assert found.first[0].condition == "AC307"


def test_one_target_is_one_row(checkpoint: Checkpoint, rules: Path) -> None:
    launch = LaunchProfile(tp=1)
    found = api.matrix(checkpoint("qwen3.5-0.8b"), rules=rules, target="0.23.0", soc="A2", profile=launch)
    assert [part.releases for part in found.rows] == [["0.23.0"]]
    assert [part.soc for part in found.rows[0].cells] == ["A2"]


@pytest.mark.parametrize(
    ("change", "error"),
    [({"soc": "TPU"}, UsageError), ({"target": "0.0.1"}, UsageError), ({"model": "nowhere/at/all"}, SourceError)],
)
def test_a_question_that_cannot_be_asked_is_refused(
    checkpoint: Checkpoint, rules: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    given = {"model": checkpoint("qwen3.5-0.8b"), "rules": rules, "offline": True, **change}
    with pytest.raises(error):
        api.matrix(given.pop("model"), **given)


def test_rules_without_packs_have_no_matrix(checkpoint: Checkpoint, rules: Path, tmp_path: Path) -> None:
    shutil.copytree(rules / "curated", tmp_path / "curated")
    with pytest.raises(RuleError, match="no packs"):
        api.matrix(checkpoint("qwen3.5-0.8b"), rules=tmp_path)


NO = ("AC301",)


@pytest.mark.parametrize(
    "other",
    [
        cell("A2", "undetermined", NO),
        cell("A2", "incompatible", ("AC301", "AC303")),
        cell("A2", "incompatible", ("AC302",)),
        cell("A2", "incompatible", NO, npus=16),
        cell("A2", "incompatible", NO, reason="another"),
    ],
)
def test_another_verdict_code_reason_or_card_count_is_another_row(other: MatrixCell) -> None:
    same = cell("A2", "incompatible", NO)
    rows = grouped([row("1", same), row("2", same), row("3", other), row("4", same)])
    assert [part.releases for part in rows] == [["1", "2"], ["3"], ["4"]]


def test_releases_that_stop_running_it_are_named() -> None:
    yes, no, maybe = cell("A2", "compatible"), cell("A2", "incompatible", NO), cell("A2", "conditional", NO)
    rows = [row("1", maybe), row("2", yes), row("3", no), row("4", yes), row("5", maybe)]
    found = first_rows(rows, SOCS[:1])[0]
    assert (found.release, found.condition, found.not_in) == ("2", None, ["3", "5"])


def test_a_device_nobody_runs_it_on_has_no_first_release() -> None:
    no = [cell("A2", "incompatible", NO), cell("A5", "undetermined", NO)]
    found = first_rows([row("1", *no)], SOCS)
    assert [(part.soc, part.release, part.minimum) for part in found] == [("A2", None, None), ("A5", None, None)]
