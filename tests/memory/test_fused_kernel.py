"""The fused expert kernel: rows by release and option, bytes of a row by precision, once more in the graph pool."""

from __future__ import annotations

from typing import Any

import pytest
from memory_models import Model, glm47, launch, rules, target
from packaging.version import Version

from ascend_compat.core.plan import RankMemory
from ascend_compat.memory.plan import make_plan

HIDDEN, INNER = 5120, 1536
BASE = 16 * 2**20


def rank(known: Model, release: str, soc: str = "A3", fused: int = 1, **options: Any) -> RankMemory:
    more = options.pop("additional_config", {})
    by_option = Version(release) >= Version("0.20rc0")
    switch = {"enable_fused_mc2": fused} if by_option else {}
    variables = {} if by_option else {"VLLM_ASCEND_ENABLE_FUSED_MC2": str(fused)}
    asked = launch(tp=16, dp=1, ep=True, additional_config={**switch, **more}, environment=variables, **options)
    studied = make_plan(*known, target(soc, release, release.partition("rc")[0]), asked, rules(), {}).studied
    assert studied is not None and studied.rank is not None
    return studied.rank


def graph(known: Model, release: str, **options: Any) -> int:
    """What the kernel adds to the graphs, which holds nothing else that depends on it."""
    with_it, without = (rank(known, release, fused=fused, **options) for fused in (1, 0))
    return with_it.graph + with_it.graph_inside - without.graph - without.graph_inside


@pytest.mark.parametrize(
    ("release", "rows"),
    [("0.18.0", 65536), ("0.20.2rc1", 131072), ("0.22.1rc1", 131072), ("0.23.0rc1", 65536), ("0.24.0rc1", 131072),
     ("0.25.1rc1", 131072), ("0.26.0rc1", 65536), ("0.30.0rc2", 65536)],
)  # fmt: skip
def test_the_rows_are_those_of_the_release(release: str, rows: int) -> None:
    assert graph(glm47(), release) == BASE + rows * (8 + 4 * HIDDEN + 6 * INNER)


def test_a_page_that_states_the_peak_is_met() -> None:
    """Dots3-Note.md:250 of vllm-ascend: about 3.64 GiB a card, hidden 5120 and experts of 1536 in 16 bit at 0.22.1."""
    assert round(graph(glm47(), "0.22.1rc1") / 2**30, 2) == 3.64


@pytest.mark.parametrize(("release", "rows"), [("0.22.1rc1", 131072), ("0.23.0", 8192), ("0.30.0rc2", 8192)])
def test_the_rows_can_be_named_where_the_release_reads_the_option(release: str, rows: int) -> None:
    named = {"additional_config": {"mega_moe_max_tokens": 8192}}
    assert graph(glm47(), release, **named) == BASE + rows * (8 + 4 * HIDDEN + 6 * INNER)


@pytest.mark.parametrize("value", ["many", -1, 0, None, True, [8192]])
def test_a_value_that_is_no_count_of_rows_leaves_the_rows_of_the_release(value: object) -> None:
    named = {"additional_config": {"mega_moe_max_tokens": value}}
    assert graph(glm47(), "0.23.0", **named) == graph(glm47(), "0.23.0")


@pytest.mark.parametrize(
    ("release", "row"),
    [("0.14.0rc1", 2 * HIDDEN + HIDDEN), ("0.18.0", 3 * HIDDEN + 5 * INNER), ("0.23.0", 3 * HIDDEN)],
)
def test_eight_bit_experts_have_rows_of_their_own(release: str, row: int) -> None:
    """Before 0.15 the wider of the two: 4 x 1536 is below 2 x 5120."""
    assert graph(glm47(w8=True), release) == BASE + 65536 * (8 + row)


@pytest.mark.parametrize(("release", "soc"), [("0.17.0rc1", "A3"), ("0.23.0", "A2")])
def test_no_kernel_is_counted_where_none_is_taken(release: str, soc: str) -> None:
    """Before 0.18 for int8 experts alone (A 0.17.0rc1 ascend_forward_context.py:248); on A2 never."""
    assert graph(glm47(), release, soc=soc) == 0


def test_the_workspace_does_not_depend_on_the_batch_and_takes_the_place_of_the_rows() -> None:
    small, large = (rank(glm47(), "0.23.0", max_num_batched_tokens=size).activation for size in (2048, 4096))
    assert 0 < large - small < 2048 * HIDDEN * 2 * 8
    assert rank(glm47(), "0.23.0", enforce_eager=True).graph == 0


@pytest.mark.parametrize(
    ("release", "variable", "option"),
    [("0.18.0", True, False), ("0.22.1rc1", True, True), ("0.26.0rc1", True, True), ("0.27.1rc1", False, True)],
)
def test_the_switch_is_read_where_the_release_reads_it(release: str, variable: bool, option: bool) -> None:
    """Variable alone up to 0.19, option alone from 0.27; an option that is off wins over the variable."""
    on = {"VLLM_ASCEND_ENABLE_FUSED_MC2": "1"}
    plain, by_variable, by_option, off = (
        make_plan(*glm47(), target("A3", release, release.partition("rc")[0]), asked, rules(), {}).studied
        for asked in (
            launch(tp=16, dp=1, ep=True),
            launch(tp=16, dp=1, ep=True, environment=on),
            launch(tp=16, dp=1, ep=True, additional_config={"enable_fused_mc2": 1}),
            launch(tp=16, dp=1, ep=True, environment=on, additional_config={"enable_fused_mc2": 0}),
        )
    )
    sizes = [found.rank.activation for found in (plain, by_variable, by_option, off) if found and found.rank]
    assert [size > sizes[0] for size in sizes[1:]] == [variable, option, variable and not option]


def test_the_window_of_eight_bit_experts_has_to_hold_the_tokens_of_a_rank() -> None:
    """10 MiB and 3 bytes for 16384 / 4 tokens x 8 experts x 5120: 490 MiB; other precisions are not checked."""
    fused = {"enable_fused_mc2": 1}
    options = {"tp": 4, "dp": 4, "ep": True, "max_num_batched_tokens": 16384, "additional_config": fused}
    on = target("A3", "0.23.0", "0.23.0")
    for known, needed in ((glm47(w8=True), 490), (glm47(), None)):
        for size, said in ((489, needed), (490, None)):
            asked = launch(**options, environment={"HCCL_BUFFSIZE": str(size)})
            found = [m for m in make_plan(*known, on, asked, rules(), {}).unknown if m.id == "AC405.buffer"]
            assert [m.params["needed"] for m in found] == ([said] if said else [])
