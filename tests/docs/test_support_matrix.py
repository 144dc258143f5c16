"""The page of the support matrices: what counts as agreement, and that no documented row is missing."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from support_page import Row, page  # noqa: E402  the benchmarks are no package

ROW = Row("1.0", "Tiny", "A2", "supported", "docs/x.md:3", "compatible", "float", 1, "", "registry.py:1", "")


@pytest.mark.parametrize(
    ("status", "verdict", "kind"),
    [
        ("supported", "compatible", "agrees"),
        ("experimental", "conditional", "agrees"),
        ("unsupported", "incompatible", "agrees"),
        ("supported", "incompatible", "contradicts"),
        ("unsupported", "compatible", "contradicts"),
        ("supported", "undetermined", "open"),
        ("untested", "compatible", "unmarked"),
        ("supported", None, "unjudged"),
    ],
)
def test_what_a_verdict_says_of_a_mark(status: str, verdict: str | None, kind: str) -> None:
    assert replace(ROW, status=status, verdict=verdict).kind == kind


def test_a_row_that_is_not_judged_is_listed_with_the_missing_fact() -> None:
    text = page([ROW, replace(ROW, name="Secret", verdict=None, missing="its sizes")])
    assert "## Not judged (1)" in text and "| Secret | A2 | supported | its sizes |" in text


def test_a_contradiction_shows_both_sides() -> None:
    text = page([replace(ROW, verdict="incompatible", why="it fails", evidence="model.py:9")])
    assert "## Contradictions (1)" in text and "`x.md:3` | incompatible | float | it fails | model.py:9 |" in text


@pytest.mark.parametrize("release", ["0.18.0", "0.23.0", "0.30.0rc2"])
def test_the_written_page_has_every_documented_model(release: str) -> None:
    written = (ROOT / "docs" / "support-matrix.md").read_text(encoding="utf-8")
    listed = written[written.index("## Every row") :]
    rows = {re.split(r" \| ", line)[1] for line in listed.splitlines() if line.startswith(f"| {release} |")}
    documented = Rules(rules_directory(None)).pack(release)["documented"]
    assert {name.replace("|", "\\|") for name in documented} == rows
