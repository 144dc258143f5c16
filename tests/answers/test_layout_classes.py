"""What classes of a release say reaches the check of a layout, with the line of that release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ascend_compat import LaunchProfile
from ascend_compat.answer.judge import judge
from ascend_compat.answer.shared import Shared
from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.profile import classify
from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc
from ascend_compat.source.spec import open_source


def _told(pack: dict[str, Any], architecture: str, line: int) -> dict[str, Any]:
    """The pack with a class that does not run in stages, named at a line."""
    entry = {**pack["architectures"][architecture], "stages": False, "at": f"vllm/registry.py:{line}"}
    return {**pack, "architectures": {**pack["architectures"], architecture: entry}}


def test_a_class_without_stages_is_refused_at_the_line_of_each_release(checkpoint: Callable[[str], Path]) -> None:
    rules = Rules(rules_directory())
    facts = read_checkpoint(open_source(str(checkpoint("glm-4.7-w8a8")), offline=True))
    profile, shared = classify(facts), Shared(rules)
    soc = resolve_soc("A2", None, rules.directory / "curated")
    for line in (7, 8):
        pack = _told(rules.pack("0.23.0"), "Glm4MoeForCausalLM", line)
        found = judge(pack, rules, facts, profile, soc, LaunchProfile(tp=8, pp=2, max_model_len=4096), shared)
        (refused,) = [item for item in found.findings if item.message.id == "AC413.unstaged"]
        assert ("vllm/registry.py", line) in {(item.path, item.line) for item in refused.evidence}
        assert refused.conditional


def test_the_encoder_of_a_vision_model_is_found_where_the_release_builds_it(checkpoint: Callable[[str], Path]) -> None:
    rules = Rules(rules_directory())
    facts = read_checkpoint(open_source(str(checkpoint("qwen3.5-0.8b")), offline=True))
    soc = resolve_soc("A2", None, rules.directory / "curated")
    found = judge(rules.pack("0.23.0"), rules, facts, classify(facts), soc, LaunchProfile(tp=8, max_model_len=512))
    heads = [tower.heads for tower in found.profile.towers]
    assert heads == [12]
    (refused,) = [item for item in found.findings if item.message.id == "AC410.vision"]
    assert any(item.path.startswith("vllm/model_executor/models/") for item in refused.evidence)
