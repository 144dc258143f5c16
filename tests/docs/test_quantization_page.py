"""docs/quantization.md names every format that is lowered and every finding that compares declared with stored."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

from ascend_compat.classify.quant.companions import JUDGED
from ascend_compat.classify.quant.formats import LOWERINGS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quantization.md").read_text(encoding="utf-8")
ROWS = [line.split("|") for line in PAGE.splitlines() if line.startswith("|")]


def row(method: str) -> list[str]:
    """The row of the table that names a format, also by a pattern."""
    found = [cells for cells in ROWS for name in re.findall(r"`([^`]+)`", cells[1]) if fnmatch.fnmatch(method, name)]
    return found[0] if found else []


@pytest.mark.parametrize("method", sorted(LOWERINGS))
def test_a_format_is_in_the_table_with_what_is_compared(method: str) -> None:
    cells = row(method)
    assert cells, method
    assert cells[4].strip() == ("yes" if method in JUDGED else "no")


def test_every_finding_about_declared_and_stored_is_explained() -> None:
    audit = sorted((ROOT / "ascend_compat" / "classify" / "quant").glob("*.py"))
    raised = {code for file in audit for code in re.findall(r'"(AC3\d\d)[".]', file.read_text(encoding="utf-8"))}
    assert raised <= set(re.findall(r"AC3\d\d", PAGE)) and len(raised) > 14
