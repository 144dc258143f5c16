"""``--quantization`` that is missing or superfluous, and messages of exceptions as one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from defect_cases import Ask

from ascend_compat.core.finding import Finding
from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.outcomes import LINE, Startup, Trouble
from ascend_compat.knowledge.quantization_flag import flag_findings

RAISES = Trouble("configuration", "ValueError", "no", "vllm/x.py:3")
DESCRIPTION = {"model.layers.0.mlp.down_proj.weight": "W8A8_DYNAMIC"}


def found(
    startup: Startup, described: dict[str, Any] | None = None, given: str | None = None, **ask: Any
) -> tuple[Finding, ...]:
    facts = Ask(**ask).facts()
    checkpoint = replace(facts.checkpoint, quant_description=described)
    match = replace(facts.match, startup=startup)
    return flag_findings(checkpoint, facts.profile, match, facts.target, LaunchProfile(quantization=given))


def test_a_described_checkpoint_that_starts_unquantized_misses_the_flag() -> None:
    (row,) = found(Startup(None), DESCRIPTION, method="modelslim")
    assert row.message.id == "AC314.missing" and row.conditional
    assert row.remedy is not None and row.remedy.params["method"] == "ascend"


def test_a_flag_that_stops_the_start_of_float_weights_is_superfluous() -> None:
    (row,) = found(Startup("ascend", trouble=RAISES), given="ascend")
    assert row.message.id == "AC314.superfluous" and row.conditional


@pytest.mark.parametrize(
    ("startup", "described", "given", "method"),
    [
        (Startup("ascend", True), DESCRIPTION, None, "modelslim"),
        (Startup("ascend"), DESCRIPTION, "ascend", "modelslim"),
        (Startup(None), None, None, None),
        (Startup("fp8", trouble=RAISES), None, "fp8", "fp8"),
        (Startup("ascend", trouble=replace(RAISES, kind=None)), None, "ascend", None),
    ],
)
def test_what_fits_or_is_another_matter_is_no_finding(
    startup: Startup, described: dict[str, Any] | None, given: str | None, method: str | None
) -> None:
    assert not found(startup, described, given, method=method)


def test_a_framed_message_becomes_a_line() -> None:
    framed = f"{'=' * 80}\nERROR: not found\n{'=' * 80}\n\n  Please choose:\n"
    assert replace(RAISES, message=framed).said == "ERROR: not found Please choose:"
    long = replace(RAISES, message="word " * 200).said
    assert len(long) <= LINE + 4 and long.endswith("word ...")
