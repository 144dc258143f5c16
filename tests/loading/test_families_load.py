"""Checkpoints as transformers stores them are refused by no release that has their architecture.

Nobody reported one of these models as refused for a tensor's name; the tables are those that tests/checkpoint compares
with what transformers builds.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ascend_compat.answer.judge import judge
from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc

RULES = Rules(rules_directory(os.environ.get("ASCEND_COMPAT_RULES")))
RECORD: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "checkpoint" / "oracle.json").read_text(encoding="utf-8")
)
RELEASES = ("0.18.0", "0.23.0", "0.30.0rc2")
#: Left out: transformers stores the decay buffers of its lightning attention, for which vLLM 0.18.0 minimax_text_01.py
#: has no parameter; whether published files hold them is not known.
BUFFERS = frozenset({"minimax"})


@pytest.mark.parametrize("family", sorted(RECORD.keys() - BUFFERS))
def test_no_release_refuses_what_transformers_stores(family: str) -> None:
    empty = CheckpointFacts("test", "local", None, RECORD[family]["config"], ("config.json",), (), False)
    facts = replace(configured(empty), has_weights=True, problems=())
    profile = classify(facts)
    device = resolve_soc("A2", None, RULES.directory / "curated")
    for release in RELEASES:
        pack = RULES.pack(release)
        if profile.architecture in pack["architectures"]:
            found = judge(pack, RULES, facts, profile, device, LaunchProfile())
            refused = [f for f in found.findings if f.code[:4] == "AC34" and f.severity is Severity.BLOCKER]
            assert not refused, (release, refused[0].message)
