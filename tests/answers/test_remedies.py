"""The shortest way to a yes: each kind of change where it is needed, ranked, and judged before it is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ascend_compat import LaunchProfile, Report, analyze
from ascend_compat.answer import search
from ascend_compat.answer.changes import flags_between
from ascend_compat.answer.judge import Judgement, Refusal
from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory
from ascend_compat.report.catalog import render, templates

Checkpoint = Callable[[str], Path]
#: An old release that takes no FP8 weights, one that does, and one that needs the quantization flag.
RELEASES = ("0.13.0", "0.18.0rc1", "0.23.0")
ORDER = ("flag", "dtype", "cards", "release", "precision", "soc", "combination")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped rules with three packs: what is nearest and first does not depend on what else is packed."""
    own, target = Rules(rules_directory()), tmp_path_factory.mktemp("rules")
    shutil.copytree(own.directory / "curated", target / "curated")
    (target / "packs").mkdir()
    for name in RELEASES:
        file = own.file(name)
        (target / "packs" / file.name).symlink_to(file)
    return target


@pytest.fixture(scope="module")
def ask(checkpoint: Checkpoint, rules: Path) -> Callable[..., Report]:
    known: dict[Any, Report] = {}

    def call(name: str, target: str, soc: str, **launch: Any) -> Report:
        key = (name, target, soc, repr(launch))
        if key not in known:
            profile = LaunchProfile(**launch)
            known[key] = analyze(checkpoint(name), target=target, soc=soc, rules=rules, profile=profile)
        return known[key]

    return call


Ask = Callable[..., Report]


def told(report: Report) -> list[tuple[Any, ...]]:
    return [(row.kind, row.precision, row.release, row.soc, row.npus) for row in report.remedies]


def test_other_weights_or_another_device_with_another_release(ask: Ask) -> None:
    report = ask("glm-4.7-fp8", "0.18.0rc1", "A2")
    assert told(report) == [
        ("precision", "modelslim-w8a8", "0.18.0rc1", "A2", 8),
        ("precision", "bf16", "0.18.0rc1", "A2", 16),
        ("combination", None, "0.23.0", "A5", 4),
    ]
    assert report.remedies[0].flags == ["--quantization ascend"]
    assert report.remedies[2].since == "0.23.0"


def test_another_device_alone_where_the_release_has_the_scheme(ask: Ask) -> None:
    assert told(ask("glm-4.7-fp8", "0.23.0", "A2"))[-1] == ("soc", None, "0.23.0", "A5", 4)


def test_another_release_alone_where_the_device_computes_the_dtype(ask: Ask) -> None:
    report = ask("glm-4.7-fp8", "0.18.0rc1", "A5")
    assert told(report)[0] == ("release", None, "0.23.0", "A5", 4)
    assert report.remedies[0].since == "0.23.0"


def test_a_flag_that_the_release_needs_is_added(ask: Ask) -> None:
    report = ask("glm-4.7-w8a8", "0.13.0", "A2")
    assert report.remedies[0].kind == "flag"
    assert report.remedies[0].flags == ["--quantization ascend"]
    assert report.remedies[0].without == []


def test_a_flag_that_is_wrong_is_left_out(ask: Ask) -> None:
    report = ask("glm-4.7-fp8", "0.23.0", "A5", quantization="ascend")
    assert report.remedies[0].kind == "flag"
    assert (report.remedies[0].flags, report.remedies[0].without) == ([], ["--quantization"])


def test_another_dtype_where_the_device_lacks_the_models_own(ask: Ask) -> None:
    report = ask("qwen3.5-0.8b", "0.23.0", "310P")
    assert (report.remedies[0].kind, report.remedies[0].flags) == ("dtype", ["--dtype float16"])
    assert report.verdict.value == "conditional"


def test_more_cards_where_the_asked_layout_is_too_small(ask: Ask) -> None:
    report = ask("glm-4.7-bf16", "0.23.0", "A2", tp=4)
    assert told(report)[0] == ("cards", None, "0.23.0", "A2", 16)


def test_a_context_that_fits_the_asked_layout(ask: Ask) -> None:
    report = ask("qwen3.5-0.8b", "0.23.0", "A2", tp=1, kv_cache_memory_bytes=1 << 30, max_model_len=200_000)
    first = report.remedies[0]
    assert (first.kind, first.npus) == ("flag", 1)
    tokens = int(first.flags[0].removeprefix("--max-model-len "))
    assert 0 < tokens < 200_000


def test_a_share_of_the_device_that_is_enough_comes_before_a_shorter_context(ask: Ask) -> None:
    report = ask("qwen3.5-0.8b", "0.23.0", "A2", tp=1, gpu_memory_utilization=0.08, max_model_len=200_000)
    assert (report.remedies[0].kind, report.remedies[0].flags) == ("flag", ["--gpu-memory-utilization 0.95"])


@pytest.mark.parametrize(
    ("launch", "flags", "without"),
    [
        ({"max_model_len": 10**9}, ["--max-model-len 262144"], []),
        ({"tp": 1, "kv_cache_memory_bytes": 70 << 30}, [], ["--kv-cache-memory-bytes"]),
        ({"tp": 2, "ep": True}, [], ["--enable-expert-parallel"]),
    ],
)
def test_a_size_beyond_what_there_is_is_cut_down(ask: Ask, launch: Any, flags: list[str], without: list[str]) -> None:
    first = ask("qwen3.5-0.8b", "0.23.0", "A2", **launch).remedies[0]
    assert (first.kind, first.flags, first.without) == ("flag", flags, without)


