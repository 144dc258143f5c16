"""Names of a launch that a release does not know, and MTP that is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.profile import ModelProfile, MtpProfile, QuantProfile
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.verdict import Effect, Severity
from ascend_compat.knowledge.curated import Reader
from ascend_compat.knowledge.draft_findings import draft_findings
from ascend_compat.knowledge.knobs import Readers
from ascend_compat.knowledge.launch_names import name_findings
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import ModuleTree
from ascend_compat.knowledge.outcomes import Startup

PACK: dict[str, Any] = {
    "flags": {
        "--max-model-len": {"at": "vllm/engine/arg_utils.py:10"},
        "--tool-call-parser": {"at": "vllm/cli_args.py:3"},
        "--speculative-config": {"at": "vllm/engine/arg_utils.py:20", "config": "SpeculativeConfig"},
        "-sc": {"at": "vllm/engine/arg_utils.py:20", "of": "--speculative-config"},
    },
    "tool_parsers": {"hermes": {"at": "vllm/tool_parsers/__init__.py:4"}},
    "environment": {"VLLM_ASCEND_ENABLE_NZ": {"at": "vllm_ascend/envs.py:4"}},
    "additional_config": {
        "weight_nz_mode": {"at": "vllm_ascend/ascend_config.py:5"},
        "fusion": {
            "at": "vllm_ascend/ascend_config.py:6",
            "keys": {"enabled": {"at": "vllm_ascend/ascend_config.py:7"}},
        },
    },
    "config_keys": {
        "SpeculativeConfig": {
            "at": "vllm/config/speculative.py:9",
            "keys": {"method": {}, "model": {}, "draft": {}, "made": {}},
            "sections": {"draft": "ModelConfig"},
            "fixed": {"made": 12},
        },
        "ModelConfig": {"at": "vllm/config/model.py:3", "keys": {"dtype": {}}, "fixed": {"hf_config": 8}},
    },
    "architectures": {"Deep": {}, "DeepMTP": {}},
}
TARGET = Target("9.9.9", "9.9.9", Soc("A2", 1, 8, "A2"), "d")


def found(**launch: Any) -> list[tuple[str, str, str, bool]]:
    rows = name_findings(PACK, LaunchProfile(**launch), Readers((reader(),)), TARGET)
    return [(row.code, row.subject, str(row.message.params["instead"]), row.conditional) for row in rows]


def test_what_a_class_makes_itself_is_refused_but_not_in_an_object_nobody_need_make_of_it() -> None:
    assert [code for code, *_ in found(speculative={"method": "x", "made": 1})] == ["AC705"]
    assert found(speculative={"method": "x", "draft": {"dtype": "half", "hf_config": {"layers": [2]}}}) == []
    assert [code for code, *_ in found(speculative={"draft": {"dtypes": "half"}})] == ["AC705"]


def reader() -> Reader:
    return Reader(
        id="reads-hccl", software="HCCL", prefixes=("HCCL_",), source="x", seen="2026-01-01", level="documented"
    )


def test_known_names_are_no_findings() -> None:
    assert not found(
        flags={"--max-model-len": "1", "--tool-call-parser": "hermes", "--max-model": "1"},
        environment={"VLLM_ASCEND_ENABLE_NZ": "1", "HCCL_BUFFSIZE": "1"},
        additional_config={"weight_nz_mode": 2, "fusion": {"enabled": True}},
        speculative={"method": "mtp"},
    )


@pytest.mark.parametrize("text", ["[" * 99_999, "{", "", None, "1", "null"])
def test_a_configuration_that_is_no_object_names_no_keys(text: str | None) -> None:
    assert found(flags={"--speculative-config": text}) == []


@pytest.mark.parametrize(
    ("launch", "expected"),
    [
        ({"flags": {"--max-model-length": "1"}}, ("AC701", "--max-model-length", "--max-model-len", True)),
        ({"flags": {"--zzz": None}}, ("AC701", "--zzz", "-", True)),
        ({"flags": {"--tool-call-parser": "glm47"}}, ("AC702", "glm47", "-", True)),
        (
            {"environment": {"VLLM_ASCEND_ENABLE_N": "1"}},
            ("AC703", "VLLM_ASCEND_ENABLE_N", "VLLM_ASCEND_ENABLE_NZ", False),
        ),
        ({"additional_config": {"weight_nz_mod": 2}}, ("AC704", "weight_nz_mod", "weight_nz_mode", False)),
        ({"additional_config": {"fusion": {"on": 1}}}, ("AC704", "fusion.on", "-", False)),
        ({"speculative": {"methode": "mtp"}}, ("AC705", "methode", "method", True)),
        ({"flags": {"-sc": '{"modell": 1}'}}, ("AC705", "modell", "model", True)),
    ],
)
def test_an_unknown_name_is_one_finding(launch: dict[str, Any], expected: tuple[str, str, str, bool]) -> None:
    assert found(**launch) == [expected]


def test_a_plugin_may_bring_any_parser() -> None:
    rows = found(flags={"--tool-call-parser": "own", "--tool-parser-plugin": "own.py"})
    assert "AC702" not in [row[0] for row in rows]


def test_a_pack_without_tables_says_nothing() -> None:
    launch = LaunchProfile(flags={"--zzz": None}, environment={"X": "1"}, additional_config={"x": 1})
    assert not name_findings({}, launch, Readers(()), TARGET)


# ---- MTP ----

PROFILE = ModelProfile(
    architecture="Deep", model_type="deep", text_config_path="", dtype="bfloat16", hidden_size=8, layers=2,
    vocab_size=8, intermediate_size=8, max_positions=8, tied_embeddings=False, attention=(), moe=None, mtp=None,
    quantization=QuantProfile(None, None),
)  # fmt: skip
STORED = MtpProfile(declared=1, layers=(0,), prefix="mtp.layers.*", tensors=3, bytes=3)


def asked(
    mtp: MtpProfile | None,
    draft: str | None = "DeepMTP",
    method: str | None = None,
    speculated: str = "mtp",
    **speculative: Any,
) -> tuple[Finding, ...]:
    facts = CheckpointFacts("x", "local", None, {}, (), (), has_weights=True)
    match = Match(ModuleTree(PACK, ""), Startup(method=method), draft=(draft, None))
    launch = LaunchProfile(speculative={"method": speculated, **speculative})
    return draft_findings(PACK, facts, replace(PROFILE, mtp=mtp), match, launch)


def test_mtp_that_is_there_is_no_finding() -> None:
    assert not asked(STORED)


def test_another_method_or_a_draft_of_its_own_is_not_judged() -> None:
    assert not asked(None, model="other/draft")
    assert not asked(None, speculated="eagle3")


@pytest.mark.parametrize(
    ("mtp", "draft", "variant"),
    [
        (None, None, "AC501.undeclared"),
        (replace(STORED, declared=0), None, "AC501.undeclared"),
        (replace(STORED, tensors=0), None, "AC501.missing"),
        (STORED, "OtherMTP", "AC501.unregistered"),
    ],
)
def test_what_is_missing_for_mtp_is_said(mtp: MtpProfile | None, draft: str | None, variant: str) -> None:
    (row,) = asked(mtp, draft)
    assert row.message.id == variant
    assert row.severity is Severity.BLOCKER and row.conditional and row.remedy is not None


def test_a_quantized_start_does_not_notice_missing_draft_tensors() -> None:
    (row,) = asked(replace(STORED, tensors=0), None, method="ascend")
    assert row.effect is Effect.DEGRADED
