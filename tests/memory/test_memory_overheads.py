"""Estimated parts: ranges, expert communication, HCCL buffers, calibration from a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from memory_models import Model, deepseek_v3, glm47, launch, qwen3, qwen3_moe, qwen35, rules, target

from ascend_compat.core.plan import Estimate, MemoryPlan, RankMemory
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB, MIB
from ascend_compat.errors import UsageError
from ascend_compat.memory.calibrate import parse_log, read_log
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.plan import make_plan

LOG = "\n".join(
    (
        "(Worker pid=1) INFO Loading model weights took 27.5376 GB",
        "INFO Available KV cache memory: 24.11 GiB",
        "INFO Graph capturing finished in 12 secs, took 0.23 GiB",
        "INFO Free memory on device (60.59/60.97 GiB) on startup. Actual usage: 27.54 GiB for weights, "
        "1.00 GiB for peak activation, 0.13 GiB for non-torch memory, 0.23 GiB for NPU graph memory.",
    )
)


def plan(model: Model, on: Target | None = None, **options: Any) -> MemoryPlan:
    options = {"max_model_len": 4096, "max_num_batched_tokens": 4096, **options}
    return make_plan(*model, on or target(), launch(**options), rules(), {})


def rank(model: Model, on: Target | None = None, **options: Any) -> RankMemory:
    found = plan(model, on, **options).studied
    assert found is not None and found.rank is not None
    return found.rank


def part(of: RankMemory, name: str) -> Estimate:
    return next(estimate for estimate in of.estimates if estimate.name == name)


@pytest.mark.parametrize("model", [qwen3(1024, 28, 16, 8, 3072, True), glm47(), deepseek_v3(True), qwen35()])
def test_every_estimate_is_a_range_with_an_origin(model: Model) -> None:
    known = rank(model, tp=1)
    assert [estimate.name for estimate in known.estimates] == ["activation", "non_torch", "graph"]
    for estimate in known.estimates:
        assert 0 <= estimate.low <= estimate.likely <= estimate.high
        assert estimate.origin
    assert known.activation == part(known, "activation").likely


def test_activation_of_a_small_dense_model_is_that_of_its_log() -> None:
    """Qwen3-0.6B at 2048 tokens and one sequence: 1.234 - 1.14 - 0.028 GiB in all (PR 6615)."""
    known = rank(qwen3(1024, 28, 16, 8, 3072, True), tp=1, max_num_batched_tokens=2048, max_num_seqs=1)
    estimate = part(known, "activation")
    assert estimate.low <= 0.066 * GIB <= estimate.high


def test_gathered_batches_grow_with_data_parallelism_on_a2_only() -> None:
    one, four = (rank(deepseek_v3(True), tp=4, dp=dp, ep=True).activation for dp in (1, 4))
    assert four > 2 * one
    near = [rank(deepseek_v3(True), target("A3"), tp=4, dp=dp, ep=True).activation for dp in (1, 4)]
    assert near[0] == near[1]


def test_the_expert_bound_is_the_wider_of_two_products() -> None:
    """Rows of DeepSeek-V3 in int8: input 7168 + gate and up 8192, or product 2048 + output 14336 bytes."""
    few, many = (
        rank(deepseek_v3(True), tp=8, dp=2, ep=True, max_num_batched_tokens=tokens, max_num_seqs=1).activation
        for tokens in (4096, 8192)
    )
    tokens = 2 * 4096
    states = 4 * 4096 * 7168 * 2
    assert many - few == states + tokens * 7168 * 2 + tokens * 8 * (2048 + 14336)


def test_buffers_follow_the_variable_for_mc2_only() -> None:
    small = rank(glm47(), tp=8, dp=2, ep=True, environment={"HCCL_BUFFSIZE": "300"}).non_torch
    large = rank(glm47(), tp=8, dp=2, ep=True, environment={"HCCL_BUFFSIZE": "800"}).non_torch
    assert large - small == 2 * 500 * MIB
    dense = [rank(qwen3(1024, 28, 16, 8, 3072, True), tp=2, environment={"HCCL_BUFFSIZE": n}) for n in ("200", "800")]
    assert dense[0].non_torch == dense[1].non_torch


def test_mc2_names_the_buffer_it_needs() -> None:
    """DeepSeek on 16 ranks, 16 experts each, 32 tokens a rank: 240 MB (A pull request 3073)."""
    options = {"tp": 4, "dp": 4, "ep": True, "max_num_seqs": 128, "environment": {"HCCL_BUFFSIZE": "200"}}
    on = target("A2", "0.18.0", "0.18.0")
    found = plan(deepseek_v3(True), on, **options)
    (message,) = [m for m in found.unknown if m.id == "AC405.buffer"]
    assert message.params == {"needed": 240, "given": 200}
    (finding,) = [f for f in memory_findings(found, on, launch(**options)) if f.code == "AC405"]
    assert finding.remedy is not None


def test_the_launch_sets_the_buffer_where_the_user_does_not() -> None:
    found = plan(glm47(), max_num_seqs=512)
    assert not [m for m in found.unknown if m.id == "AC405.buffer"]
    ((name, value),) = found.environment
    assert name == "HCCL_BUFFSIZE" and int(value) > 200
    assert not plan(glm47(), max_num_seqs=512, environment={"HCCL_BUFFSIZE": "1024"}).environment


def test_eager_mode_captures_nothing() -> None:
    assert rank(glm47(), tp=8, dp=2, enforce_eager=True).graph == 0


def test_high_values_that_would_flip_the_verdict_are_said() -> None:
    found = plan(qwen3_moe(), tp=8, gpu_memory_utilization=0.94, max_num_batched_tokens=4096, max_num_seqs=16)
    assert found.studied is not None and found.studied.fits
    assert {m.id for m in found.unknown} & {"AC402.high", "AC402.room"}


@pytest.mark.parametrize(("share", "said"), [(0.92, True), (0.88, False)])
def test_low_values_that_would_flip_a_refusal_are_said(share: float, said: bool) -> None:
    found = plan(qwen3_moe(), tp=8, gpu_memory_utilization=share, max_num_batched_tokens=4096, max_num_seqs=16)
    assert found.studied is not None and not found.studied.fits
    assert ("AC402.low" in {m.id for m in found.unknown}) is said


def test_a_log_states_its_figures() -> None:
    known = parse_log(LOG, "start.log")
    assert known.weights == int(27.54 * GIB)
    assert (known.activation, known.non_torch) == (GIB, int(0.13 * GIB))
    assert (known.graph, known.kv_cache, known.device) == (int(0.23 * GIB), int(24.11 * GIB), int(60.97 * GIB))
    assert parse_log("Available memory: 1000, total memory: 2000", "old").kv_cache == 1000


def test_a_log_makes_the_estimate_that_of_the_log() -> None:
    model = qwen3(5120, 40, 40, 8, 17408, False)
    measured = rank(model, tp=1, calibration=parse_log(LOG, "start.log"))
    assert measured.device == int(60.97 * GIB)
    assert measured.weights == pytest.approx(27.54 * GIB, rel=1e-6)
    assert (measured.non_torch, measured.graph) == (int(0.13 * GIB), int(0.23 * GIB))
    assert measured.activation == pytest.approx(GIB, abs=2)
    assert part(measured, "activation").low == part(measured, "activation").high
    assert part(measured, "activation").origin == "start.log"


def test_a_log_of_one_layout_scales_the_others() -> None:
    model, log = glm47(), parse_log("Loading model weights took 43.8 GB\n0.87 GiB for peak activation", "start.log")
    own = rank(model, tp=8, dp=2)
    found = plan(model, tp=8, dp=2, calibration=log)
    assert found.studied is not None and found.studied.rank is not None
    factor = found.studied.rank.activation / own.activation
    eight = next(a for a in found.tried if (a.layout.tp, a.layout.dp, a.layout.pp) == (8, 1, 1))
    bare = next(a for a in plan(model, tp=8, dp=2).tried if a.layout == eight.layout)
    assert eight.rank is not None and bare.rank is not None
    assert eight.rank.activation == pytest.approx(bare.rank.activation * factor, rel=1e-6)


def test_room_without_an_activation_line_states_it_indirectly() -> None:
    model = qwen3(5120, 40, 40, 8, 17408, False)
    log = parse_log("Loading model weights took 27.5376 GB\nAvailable KV cache memory: 24.11 GiB", "start.log")
    assert rank(model, tp=1, calibration=log).kv_cache == pytest.approx(24.11 * GIB, abs=64)


@pytest.mark.parametrize("text", ["", "nothing about memory", "\x00\xff"])
def test_a_log_without_figures_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "start.log"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match="says nothing about memory"):
        read_log(str(path))
    with pytest.raises(UsageError, match="can't be read"):
        read_log(str(tmp_path / "absent.log"))


def test_dynamic_balancing_keeps_a_layer_of_experts_as_buffers() -> None:
    """20 experts a rank on 8 ranks; their communicator takes 2 x 100 MiB."""
    still, moving = (rank(glm47(), tp=8, additional_config=c) for c in (None, {"eplb_config": {"dynamic_eplb": True}}))
    assert moving.unprofiled - still.unprofiled == 20 * 3 * 1536 * 5120 * 2
    assert moving.non_torch - still.non_torch == 200 * MIB


@pytest.mark.parametrize(
    ("release", "vllm", "options", "inside"),
    [
        ("0.20.2rc1", "0.20.2", {}, False),
        ("0.22.1rc1", "0.22.1", {}, True),
        ("0.22.1rc1", "0.22.1", {"enforce_eager": True}, False),
        ("0.22.1rc1", "0.22.1", {"environment": {"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "0"}}, False),
        ("0.22.1rc1", "0.22.1", {"kv_cache_memory_bytes": int(8 * GIB)}, False),
        ("0.23.0", "0.23.0", {}, False),
    ],
)
def test_two_releases_measure_their_graphs_and_keep_them_free_within_the_budget(
    release: str, vllm: str, options: dict[str, Any], inside: bool
) -> None:
    known = rank(qwen3_moe(), target(release=release, vllm=vllm), tp=4, **options)
    assert bool(known.graph_inside) is inside
    assert known.graph == 0 or not inside
    assert known.total == known.weights + known.activation + known.non_torch + known.graph_inside
    if "kv_cache_memory_bytes" not in options:
        assert known.kv_cache == known.budget - known.total


@pytest.mark.parametrize(
    ("flags", "captured"),
    [
        ({}, True),
        ({"--compilation-config": '{"cudagraph_mode": "FULL_DECODE_ONLY"}'}, True),
        ({"--compilation-config": '{"cudagraph_mode": "NONE"}'}, False),
        ({"--compilation-config.cudagraph_mode": "none"}, False),
        ({"--compilation-config": '{"cudagraph_mode": ["NONE"]}'}, True),
        ({"--compilation-config": "[" * 99_999}, True),
        ({"--compilation-config": None}, True),
    ],
)
def test_graphs_take_nothing_where_none_are_captured(flags: dict[str, str | None], captured: bool) -> None:
    assert bool(rank(qwen3_moe(), tp=4, flags=flags).graph) is captured