def test_a_yes_needs_no_remedy(ask: Ask) -> None:
    report = ask("glm-4.7-w8a8", "0.18.0rc1", "A2")
    assert report.verdict.value == "compatible"
    assert report.remedies == []


def test_a_damaged_checkpoint_has_no_remedy_on_other_targets(damageable: Checkpoint, rules: Path) -> None:
    target = damageable("qwen3.5-0.8b")
    (target / "model.safetensors-00001-of-00001.safetensors").unlink(missing_ok=True)
    for shard in target.glob("*.safetensors"):
        shard.write_bytes(b"\x00" * 16)
    report = analyze(target, target="0.23.0", soc="A2", rules=rules)
    assert report.verdict.value != "compatible"
    assert [row for row in report.remedies if row.precision is None] == []


CASES = [
    ("glm-4.7-fp8", "0.18.0rc1", "A2", {}),
    ("glm-4.7-fp8", "0.13.0", "A3", {}),
    ("glm-4.7-w8a8", "0.13.0", "A2", {}),
    ("qwen3.5-0.8b", "0.23.0", "310P", {}),
    ("glm-4.7-bf16", "0.23.0", "A2", {"tp": 4}),
    ("qwen3.5-0.8b", "0.13.0", "A2", {}),
]


@pytest.mark.parametrize(("name", "target", "soc", "launch"), CASES)
def test_what_is_told_is_true_when_it_is_asked(ask: Ask, name: str, target: str, soc: str, launch: Any) -> None:
    """Each remedy that keeps the weights, followed to the letter, gives a yes on as many cards."""
    report = ask(name, target, soc, **launch)
    assert report.remedies
    assert all(row.verified for row in report.remedies)
    for row in report.remedies:
        if row.precision is None:
            again = ask(name, row.release, row.soc, **followed(row.flags))
            assert again.verdict.value == "compatible"
            assert again.memory.minimum is not None
            assert again.memory.minimum.npus == row.npus


def followed(flags: list[str]) -> dict[str, str]:
    """The launch profile of the flags a remedy of :data:`CASES` adds."""
    return {name.removeprefix("--"): value for name, _, value in (flag.partition(" ") for flag in flags)}


@pytest.mark.parametrize(("name", "target", "soc", "launch"), CASES)
def test_remedies_are_ranked_by_effort_and_none_asks_for_more_in_vain(
    ask: Ask, name: str, target: str, soc: str, launch: Any
) -> None:
    rows = ask(name, target, soc, **launch).remedies
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    weights = [ORDER.index(row.kind) for row in rows if row.kind != "combination"]
    assert weights == sorted(weights)
    same = [(row.kind, row.npus) for row in rows if row.kind == "precision"]
    assert same == sorted(same)
    assert len({row.action.text for row in rows}) == len(rows)


def test_the_same_question_gives_the_same_answer(ask: Ask, checkpoint: Checkpoint, rules: Path) -> None:
    again = analyze(checkpoint("glm-4.7-fp8"), target="0.18.0rc1", soc="A2", rules=rules)
    assert again.remedies == ask("glm-4.7-fp8", "0.18.0rc1", "A2").remedies


def test_a_question_that_is_not_judged_is_never_a_remedy(
    checkpoint: Checkpoint, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row stands on a judgement of its own: where all are refused, there is no row."""

    judged = search.attempt

    def refuse(*args: Any) -> Any:
        found = judged(*args)
        return Refusal(found.match, found.findings) if isinstance(found, Judgement) else found

    monkeypatch.setattr(search, "attempt", refuse)
    report = analyze(checkpoint("glm-4.7-fp8"), target="0.18.0rc1", soc="A2", rules=rules)
    assert [row for row in report.remedies if row.precision is None] == []


def test_a_release_nobody_knows_the_architecture_in_leads_to_a_newer_one(ask: Ask) -> None:
    report = ask("qwen3.5-0.8b", "0.13.0", "A2")
    first = report.remedies[0]
    assert (first.kind, first.release, first.since) == ("release", "0.23.0", "0.18.0rc1")


@pytest.mark.parametrize("name", sorted(name for name in templates("en") if name.startswith("remedy.")))
def test_every_action_names_its_cards_in_both_languages(name: str) -> None:
    words = {"release": "0.23.0", "soc": "A5", "launch": "TP4", "flags": "--x", "without": "--y", "since": "0.21"}
    for lang in ("en", "zh"):
        text = render(name, {**words, "npus": 4}, lang)
        assert "4" in text
        assert "A5" in text
        assert "{" not in text


def test_a_changed_command_is_told_flag_by_flag() -> None:
    asked = LaunchProfile(quantization="awq", ep=True, environment={"A": "1"}, flags={"--load-format": "dummy"})
    found = LaunchProfile(dtype="float16", enforce_eager=True, ep=False, flags={"--seed": "1"})
    added, left = flags_between(asked, found)
    assert added == ("--dtype float16", "--enforce-eager", "--seed 1")
    assert left == ("--quantization", "--enable-expert-parallel", "--load-format", "A")
