"""What releases make of a declared KV cache quantization, by asking their code for an attention layer."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from slim_checkpoints import slim

from ascend_compat.answer.judge import judge
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.kv_cache import asked_dtype_findings
from ascend_compat.knowledge.load import Rules
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc
from ascend_compat.report.catalog import render

RULES = Rules(rules_directory())
A2 = resolve_soc("A2", None, RULES.directory / "curated")
RELEASES = RULES.releases()
FLOAT8 = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True}
INT8 = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True, "dynamic": False}
TOKEN = {"num_bits": 8, "type": "int", "strategy": "token", "symmetric": True, "dynamic": True}


def static(description: dict[str, Any]) -> None:
    description["kv_cache_type"] = "C8"
    for layer in (0, 1):
        for name in ("k_proj", "v_proj"):
            for part in ("scale", "offset"):
                description[f"model.layers.{layer}.self_attn.{name}.kv_cache_{part}"] = "W8A8"


def flash(description: dict[str, Any]) -> None:
    description["fa_quant_type"] = "FAKQuant"
    for layer in (0, 1):
        for name in ("fa_q", "fa_k", "fa_v"):
            description[f"model.layers.{layer}.self_attn.{name}.scale"] = "FAKQuant"


def channels() -> CheckpointFacts:
    config = {"quant_method": "compressed-tensors", "format": "int-quantized", "ignore": ["lm_head"],
              "kv_cache_scheme": FLOAT8,
              "config_groups": {"a": {"targets": ["Linear"], "weights": INT8, "input_activations": TOKEN}}}  # fmt: skip
    made = slim(described=False, declared=config)
    kept: tuple[TensorGroup, ...] = tuple(t for t in made.tensors if t.parameter != "weight_offset")
    return CheckpointFacts(**{**{name: getattr(made, name) for name in made.__slots__}, "tensors": kept})


#: declaration: the checkpoint and the flag.
CACHES = {"C8": (slim(edit=static), "ascend"), "FAKQuant": (slim(edit=flash), "ascend"), "scheme": (channels(), None)}


@cache
def answers(release: str) -> dict[str, Finding | None]:
    """AC313 of every declaration on one release."""
    pack = RULES.pack(release)
    out: dict[str, Finding | None] = {}
    for name, (facts, flag) in CACHES.items():
        found = judge(pack, RULES, facts, classify(facts), A2, LaunchProfile(quantization=flag))
        out[name] = next((item for item in found.findings if item.code == "AC313"), None)
    return out


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_can_be_asked(release: str) -> None:
    for finding in answers(release).values():
        if finding is not None:
            assert finding.message.id != "AC313.open"
            assert all("{" not in render(finding.message.id, finding.message.params, lang) for lang in ("en", "zh"))


TABLE = [
    ("C8", ("0.13.0", "0.18.0rc1"), "AC313"),
    ("C8", ("0.18.0", "0.20.2rc1", "0.23.0", "0.25.1rc1"), None),
    ("FAKQuant", ("0.13.0",), "AC313.raises"),
    ("FAKQuant", ("0.18.0rc1", "0.18.0", "0.23.0", "0.25.1rc1"), None),
    ("scheme", ("0.13.0", "0.18.0", "0.23.0", "0.25.1rc1"), "AC313"),
]
ROWS = [(name, release, said) for name, releases, said in TABLE for release in releases if release in RELEASES]


@pytest.mark.parametrize(("name", "release", "said"), ROWS)
def test_what_was_read_in_a_release_comes_out(name: str, release: str, said: str | None) -> None:
    finding = answers(release)[name]
    assert (finding.message.id if finding else None) == said
    if finding is not None:
        assert (finding.severity is Severity.BLOCKER) == (said == "AC313.raises")
        assert finding.evidence[0].path.startswith("vllm_ascend/") and finding.evidence[0].line


@pytest.mark.parametrize(("soc", "asked", "found"), [("A2", "fp8_e5m2", 1), ("A5", "fp8", 0), ("A3", "auto", 0)])
def test_a_float8_cache_needs_float8_units(soc: str, asked: str, found: int) -> None:
    target = Target("0.18.0", "0.18.0", resolve_soc(soc, None, RULES.directory / "curated"), "")
    launch = LaunchProfile(flags={"--kv-cache-dtype": asked})
    findings = list(asked_dtype_findings(RULES.hardware, target, launch))
    assert [(item.code, item.conditional) for item in findings] == [("AC307", True)] * found
