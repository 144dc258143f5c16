"""The published figures the documentation quotes are those the benchmarks print (data beside the repository)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ASCEND_COMPAT_SHARED", str(ROOT.parent / "shared"))) / "data"


def printed(*parts: str) -> tuple[int, str]:
    if not (DATA / "configs").is_dir():
        pytest.skip("published rows are not beside the repository: their figures are not checked")
    command = [sys.executable, str(ROOT / "benchmarks" / "memory.py"), *parts]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_logged_figures_are_within_three_percent_or_explained() -> None:
    code, text = printed("measured")
    assert code == 0
    assert "+0.00%" in text.splitlines()[-1]


def test_the_published_table_of_other_devices_is_met() -> None:
    code, text = printed("reference")
    assert code == 0, text


def test_layouts_known_not_to_fit_are_refused() -> None:
    """All but one, whose page reports another launch with the same sum as running (docs/memory.md)."""
    _, text = printed("negatives")
    assert "refused: 8 of 9" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("  -")] == ["N017:"]


def test_an_unknown_part_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "memory.py"), "nothing"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
