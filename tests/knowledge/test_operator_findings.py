"""Findings and table rows of the operator walk, from a section written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.operator_findings import adopted, operator_findings
from ascend_compat.knowledge.operator_rows import walked_rows
from ascend_compat.knowledge.walked import Use, Walked

SOCS = ["310P", "A2"]
#: The walk did not get into the model.
HOLLOW = [("AC227", Severity.WARNING, True)]
OP, KERNEL = "torch.ops._C.fast", "vllm.layers.ops.scan:scan_kernel"


def section(
    *things: list[Any], guards: list[list[str]] | None = None, signed: list[int] | None = None
) -> dict[str, Any]:
    """One architecture that meets some things, all on one way."""
    steps = [["", "vllm.models:Tiny", -1], ["vllm/models.py:9", "vllm.models:Tiny.forward", 0]]
    uses = [[number, 3, signed or [], 0, 1] for number in range(len(things))]
    return {
        "socs": SOCS, "triton": ["A2"], "guards": guards or [], "things": list(things), "steps": steps, "uses": uses,
        "architectures": {"Tiny": list(range(len(things)))},
    }  # fmt: skip


def thing(kind: str, name: str, note: str = "") -> list[Any]:
    return [kind, name, "vllm/layers.py:3", "", "", note]


def findings(found: dict[str, Any], soc: str = "A2", ep: bool = False) -> list[Finding]:
    facts = CheckpointFacts(
        "test", "local", None, {"architectures": ["Tiny"], "hidden_size": 2}, ("config.json",), (), False
    )
    profile = classify(facts)
    target = Target("0.0.1", None, Soc(soc, 1 << 30, 8, soc), "")
    pack = {"operators": found, "architectures": {"Tiny": {"at": "vllm/registry.py:1"}}}
    launch = replace(LaunchProfile(), ep=ep)
    return list(operator_findings(pack, facts, profile, target, launch))


def codes(found: dict[str, Any], soc: str = "A2", ep: bool = False) -> list[tuple[str, Severity, bool]]:
    return [(f.code, f.severity, f.undetermined) for f in findings(found, soc, ep)]


def test_a_clean_walk_says_nothing() -> None:
    assert findings(section(thing("replaced", "Linear"), thing("native", "Scale"))) == []


def test_a_walk_that_met_no_layer_is_no_clean_walk() -> None:
    assert codes(section(thing("replaced", "LogitsProcessor"))) == HOLLOW


def test_what_no_npu_has_blocks_with_the_way_to_it() -> None:
    (found,) = findings(section(thing("cuda", OP)))
    assert (found.code, found.severity, found.subject) == ("AC221", Severity.BLOCKER, OP)
    assert [str(e) for e in found.evidence] == ["vllm/layers.py:3", "vllm/models.py:9"]
    assert found.path == ("vllm.models:Tiny", "vllm.models:Tiny.forward")


def test_backends_refusals_packages_and_unbuilt_operators_block() -> None:
    for kind, code in (("no-backend", "AC222"), ("refused", "AC224"), ("package", "AC221"), ("not-built", "AC221"),
                       ("no-native", "AC221")):  # fmt: skip
        assert codes(section(thing(kind, "thing"))) == [(code, Severity.BLOCKER, False)]


def test_a_kernel_blocks_only_where_there_is_no_triton() -> None:
    found = section(thing("triton", KERNEL), thing("triton-plugin", "vllm_ascend.ops:own_kernel"))
    assert codes(found, "310P") == [("AC223", Severity.BLOCKER, False)]
    assert codes(found, "A2") == [("AC225", Severity.WARNING, False)]


def test_a_kernel_that_the_plugin_calls_itself_is_no_question() -> None:
    steps = (("", "vllm.models:Tiny"), ("a:1", "vllm_ascend.ops:forward"), ("b:2", "vllm.layers.ops.scan:scan"))
    use = Use("triton", KERNEL, "b:3", "", "", "", True, False, steps=steps)
    assert adopted(use)
    assert not adopted(replace(use, steps=(*steps[:1], ("a:1", "vllm.layers:forward"), steps[2])))


def test_an_undecided_guard_is_named_and_does_not_block() -> None:
    found = section(thing("cuda", OP), guards=[["U", "context.fast"]], signed=[1])
    (item,) = findings(found)
    assert (item.code, item.severity, item.undetermined) == ("AC227", Severity.WARNING, True)
    assert item.message.params["guard"] == "context.fast"


def test_a_kernel_behind_a_test_of_the_configuration_that_nobody_can_evaluate_is_named() -> None:
    guarded = {"guards": [["C", "config.is_delta_layer()"]], "signed": [1]}
    (item,) = findings(section(thing("triton", KERNEL), **guarded))
    assert (item.code, item.severity, item.undetermined) == ("AC225", Severity.WARNING, True)
    assert item.message.id == "AC225.open"
    assert item.message.params["guard"] == "config.is_delta_layer()"
    assert codes(section(thing("triton", KERNEL), guards=[["U", "context.fast"]], signed=[1])) in ([], HOLLOW)


def test_a_guard_that_config_json_excludes_leaves_nothing() -> None:
    assert codes(section(thing("cuda", OP), guards=[["C", "config.hidden_size == 1"]], signed=[1])) == HOLLOW
    assert codes(section(thing("cuda", OP), guards=[["C", "config.hidden_size == 1"]], signed=[-1]))[0][0] == "AC221"


def test_reductions_matter_with_expert_parallelism_alone() -> None:
    found = section(thing("all-reduce", "vllm.models:TinyMoE"))
    assert codes(found) == []
    assert codes(found, ep=True) == [("AC228", Severity.WARNING, False)]


def test_a_device_that_the_release_does_not_know_is_not_judged() -> None:
    assert findings(section(thing("cuda", OP)), "A5") == []


def test_the_table_names_what_was_looked_for_in_vain() -> None:
    walked = Walked(section(thing("replaced", "Norm")), "A2")
    rows = {row[:3] for row in walked_rows(walked.uses("Tiny", {}), walked)}
    assert ("", "Norm", "replaced") in rows
    assert {(category, status) for category, _, status in rows} >= {("cuda", "not-reached"), ("triton", "not-reached")}
