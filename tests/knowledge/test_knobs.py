"""Names that tutorials use, looked up in what a release reads; trees of releases where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from extract.trees import real_trees

from ascend_compat.errors import RuleError
from ascend_compat.extract.build import TABLES
from ascend_compat.extract.parsers import extract_parsers
from ascend_compat.knowledge.knobs import Readers, Unread, unread_knobs
from ascend_compat.knowledge.load import Rules

RULES = Path(__file__).resolve().parents[2] / "rules"
PACKS = sorted((RULES / "packs").glob("*.json"))


def at(line: int) -> dict[str, Any]:
    return {"at": f"vllm/a.py:{line}"}


def pack(**uses: Any) -> dict[str, Any]:
    return {
        "flags": {"--tp": at(1), "-t": {**at(1), "of": "--tp"}, "--spec-config": {**at(2), "config": "Spec"},
                  "--additional-config": at(3)},
        "environment": {"READ": at(4)},
        "additional_config": {"plain": at(5), "section": {**at(6), "keys": {"inner": at(7)}},
                              "free": {**at(8), "keys": {"one": at(9)}, "open": True}},
        "config_keys": {"Spec": {"at": "vllm/c.py:1", "keys": {"method": 2, "part": 3}, "fixed": {"derived": 4},
                                 "sections": {"part": "Part"}},
                        "Part": {"at": "vllm/c.py:9", "keys": {"deep": 10}}},
        "tool_parsers": {"known": at(1)},
        "tutorials": {"pages": [{"path": "docs/a.md"}, {"path": "docs/b.md"}], **uses},
    }  # fmt: skip


NOBODY = Readers(())


def names(found: list[Unread]) -> set[tuple[str, str]]:
    return {(knob.name, knob.reason) for knob in found}


def test_flags_are_known_whole_abbreviated_or_short() -> None:
    uses = {"--tp": "0:1", "--spec": "0:2", "-t": "0:3", "-t4": "0:4", "--gone": "0:5 1:6"}
    (only,) = unread_knobs(pack(flags=uses), NOBODY)
    assert only == ("flag", "--gone", ("docs/a.md:5", "docs/b.md:6"), "unknown", "")


def test_variables_of_other_software_are_no_finding() -> None:
    uses = {"READ": "0:1", "HCCL_BUFFSIZE": "0:2", "LD_PRELOAD": "0:3", "NOBODYS": "0:4"}
    assert names(unread_knobs(pack(env=uses), Readers(Rules(RULES).readers))) == {("NOBODYS", "unread")}


def test_additional_keys_by_section() -> None:
    uses = {"plain": "0:1", "section": "0:1", "section.inner": "0:1", "section.other": "0:2", "free.any": "0:3",
            "gone": "0:4", "gone.below": "0:4", "plain.anything": "0:5", "inner": "0:6"}  # fmt: skip
    found = unread_knobs(pack(keys={"--additional-config": uses}), NOBODY)
    assert names(found) == {("section.other", "unread"), ("gone", "unread"), ("inner", "unread")}
    assert next(knob.instead for knob in found if knob.name == "inner") == "section.inner"


def test_keys_of_a_configuration_class() -> None:
    uses = {"method": "0:1", "part.deep": "0:2", "part.gone": "0:3", "derived": "0:4", "gone": "0:5"}
    found = unread_knobs(pack(keys={"--spec-config": uses, "--free-form": {"any": "0:1"}}), NOBODY)
    assert names(found) == {("part.gone", "unknown"), ("derived", "fixed"), ("gone", "unknown")}


def test_parsers_and_packs_without_a_table() -> None:
    assert names(unread_knobs(pack(tool_parsers={"known": "0:1", "other": "0:2"}), NOBODY)) == {("other", "unknown")}
    bare = {
        "tutorials": pack(flags={"--x": "0:1"}, env={"X": "0:1"}, keys={"--additional-config": {"k": "0:1"}})[
            "tutorials"
        ]
    }
    assert unread_knobs(bare, NOBODY) == []
    assert unread_knobs({}, NOBODY) == []


def test_a_bad_file_of_readers_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "curated").mkdir()
    (tmp_path / "curated" / "environment.toml").write_text("[[reader]]\nprefix = 1\n")
    with pytest.raises(RuleError, match=r"environment\.toml"):
        _ = Rules(tmp_path).readers


@pytest.mark.parametrize(("release", "vllm"), [("0.18.0rc1", "0.18.0"), ("0.30.0rc2", "0.30.0")])
def test_the_topk_variable_of_the_glm_tutorial_is_read_by_nobody(release: str, vllm: str) -> None:
    trees = real_trees(release, vllm)
    sections = ("environment", "additional_config", "flags", "config_keys", "tutorials")
    built = {name: TABLES[name](trees) for name in sections}
    built["tool_parsers"], built["reasoning_parsers"] = extract_parsers(trees)
    found = {knob.name: knob for knob in unread_knobs(built, Readers(Rules(RULES).readers))}
    knob = found["VLLM_ASCEND_ENABLE_TOPK_OPTIMIZE"]
    assert knob.reason == "unread" and any("GLM4.x.md:" in place for place in knob.where)
    assert "VLLM_USE_V1" in found
    assert not {"HCCL_BUFFSIZE", "OMP_NUM_THREADS", "--no-enable-prefix-caching", "--tensor-parallel-size"} & set(found)
    # Nothing that is reported occurs in the code of either tree as a literal.
    text = "".join(path.read_text(encoding="utf-8", errors="replace")
                   for tree in trees.trees for path in (tree.root / tree.package).rglob("envs.py"))  # fmt: skip
    assert not [knob.name for knob in found.values() if knob.kind == "variable" and f'"{knob.name}"' in text]


@pytest.mark.parametrize("path", PACKS, ids=lambda p: p.stem)
def test_the_names_of_a_committed_pack(path: Path) -> None:
    committed = json.loads(path.read_text(encoding="utf-8"))
    if "tutorials" not in committed:
        pytest.skip(f"the pack of {path.stem} was built before it held tutorials")
    found = unread_knobs(committed, Readers(Rules(RULES).readers))
    assert "VLLM_ASCEND_ENABLE_TOPK_OPTIMIZE" in {knob.name for knob in found} or path.stem < "0.18.0rc1"
    for knob in found:
        assert knob.where and all(place.rpartition(":")[2].isdigit() for place in knob.where)
