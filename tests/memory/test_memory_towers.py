"""Towers whose inputs a launch limits to none: their weights and their run are not counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_models import Model, launch, qwen35, rules, target

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.plan import RankMemory
from ascend_compat.core.profile import VisionProfile
from ascend_compat.memory.plan import make_plan

AUDIO = 50_000 * 1024


def both() -> Model:
    """The model with an audio tower of 50,000 x 1,024 elements beside its vision tower."""
    facts, profile = qwen35()
    group = TensorGroup("model.audio_tower.proj.weight", "BF16", (50_000, 1024), 1, 2 * AUDIO, ())
    tower = VisionProfile("audio", "model.audio_tower", 2, 1024, 8, 2 * AUDIO, "BF16")
    return replace(facts, tensors=(*facts.tensors, group)), replace(profile, towers=(*profile.towers, tower))


def rank(model: Model, release: str = "0.18.0", **flags: str | None) -> RankMemory:
    named = {f"--{name.replace('_', '-')}": value for name, value in flags.items()}
    studied = make_plan(*model, target(release=release, vllm=release), launch(tp=1, flags=named), rules(), {}).studied
    assert studied is not None and studied.rank is not None
    return studied.rank


def left_out(text: str | None, **options: str) -> int:
    whole, less = rank(both(), **options), rank(both(), limit_mm_per_prompt=text, **options)
    return whole.weights - less.weights


VISION = 2 * 100_500_000 // 1024 * 1024


@pytest.mark.parametrize(
    ("limits", "saved"),
    [
        ('{"image": 0, "video": 0}', VISION),
        ('{"image": {"count": 0}, "video": {"count": 0, "num_frames": 8}}', VISION),
        ('{"audio": 0}', 2 * AUDIO),
        ('{"image": 0, "video": 0, "audio": 0}', VISION + 2 * AUDIO),
        ('{"image": 0}', 0),
        ('{"image": 1, "video": 0, "audio": 1}', 0),
        ('{"image": false, "video": 0.0}', 0),
        ("image=0,video=0", 0),
        ("[0]", 0),
        (None, 0),
    ],
)
def test_a_tower_without_inputs_is_not_counted(limits: str | None, saved: int) -> None:
    assert left_out(limits) == pytest.approx(saved, rel=1e-3)


def test_its_profile_run_goes_with_it() -> None:
    whole, less = rank(qwen35()), rank(qwen35(), limit_mm_per_prompt='{"image": 0, "video": 0}')
    assert less.activation < whole.activation


def test_the_limits_can_be_given_one_by_one() -> None:
    flags = {"--limit-mm-per-prompt.image": "0", "--limit-mm-per-prompt.video": "0"}
    asked = make_plan(*both(), target(vllm="0.18.0"), launch(tp=1, flags=flags), rules(), {}).studied
    assert asked is not None and asked.rank is not None
    assert rank(both()).weights - asked.rank.weights == pytest.approx(VISION, rel=1e-3)


def test_releases_before_vllm_0_15_build_it_all_the_same() -> None:
    assert left_out('{"image": 0, "video": 0, "audio": 0}', release="0.14.1") == 0


@given(st.text(max_size=40))
def test_any_text_is_a_limit_or_none(text: str) -> None:
    assert rank(both(), limit_mm_per_prompt=text).weights > 0
