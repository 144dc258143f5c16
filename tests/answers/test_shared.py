"""What judgements share changes none of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ascend_compat import LaunchProfile
from ascend_compat.answer.judge import judge, make_target
from ascend_compat.answer.shared import Shared
from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.profile import classify
from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory
from ascend_compat.memory.plan import make_plan
from ascend_compat.memory.soc import resolve_soc
from ascend_compat.source.spec import open_source

RELEASES = ("0.10.0rc1", "0.13.0", "0.18.0rc1", "0.18.0", "0.23.0")


@pytest.mark.parametrize("name", ["qwen3.5-0.8b", "glm-4.7-w8a8"])
def test_a_shared_plan_is_the_plan_of_the_release(checkpoint: Callable[[str], Path], name: str) -> None:
    rules = Rules(rules_directory())
    facts = read_checkpoint(open_source(str(checkpoint(name)), offline=True))
    profile, shared = classify(facts), Shared(rules)
    for release in RELEASES:
        pack = rules.pack(release)
        for soc in ("A2", "310P"):
            target = make_target(pack, resolve_soc(soc, None, rules.directory / "curated"))
            for launch in (LaunchProfile(), LaunchProfile(tp=8, max_model_len=1024, kv_cache_memory_bytes=1 << 30)):
                defaults = pack.get("defaults", {})
                alone = make_plan(facts, profile, target, launch, shared.memory, defaults)
                assert shared.plan(facts, profile, target, launch, defaults) == alone


def test_a_judgement_does_not_depend_on_what_was_judged_before(checkpoint: Callable[[str], Path]) -> None:
    rules = Rules(rules_directory())
    facts = read_checkpoint(open_source(str(checkpoint("qwen3.5-0.8b")), offline=True))
    profile, shared = classify(facts), Shared(rules)
    for release in RELEASES:
        soc = resolve_soc("310P", None, rules.directory / "curated")
        alone = judge(rules.pack(release), rules, facts, profile, soc, LaunchProfile())
        after = judge(rules.pack(release), rules, facts, profile, soc, LaunchProfile(), shared)
        assert (after.findings, after.verdict, after.plan) == (alone.findings, alone.verdict, alone.plan)


def test_a_pack_is_read_once_and_the_plain_file_goes_first(tmp_path: Path) -> None:
    own = Rules(rules_directory())
    (tmp_path / "packs").mkdir()
    file = own.file("0.18.0")
    (tmp_path / "packs" / file.name).symlink_to(file)
    rules = Rules(tmp_path)
    assert rules.pack("0.18.0") is rules.pack("vllm-ascend==0.18.0")
    (tmp_path / "packs" / "0.18.0.json").write_text('{"schema": 1, "plain": true}', encoding="utf-8")
    assert Rules(tmp_path).pack("0.18.0") == {"schema": 1, "plain": True}
