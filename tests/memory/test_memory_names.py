"""Rules of memory know every name that a family table writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from memory_models import rules

from ascend_compat.checkpoint.synthesize import Table

RECORD: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "checkpoint" / "oracle.json").read_text(encoding="utf-8")
)


def test_every_tensor_of_a_table_has_a_place() -> None:
    """A name without a rule is counted whole on every rank, which no table of ours should cause."""
    known = rules().modules
    tables = {family: Table(said["config"]).groups() for family, said in RECORD.items()}
    named = {(family, group.template) for family, groups in tables.items() for group in groups}
    assert not {(family, name) for family, name in named if not any(row.matches(name) for row in known)}
