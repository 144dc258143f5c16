"""Stories of releases that the mechanism must tell by itself: silent corruption, fixes that come and go, refusals."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cells import ANY, RULES, agrees, replay
from models import DEEPSEEK_V4

from ascend_compat.core.finding import EvidenceKind, Finding
from ascend_compat.core.verdict import Effect

INT8, FLOAT8 = "int8", "F8_E4M3"


@cache
def pack(release: str) -> dict[str, Any]:
    """The pack of a release, read once."""
    return RULES.pack(release)


@pytest.mark.parametrize(
    ("format", "layer", "soc", "timeline"),
    [
        # FP8 values cast into int8 parameters, until the schemes for float8 came; the static case never got one.
        ("float8 dynamic", "linear", "A2", ["0.18.0rc1 W", "0.20.2rc1 W", "0.22.1rc1 F:hw", "0.30.0rc2 F:hw"]),
        ("float8 dynamic", "moe", "A5", ["0.18.0rc1 W", "0.20.2rc1 W", "0.22.1rc1 N", "0.30.0rc2 N"]),
        ("float8 static channel", "linear", "A5", ["0.18.0 W", "0.22.1rc1 W", "0.27.1rc1 W"]),
        ("fp8 block", ANY, "A5", ["0.20.2rc1 F:ValueError", "0.23.0 F:AttributeError o_groups"]),
        ("MiniMax-M2 FP8", ANY, "A2",
         ["0.20.2rc1 D", "0.22.1rc1 F:AttributeError", "0.23.0 D", "0.25.1rc1 F:AttributeError"]),
        ("MiniMax-M2 FP8", ANY, "A5", ["0.20.2rc1 D", "0.22.1rc1 F:AttributeError", "0.23.0 F:AttributeError"]),
        ("awq", ANY, "A2", ["0.11.0 F:KeyError", "0.13.0 F:ValueError awq"]),
        ("int8 dynamic", ANY, "310P", ["0.18.0 F:KeyError OOT"]),
        ("W4A16 group 128", "moe", "A2", ["0.18.0 F:shape scale"]),
    ],
)  # fmt: skip
def test_a_story_of_releases(format: str, layer: str, soc: str, timeline: list[str]) -> None:
    told = {entry.partition(" ")[0]: entry.partition(" ")[2] for entry in timeline}
    got = {release: replay(pack(release), soc, format).outcome(layer) for release in told}
    assert {r: got[r] for r in told if not agrees(told[r], got[r])} == {}


def test_float8_in_int8_names_both_dtypes_and_the_lines_that_decide() -> None:
    found = [f for f in replay(pack("0.18.0rc1"), "A2", "float8 dynamic").findings() if f.code == "AC301"]
    assert found
    for finding in found:
        params = finding.message.params
        assert (params["stored"], params["allocated"], params["scheme"]) == (FLOAT8, INT8, "W8A8_DYNAMIC")
        assert finding.effect is Effect.WRONG_OUTPUT
        assert _files(finding) >= {"w8a8_dynamic.py", "compressed_tensors_config.py"}
        assert any(item.kind is EvidenceKind.HEADER for item in finding.evidence)


def test_a_scheme_that_no_decision_names_is_called_by_what_it_is_registered_as() -> None:
    """In 0.13.0 the configuration constructs the scheme's class itself."""
    found = [f for f in replay(pack("0.13.0"), "A2", "float8 dynamic").findings("linear") if f.code == "AC301"]
    assert {(f.message.id, f.message.params["scheme"], f.message.params["allocated"]) for f in found} == {
        ("AC301", "W8A8_DYNAMIC", INT8)
    }


def test_a_group_size_that_the_scheme_does_not_read_shows_in_the_shape_of_the_scale() -> None:
    found = replay(pack("0.19.1rc1"), "A2", "W4A16 group 128").findings("moe")
    wrong = [f for f in found if "scale" in str(f.message.params.get("parameter"))]
    assert wrong
    for finding in wrong:
        assert finding.message.params["stored_shape"] == "[512, 4]"
        assert finding.message.params["allocated_shape"] == "[4, 1024, 16]" or "w2" in str(finding.message.params)
        assert "w4a16.py" in _files(finding)


def test_an_attribute_that_a_scheme_needs_of_the_configuration_is_missed_by_name() -> None:
    for release in ("0.22.1rc1", "0.23.0", "0.24.0rc1", "0.25.1rc1"):
        finding = next(f for f in replay(pack(release), "A5", "fp8 block").findings() if f.code == "AC303")
        assert finding.message.params["exception"] == "AttributeError"
        assert finding.evidence[0].path == "vllm_ascend/quantization/methods/fp8.py"


@pytest.mark.parametrize(
    ("release", "asked", "method", "trouble"),
    [
        (
            "0.20.2rc1",
            None,
            "deepseek_v4_fp8",
            "ValueError",
        ),  # the plugin does not know it yet
        ("0.23.0", None, "fp8", None),
        ("0.25.1rc1", "ascend", "ascend", "ValueError"),
        ("0.27.1rc1", "ascend", "deepseek_v4_fp8", None),  # the plugin's class inherits what overrides the user
    ],
)
def test_deepseek_v4_starts_with_the_method_that_the_overrides_leave(
    release: str, asked: str | None, method: str, trouble: str | None
) -> None:
    startup = replay(pack(release), "A5", DEEPSEEK_V4, asked).match.startup
    raised = startup.trouble.kind if startup.trouble else None
    assert (startup.method, raised) == (method, trouble)


def _files(finding: Finding) -> set[str]:
    return {str(item.path).rpartition("/")[2] for item in finding.evidence}
