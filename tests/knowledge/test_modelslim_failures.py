"""How ModelSlim checkpoints fail: the exception of each release, by replaying its code on the files."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest
from slim_checkpoints import declare, leave_out, slim

from ascend_compat.answer.judge import judge, make_target
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.match import match
from ascend_compat.knowledge.outcomes import Trouble
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc

RULES = Rules(rules_directory())
A2 = resolve_soc("A2", None, RULES.directory / "curated")
RELEASES = RULES.releases()
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
NAMELESS = {"bits": 8}

#: situation: the checkpoint, and the value of ``--quantization``.
SITUATIONS: dict[str, tuple[CheckpointFacts, str | None]] = {
    "sound, flag given": (slim(), "ascend"),
    "sound and sparse, flag given": (slim(sparse=True), "ascend"),
    "flag absent": (slim(), None),
    "file absent": (slim(described=False), "ascend"),
    "another method beside the flag": (slim(declared=AWQ), "ascend"),
    "another method beside the file": (slim(declared=AWQ), None),
    "no quant_method": (slim(declared=NAMELESS), None),
    "no quant_method, flag given": (slim(declared=NAMELESS), "ascend"),
    "model type not mapped": (slim(sparse=True, model_type="unheard_of_moe"), "ascend"),
    "one shard FLOAT": (slim(edit=declare("FLOAT", "k_proj")), "ascend"),
    "shards of two types": (slim(edit=declare("W8A8", "k_proj")), "ascend"),
    "v_proj missing": (slim(edit=leave_out(".v_proj.")), "ascend"),
    "embedding missing": (slim(edit=leave_out("embed_tokens")), "ascend"),
}


class Start(NamedTuple):
    """What a replay came to: the method, whether it was found without being told, the first thing that stops it."""

    method: str | None
    detected: bool
    trouble: Trouble | None
    verdict: str | None = None
    first: Finding | None = None


@cache
def starts(release: str) -> dict[str, Start]:
    """Every situation on one release. Packs are large: each is read once and not kept."""
    pack = RULES.pack(release)
    target = make_target(pack, A2)
    out: dict[str, Start] = {}
    for name, (facts, flag) in SITUATIONS.items():
        profile, launch = classify(facts), LaunchProfile(quantization=flag)
        found = match(pack, RULES, facts, profile, target, launch)
        stop = found.startup.trouble or next((g.outcome.trouble for g in found.groups if g.outcome.trouble), None)
        lost = found.startup.method is None and stop is None
        judged = judge(pack, RULES, facts, profile, A2, launch) if lost else None
        verdict, first = (judged.verdict.value, judged.findings[0]) if judged else (None, None)
        out[name] = Start(found.startup.method, found.startup.auto_detected, stop, verdict, first)
    return out


def trouble(release: str, situation: str) -> Trouble | None:
    return starts(release)[situation].trouble


def raised(release: str, situation: str) -> tuple[str, str, str]:
    found = trouble(release, situation)
    assert found is not None and found.kind is not None, f"{situation} does not raise: {found}"
    return found.kind, found.message.strip(), found.at


def known(*releases: str) -> list[str]:
    """Releases of a table row that are packed."""
    return [release for release in releases if release in RELEASES]


@pytest.mark.parametrize("release", RELEASES)
def test_every_situation_is_decided(release: str) -> None:
    for situation in SITUATIONS:
        found = trouble(release, situation)
        assert found is None or found.kind is not None, f"{situation}: {found}"
    for situation in ("sound, flag given", "sound and sparse, flag given"):
        assert trouble(release, situation) is None
        assert starts(release)[situation].method == "ascend"


@pytest.mark.parametrize("release", RELEASES)
def test_the_file_is_absent(release: str) -> None:
    kind, message, at = raised(release, "file absent")
    assert kind == "ValueError"
    own = at.startswith("vllm_ascend/")
    assert ("ModelSlim Quantization Config Not Found" if own else "Cannot find the config file for ascend") in message


@pytest.mark.parametrize("release", RELEASES)
def test_a_declaration_without_a_method_replaces_the_file(release: str) -> None:
    """The plugin takes it for its own, so that the file is never read and the first name looked up is not there."""
    for situation in ("no quant_method", "no quant_method, flag given"):
        kind, message, at = raised(release, situation)
        assert kind == "KeyError" and message.endswith(".weight'")
        assert at.startswith("vllm_ascend/quantization/")


@pytest.mark.parametrize("release", RELEASES)
def test_one_shard_of_a_fused_module_is_float(release: str) -> None:
    kind, message, _ = raised(release, "one shard FLOAT")
    assert kind == "ValueError" and "model.layers.0.self_attn.qkv_proj" in message
    assert message.startswith(("Detected some but not all shards", "Not all shards"))
    kind, message, _ = raised(release, "shards of two types")
    assert kind == "ValueError" and message.startswith("Not all shards of model.layers.0.self_attn.qkv_proj")


@pytest.mark.parametrize("release", RELEASES)
def test_a_missing_shard_raises_or_is_tolerated(release: str) -> None:
    found = trouble(release, "v_proj missing")
    if found is not None:
        assert (found.kind, found.message) == ("KeyError", "'model.layers.0.self_attn.v_proj.weight'")
    found = trouble(release, "embedding missing")
    if found is not None:
        assert (found.kind, found.message) == ("KeyError", "'model.embed_tokens.weight'")


@pytest.mark.parametrize("release", RELEASES)
def test_without_the_flag_the_file_is_found_or_loading_looks_for_a_parameter_of_its_scales(release: str) -> None:
    found = starts(release)["flag absent"]
    if found.method == "ascend":
        assert found.detected
        return
    assert (found.method, found.verdict) == (None, "incompatible")
    assert found.first is not None
    raised = found.first.message.params
    assert (found.first.code, raised["exception"]) == ("AC340", "KeyError")
    assert str(raised["message"]).endswith(("proj.weight_offset'", "proj.weight_scale'"))
    assert found.first.evidence[0].path == "vllm/model_executor/models/qwen2.py"


#: What was read or run in single releases: situation, release, exception (``None``: none), message part, file and line.
TABLE = [
    ("file absent", "0.13.0", "ValueError", "Cannot find the config file", "weight_utils.py:314"),
    ("file absent", "0.18.0", "ValueError", "Config Not Found", "modelslim_config.py:625"),
    ("file absent", "0.23.0", "ValueError", "Config Not Found", "modelslim_config.py:815"),
    ("another method beside the flag", "0.11.0", "KeyError", ".weight'", "quant_config.py:170"),
    ("another method beside the flag", "0.13.0", "ValueError", "does not match the quantization", "model.py:936"),
    ("another method beside the flag", "0.18.0", "ValueError", "does not match the quantization", "model.py:949"),
    ("another method beside the file", "0.11.0", "KeyError", ".weight'", "quant_config.py:170"),
    ("another method beside the file", "0.13.0", "ValueError", "awq quantization is currently not", "interface.py:434"),
    ("another method beside the file", "0.18.0", "ValueError", "awq quantization is currently not", "interface.py:494"),
    ("another method beside the file", "0.25.1rc1", "ValueError", "auto_awq quantization is", "interface.py:946"),
    ("model type not mapped", "0.11.0", None, "", ""),
    ("model type not mapped", "0.13.0", "KeyError", "mlp.experts.weight'", "quant_config.py:196"),
    ("model type not mapped", "0.18.0", "KeyError", "mlp.experts.weight'", "modelslim_config.py:292"),
    ("model type not mapped", "0.23.0", "KeyError", "mlp.experts.weight'", "modelslim_config.py:381"),
    ("one shard FLOAT", "0.18.0rc1", "ValueError", "Detected some but not all", "modelslim_config.py:505"),
    ("one shard FLOAT", "0.18.0", "ValueError", "Detected some but not all", "modelslim_config.py:528"),
    ("shards of two types", "0.18.0", "ValueError", "with same quant type", "modelslim_config.py:286"),
    ("v_proj missing", "0.18.0rc1", "KeyError", "v_proj.weight'", "modelslim_config.py:500"),
    ("v_proj missing", "0.18.0", "KeyError", "v_proj.weight'", "modelslim_config.py:523"),
    ("v_proj missing", "0.23.0", "KeyError", "v_proj.weight'", "modelslim_config.py:691"),
    ("v_proj missing", "0.24.0rc1", None, "", ""),
    ("embedding missing", "0.18.0", "KeyError", "embed_tokens.weight'", "modelslim_config.py:292"),
    ("embedding missing", "0.23.0", None, "", ""),
    ("embedding missing", "0.24.0rc1", "KeyError", "embed_tokens.weight'", "modelslim_config.py:433"),
]


@pytest.mark.parametrize("row", [row for row in TABLE if row[1] in RELEASES], ids=lambda row: f"{row[1]} {row[0]}")
def test_what_was_read_in_a_release_comes_out(row: tuple[str, str, str | None, str, str]) -> None:
    situation, release, kind, part, line = row
    if kind is None:
        assert trouble(release, situation) is None
        return
    found = raised(release, situation)
    assert found[0] == kind and part in found[1] and found[2].endswith(line)


def test_releases_that_look_for_the_file_themselves() -> None:
    for release, method in (("0.11.0", None), ("0.13.0", None), ("0.18.0rc1", "ascend"), ("0.23.0", "ascend")):
        for packed in known(release):
            assert starts(packed)["flag absent"].method == method
