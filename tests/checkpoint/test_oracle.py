"""Family tables list the tensors that transformers builds for the same configuration (benchmarks/table_oracle.py)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ascend_compat.checkpoint.synthesize import Table

RECORD: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("family", RECORD)
def test_names_and_shapes_are_those_of_transformers(family: str) -> None:
    said = RECORD[family]
    lines = sorted(f"{spec.name} {list(spec.shape)}" for spec in Table(said["config"]).specs())
    assert len(lines) == said["tensors"]
    names = sorted(lines, key=lambda line: line.split(" ")[0])
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == said["sha256"]


def test_a_model_inside_a_model_keeps_its_own_names_under_the_outer_ones() -> None:
    inner = {**RECORD["qwen3"]["config"], "tie_word_embeddings": False}
    outer = {**RECORD["internvl"]["config"], "text_config": inner}
    names = {spec.name for spec in Table(outer).specs()}
    assert "language_model.model.layers.0.self_attn.q_norm.weight" in names
    assert "language_model.lm_head.weight" in names


def test_a_model_inside_that_no_table_knows_is_only_inferred() -> None:
    outer = RECORD["internvl"]["config"]
    assert Table(outer).level == "documented"
    unheard = {**outer, "text_config": {**outer["text_config"], "model_type": "unheard_of"}}
    assert Table(unheard).level == "inferred"
