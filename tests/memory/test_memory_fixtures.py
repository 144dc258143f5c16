"""The answers for the checkpoints of the repository, read from their headers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from memory_models import RULES, launch, rules, target

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.plan import Layout
from ascend_compat.core.units import GIB
from ascend_compat.memory.plan import make_plan
from ascend_compat.source.spec import open_source

BUILD = RULES.parents[1] / "fixtures" / "build.py"


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CheckpointFacts]:
    root = tmp_path_factory.mktemp("fixtures")

    def facts(name: str) -> CheckpointFacts:
        subprocess.run([sys.executable, str(BUILD), name, str(root / name)], check=True, capture_output=True)
        return read_checkpoint(open_source(str(Path(root / name))))

    return facts


def test_glm47_from_headers_needs_two_nodes_in_bf16(read: Callable[[str], CheckpointFacts]) -> None:
    facts = read("glm-4.7-bf16")
    result = make_plan(facts, classify(facts), target(), launch(), rules(), {})
    assert result.minimum == Layout(16, 2, 8, 2, 1, True)
    assert result.studied is not None and result.studied.rank is not None
    # Derived term by term in docs/memory.md.
    assert result.studied.rank.weights == 46_557_005_440
    assert {message.id for message in result.unknown} == {"AC409.length", "AC409.batch"}


def test_glm47_from_headers_needs_one_node_in_w8a8(read: Callable[[str], CheckpointFacts]) -> None:
    facts = read("glm-4.7-w8a8")
    result = make_plan(facts, classify(facts), target(), launch(), rules(), {})
    assert result.minimum == Layout(8, 1, 8, 1, 1, True)
    assert result.studied is not None and result.studied.rank is not None
    assert result.studied.rank.weights / GIB == pytest.approx(41.67, rel=0.001)


def test_qwen35_from_headers_to_the_token(read: Callable[[str], CheckpointFacts]) -> None:
    facts = read("qwen3.5-0.8b")
    options = launch(tp=1, max_model_len=512, enforce_eager=True, kv_cache_memory_bytes=int(43.65 * GIB))
    studied = make_plan(facts, classify(facts), target(), options, rules(), {}).studied
    assert studied is not None and studied.rank is not None and studied.kv is not None
    assert studied.rank.weights / GIB == pytest.approx(1.714, abs=0.001)
    assert (studied.kv.pages, studied.kv.requests, studied.kv.tokens) == (3660, 915, 468_480)
