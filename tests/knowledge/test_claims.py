"""What is said of a model beside the walk, and where the two contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from knowledge.test_operator_findings import OP, section, thing

from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.target import Soc, Target
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.claims import Claim, claim_findings, claims
from ascend_compat.knowledge.load import Rules

RULES = Rules(Path(__file__).parents[2] / "rules")
ROW = {"at": "docs/models.md:3", "status": "experimental", "hardware": "A2/A3"}
BLOCKED, CLEAN = section(thing("cuda", OP)), section(thing("replaced", "Linear"))


def said(pack: dict[str, Any], soc: str = "A2") -> tuple[tuple[Claim, ...], list[Finding]]:
    facts = CheckpointFacts("org/aria-2", "local", None, {"architectures": ["AriaForConditionalGeneration"]},
                            ("config.json",), (), False)  # fmt: skip
    found = dict(pack)
    walked = dict(found.get("operators", BLOCKED))
    walked["architectures"] = {"AriaForConditionalGeneration": walked["architectures"]["Tiny"]}
    found = {"release": {"vllm": "0.20.0"}, **found, "operators": walked,
             "architectures": {"AriaForConditionalGeneration": {"at": "vllm/registry.py:1"}}}  # fmt: skip
    args = (found, RULES, facts, classify(facts), Target("0.0.1", None, Soc(soc, 1 << 30, 8, soc), ""))
    return claims(*args), list(claim_findings(*args))


def test_a_blocked_model_that_the_release_documents_says_both() -> None:
    rows, (finding,) = said({"documented": {"Aria": ROW}, "operators": BLOCKED})
    assert [(row.kind, row.name, row.says) for row in rows] == [("documented", "Aria", "experimental")]
    assert (finding.code, finding.severity) == ("AC229", Severity.WARNING)
    assert finding.message.params["operators"] == OP
    assert [str(e) for e in finding.evidence] == ["docs/models.md:3"]


def test_a_test_that_starts_the_model_stands_beside_the_walk() -> None:
    tested = {
        "folders": ["tests/e2e"],
        "files": [{"in": 0, "name": "t.py", "soc": "A2"}],
        "models": {"org/Aria": "0:7"},
    }
    rows, (finding,) = said({"tested_models": tested, "operators": BLOCKED})
    assert [(row.kind, row.evidence.path, row.evidence.line) for row in rows] == [("tested", "tests/e2e/t.py", 7)]
    assert finding.message.id == "AC229"
    assert said({"tested_models": tested, "operators": BLOCKED}, "A3")[0] == ()


def test_a_clean_walk_of_what_the_matrix_refuses_is_named() -> None:
    rows, (finding,) = said({"documented": {"Aria": {**ROW, "status": "unsupported"}}, "operators": CLEAN})
    assert rows[0].says == "unsupported"
    assert (finding.message.id, finding.severity) == ("AC229.clean", Severity.INFO)


def test_agreement_is_no_finding() -> None:
    assert said({"documented": {"Aria": ROW}, "operators": CLEAN})[1] == []
    assert said({"documented": {"Aria": {**ROW, "status": "unsupported"}}, "operators": BLOCKED})[1] == []
    assert said({"operators": BLOCKED}) == ((), [])


@pytest.mark.parametrize(("hardware", "there"), [("Atlas 300I DUO", True), ("A2/A3", False), (None, False)])
def test_a_row_is_for_the_devices_it_names(hardware: str | None, there: bool) -> None:
    row = {key: value for key, value in {**ROW, "hardware": hardware}.items() if value}
    assert bool(said({"documented": {"Aria": row}, "operators": CLEAN}, "310P")[0]) is there
