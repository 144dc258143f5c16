"""Two packs compared: what is told as removed, moved or changed, and what is never told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.core.change import Comparison, Gap, Item, Place, Side
from ascend_compat.knowledge.compare import compare


def pack(release: str, **sections: Any) -> dict[str, Any]:
    return {"schema": 1, "release": {"vllm_ascend": release, "vllm": release}, "digest": release, **sections}


def at(*names: str, file: str = "vllm/args.py", **more: Any) -> dict[str, Any]:
    return {name: {"at": f"{file}:{line}", **more} for line, name in enumerate(names, 1)}


def found(a: dict[str, Any], b: dict[str, Any]) -> Comparison:
    return compare(pack("1.0", **a), pack("2.0", **b), {"A2": "A2"}, {})


def kinds(comparison: Comparison) -> dict[str, list[str]]:
    return {group.kind: [item.subject for item in group.items] for group in comparison.groups}


def item(comparison: Comparison, kind: str, subject: str) -> Item:
    return next(i for group in comparison.groups if group.kind == kind for i in group.items if i.subject == subject)


def test_flags_of_one_side_are_told_with_the_line_they_stand_on() -> None:
    result = found({"flags": at("--a", "--b", "--no-b", "--c")}, {"flags": at("--c", "--d")})
    assert kinds(result) == {"launch.flags.removed": ["--a", "--b / --no-b"], "launch.flags.added": ["--d"]}
    assert item(result, "launch.flags.removed", "--a").places == (Place(Side.A, "vllm/args.py:1"),)
    assert item(result, "launch.flags.added", "--d").places == (Place(Side.B, "vllm/args.py:2"),)


def test_a_negated_flag_that_goes_alone_stands_alone() -> None:
    result = found({"flags": at("--b", "--no-b")}, {"flags": at("--b")})
    assert kinds(result) == {"launch.flags.removed": ["--no-b"]}


@pytest.mark.parametrize("absent", [{}, {"flags": {}}])
def test_a_section_that_is_not_recorded_is_a_gap_and_no_removal(absent: dict[str, Any]) -> None:
    result = found({"flags": at("--a"), "defaults": {"x": {"at": "a:1", "value": 1}}}, {**absent, "defaults": {}})
    assert result.groups == ()
    assert Gap("flags", Side.B) in result.gaps
    assert Gap("flags", Side.A) not in result.gaps
    assert Gap("environment", Side.A) in result.gaps


@pytest.mark.parametrize("told", ["vllm.args: not found", "vllm/args.py: not found"])
def test_entries_of_a_file_that_was_not_found_are_not_removed(told: str) -> None:
    b = {"flags": at("--c", file="vllm/other.py"), "unfollowed": [told]}
    result = found({"flags": {**at("--a", "--b"), **at("--c", file="vllm/other.py")}}, b)
    assert result.groups == ()
    assert Gap("flags", Side.B, "vllm/args.py", 2) in result.gaps


def test_one_line_that_could_not_be_followed_hides_no_removal() -> None:
    b = {"flags": at("--c"), "unfollowed": ["vllm/args.py:7: not a literal"]}
    assert kinds(found({"flags": at("--a", "--c")}, b)) == {"launch.flags.removed": ["--a"]}


def test_a_key_that_is_found_in_a_section_has_moved() -> None:
    a = {"additional_config": at("policy", "gone")}
    b = {"additional_config": {"eplb": {"at": "b:1", "keys": at("policy", file="b", default=2)}}}
    result = found(a, b)
    assert kinds(result) == {
        "launch.additional.moved": ["policy"],
        "launch.additional.removed": ["gone"],
        "launch.additional.added": ["eplb"],
    }
    moved = item(result, "launch.additional.moved", "policy")
    assert moved.note is not None
    assert (moved.note.id, moved.note.params["path"]) == ("compare.note.moved", "eplb.policy")
    assert moved.places == (Place(Side.A, "vllm/args.py:1"), Place(Side.B, "b:1"))


def test_a_key_that_stays_and_gets_a_twin_in_a_section_is_on_its_way() -> None:
    a = {"additional_config": at("policy")}
    b = {"additional_config": {**at("policy"), "eplb": {"at": "b:1", "keys": at("policy", file="b")}}}
    moved = item(found(a, b), "launch.additional.moved", "policy")
    assert moved.note is not None
    assert moved.note.id == "compare.note.moved_kept"


def test_a_common_name_in_another_section_is_no_move() -> None:
    a = {"additional_config": {"graph": {"at": "a:1", "keys": at("enabled", "depth")}}}
    b = {"additional_config": {"lite": {"at": "b:1", "keys": at("enabled")}}}
    assert kinds(found(a, b)) == {"launch.additional.removed": ["graph"], "launch.additional.added": ["lite"]}


def test_a_section_that_is_renamed_moves_its_keys() -> None:
    a = {"additional_config": {"graph": {"at": "a:1", "keys": at("enabled", "depth")}}}
    b = {"additional_config": {"lite": {"at": "b:1", "keys": at("enabled", "depth")}}}
    assert kinds(found(a, b))["launch.additional.moved"] == ["graph.depth", "graph.enabled"]


def test_variables_of_the_plugin_are_told_apart_and_defaults_compared_with_their_type() -> None:
    a = {"environment": {**at("X", owner="vllm_ascend", default=0), **at("Y", owner="vllm", default="1")}}
    b = {"environment": {**at("X", owner="vllm_ascend", default=False), **at("Z", owner="vllm")}}
    result = found(a, b)
    assert kinds(result) == {
        "launch.environment.plugin.default": ["X"],
        "launch.environment.engine.removed": ["Y"],
        "launch.environment.engine.added": ["Z"],
    }
    note = item(result, "launch.environment.plugin.default", "X").note
    assert note is not None
    assert note.params == {"old": "0", "new": "false"}


def test_a_variable_that_changes_hands_is_neither_removed_nor_added() -> None:
    a, b = at("X", owner="vllm_ascend"), at("X", owner="vllm")
    assert found({"environment": a}, {"environment": b}).groups == ()


def test_a_version_that_one_tree_does_not_state_is_not_gone() -> None:
    versions = {"cann": {"at": "Dockerfile:1", "value": "8.5"}, "triton_ascend": {"at": "r.txt:2", "value": "3.2"}}
    result = found({"versions": versions}, {"versions": {"cann": {"at": "Dockerfile:1", "value": "9.0"}}})
    assert kinds(result) == {"versions.changed": ["cann"], "versions.only_a": ["triton_ascend"]}


def architecture(module: str, name: str = "C") -> dict[str, str]:
    return {"at": f"{module}:1", "class": name, "module": module, "kind": "text"}


def test_who_runs_an_architecture_is_told() -> None:
    a = {"A": architecture("vllm.x"), "B": architecture("vllm_ascend.y", "Own"), "Old": architecture("vllm.z")}
    b = {"A": architecture("vllm_ascend.x"), "B": architecture("vllm.y"), "New": architecture("vllm_ascend.n")}
    result = found({"architectures": a}, {"architectures": b, "removed_architectures": {"Old": {"last": "1.5"}}})
    assert kinds(result) == {
        "models.removed": ["Old"],
        "models.added": ["New"],
        "models.own": ["A"],
        "models.not_own": ["B"],
    }
    last = item(result, "models.removed", "Old").note
    assert last is not None
    assert last.params == {"last": "1.5"}


def test_an_architecture_that_is_spelled_otherwise_says_how() -> None:
    result = found({"architectures": {"MoE": architecture("m")}}, {"architectures": {"Moe": architecture("m")}})
    note = item(result, "models.removed", "MoE").note
    assert note is not None
    assert (note.id, note.params) == ("compare.note.respelled", {"name": "Moe"})


def test_documented_rows_are_matched_without_regard_to_case() -> None:
    a = {"LLama2": {"at": "d:1", "status": "supported"}, "Gone": {"at": "d:2", "status": "untested"}}
    b = {"Llama2": {"at": "d:1", "status": "experimental"}}
    assert kinds(found({"documented": a}, {"documented": b})) == {
        "documented.status": ["Llama2"],
        "documented.removed": ["Gone"],
    }


def test_operators_and_backends_are_compared_by_name_wherever_they_stand() -> None:
    a = {
        "custom_ops": {"Norm": [{"at": "a:1", "class": "p.q:N"}], "Old": [{"at": "a:2", "class": "p:O"}]},
        "attention_backends": [{"at": "a:3", "backend": "old.place.Backend", "key": {"mla": True}}],
    }
    b = {
        "custom_ops": {"Norm": [{"at": "b:1", "class": "r:N"}]},
        "attention_backends": [{"at": "b:3", "backend": "new.place.Backend", "key": {"mla": True}}],
    }
    assert kinds(found(a, b)) == {"operators.lost": ["Old"]}


def function(line: int, value: int) -> dict[str, Any]:
    body = [["def", line, "f", {"line": line, "params": [], "body": [["return", line + 1, ["const", value]]]}, []]]
    return {"vllm_ascend.quantization.utils": {"path": "vllm_ascend/quantization/utils.py", "body": body}}


def test_a_function_that_only_moved_says_nothing_and_one_that_changed_does() -> None:
    assert "decisions.changed" not in kinds(found({"code": function(3, 1)}, {"code": function(9, 1)}))
    assert kinds(found({"code": function(3, 1)}, {"code": function(3, 2)}))["decisions.changed"] == ["f"]


names = st.sets(st.text(alphabet="abcD-_", min_size=1, max_size=4), max_size=6)
sections = st.fixed_dictionaries(
    {
        "flags": names.map(lambda found: at(*sorted(found))),
        "environment": names.map(lambda found: at(*sorted(found), owner="vllm_ascend", default=1)),
        "additional_config": st.dictionaries(
            st.sampled_from("abc"), names.map(lambda found: {"at": "x:1", "keys": at(*sorted(found))})
        ),
        "tool_parsers": names.map(lambda found: at(*sorted(found))),
    }
)


@given(sections, sections)
def test_what_is_added_one_way_is_removed_the_other_way(a: dict[str, Any], b: dict[str, Any]) -> None:
    forth, back = kinds(found(a, b)), kinds(found(b, a))
    for section in ("launch.flags", "launch.environment.plugin", "parsers.tool"):
        assert forth.get(f"{section}.added") == back.get(f"{section}.removed")


@given(sections)
def test_a_pack_compared_with_itself_says_nothing(a: dict[str, Any]) -> None:
    assert found(a, a).groups == ()


@given(sections, sections)
def test_order_does_not_depend_on_the_order_of_a_pack(a: dict[str, Any], b: dict[str, Any]) -> None:
    def turned(part: dict[str, Any]) -> dict[str, Any]:
        return {name: dict(reversed(section.items())) for name, section in reversed(part.items())}

    assert found(a, b) == found(turned(a), turned(b))
