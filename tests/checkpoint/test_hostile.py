"""Hostile shards are taken and refused exactly as safetensors does, one by one and among others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hostile_shards import CASES, F32, entries, shard
from safetensors import SafetensorError, safe_open

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.verdict import Severity
from ascend_compat.report.catalog import render
from ascend_compat.source.local import LocalSource

#: Findings about a file that safetensors reads all the same.
HARMLESS = ("AC107.header", "AC111.tensor")


def read(root: Path) -> CheckpointFacts:
    (root / "config.json").write_text("{}")
    return read_checkpoint(LocalSource("m", root))


def ids(facts: CheckpointFacts) -> list[str]:
    for finding in facts.problems:
        for lang in ("en", "zh"):
            assert "{" not in render(finding.message.id, finding.message.params, lang)
    return [finding.message.id for finding in facts.problems]


def opened(path: Path) -> dict[str, tuple[str, list[int]]] | None:
    """What ``safe_open`` finds; ``None`` where it refuses the file."""
    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return {name: (part.get_dtype(), part.get_shape()) for name, part in slices.items()}
    except SafetensorError:
        return None


def test_the_table_has_the_cases_it_says() -> None:
    assert len(CASES) == 38


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_shard_is_judged_as_safetensors_judges_it(tmp_path: Path, name: str) -> None:
    blob, expected = CASES[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(blob)
    theirs = opened(path)
    facts = read(tmp_path)
    assert ids(facts) == ([expected] if expected else [])
    assert (theirs is not None) == (expected is None or expected in HARMLESS)
    if theirs is not None:
        assert {group.template: (group.dtype, list(group.shape)) for group in facts.tensors} == theirs
    else:
        assert facts.problems[0].severity is Severity.BLOCKER


def test_every_hostile_shard_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    for number, (blob, _) in enumerate(CASES.values()):
        (tmp_path / f"{number:02}.safetensors").write_bytes(blob)
    found = {finding.evidence[0].path for finding in read(tmp_path).problems}
    refused = {f"{n:02}.safetensors" for n, (_, kind) in enumerate(CASES.values()) if kind and kind not in HARMLESS}
    assert refused <= found


def test_everything_that_is_wrong_with_a_header_is_said(tmp_path: Path) -> None:
    tensors = {
        "a": {**F32, "dtype": "F128"}, "b": {**F32, "dtype": "Q4"}, "c": {"dtype": "F32"}, "d": F32,
        "e": {**F32, "data_offsets": [4, 12]}, "f": {"dtype": "F32", "shape": [9], "data_offsets": [12, 16]},
    }  # fmt: skip
    (tmp_path / "model.safetensors").write_bytes(entries(16, __metadata__={"n": 1}, **tensors))
    facts = read(tmp_path)
    counts = {finding.message.id: finding.message.params.get("count") for finding in facts.problems}
    assert counts == {
        "AC104.dtype": 2, "AC104.structure": 1, "AC104.offsets": 1, "AC104.size": 1, "AC104.metadata": 1,
    }  # fmt: skip
    assert len(ids(facts)) == 5


# across files ----------------------------------------------------------------------------------------------------


def index(root: Path, weight_map: object, name: str = "model.safetensors.index.json") -> None:
    (root / name).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def one(name: str) -> bytes:
    return entries(8, **{name: F32})


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Two sound shards with a tensor each."""
    for number, name in ((1, "a"), (2, "b")):
        (tmp_path / f"model-0000{number}-of-00002.safetensors").write_bytes(one(name))
    return tmp_path


FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def test_a_gap_in_the_numbers_of_shards_without_an_index(pair: Path) -> None:
    assert ids(read(pair)) == []
    (pair / FIRST).unlink()
    problems = read(pair).problems
    assert [problem.message.id for problem in problems] == ["AC105.numbered"]
    assert problems[0].subject == FIRST and problems[0].severity is Severity.BLOCKER
    (pair / "model-00001-of-00003.safetensors").write_bytes(one("c"))
    assert ids(read(pair)) == ["AC105.numbered", "AC105.numbered"]


def test_a_file_the_index_leaves_out_is_a_copy_or_holds_what_nobody_loads(pair: Path) -> None:
    index(pair, {"a": FIRST, "b": SECOND})
    (pair / "consolidated.safetensors").write_bytes(one("b"))
    assert ids(read(pair)) == ["AC106.copy"]
    (pair / "mtp.safetensors").write_bytes(one("mtp.0.w"))
    facts = read(pair)
    assert ids(facts) == ["AC106.copy", "AC106.extra"]
    assert facts.problems[1].message.params["tensor"] == "mtp.0.w" and facts.tensor_count == 2
    (pair / "bad.safetensors").write_bytes(b"?")
    assert ids(read(pair)) == ["AC106.orphan", "AC106.copy", "AC106.extra"]


def test_an_index_under_another_name_hides_no_file(pair: Path) -> None:
    index(pair, {"a": FIRST}, "quantized.safetensors.index.json")
    facts = read(pair)
    assert ids(facts) == ["AC114.name", "AC108.unlisted"] and facts.tensor_count == 2


def test_an_index_that_names_a_tensor_twice(pair: Path) -> None:
    text = f'{{"weight_map": {{"a": "{SECOND}", "a": "{FIRST}", "b": "{SECOND}"}}}}'
    (pair / "model.safetensors.index.json").write_text(text)
    facts = read(pair)
    assert ids(facts) == ["AC107.index"] and facts.problems[0].message.params["tensor"] == "a"


def test_names_with_control_characters_that_only_the_index_has(pair: Path) -> None:
    index(pair, {"a": FIRST, "b": SECOND, "c\x1b[2J": SECOND})
    assert ids(read(pair)) == ["AC108.absent", "AC111.index"]


@pytest.mark.parametrize("target", ["../out.safetensors", "/etc/passwd", "C:\\out", "..\\out", "a/../../out", ""])
def test_nothing_outside_the_directory_is_opened(pair: Path, target: str) -> None:
    (pair.parent / "out.safetensors").write_bytes(one("secret"))
    index(pair, {"a": FIRST, "b": SECOND, "secret": target})
    facts = read(pair)
    assert ids(facts) == ["AC109.escape"] and facts.tensor_count == 2


def test_an_index_that_is_a_pointer_or_too_large_is_named(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pair / "model.safetensors.index.json").write_bytes(b"version https://git-lfs.github.com/spec/v1\nsize 9\n")
    facts = read(pair)
    assert ids(facts) == ["AC114.unreadable"] and "LFS" in str(facts.problems[0].message.params["reason"])
    monkeypatch.setattr("ascend_compat.checkpoint.index.DOCUMENT_LIMIT", 9)
    assert "too large" in str(read(pair).problems[0].message.params["reason"])


def test_leftovers_of_a_download(pair: Path) -> None:
    (pair / f"{FIRST}.aria2").write_bytes(b"")
    (pair / "model-00003-of-00003.safetensors.incomplete").write_bytes(b"")
    assert ids(read(pair)) == ["AC101.partial", "AC101.unfinished"]


def test_pointers_among_the_other_files_of_a_clone(pair: Path) -> None:
    for name in ("tokenizer.json", "a.png"):
        (pair / name).write_bytes(CASES["Git LFS pointer"][0])
    facts = read(pair)
    assert ids(facts) == ["AC103.neighbour"]
    assert (facts.problems[0].subject, facts.problems[0].message.params["count"]) == ("tokenizer.json", 2)


def test_weight_formats_side_by_side_are_named(pair: Path) -> None:
    for name in ("pytorch_model.bin", "model-Q4_K_M.gguf", "consolidated.00.pth"):
        (pair / name).write_bytes(b"")
    facts = read(pair)
    assert ids(facts) == ["AC112.beside"]
    assert facts.problems[0].message.params["formats"] == "bin, gguf, pth"


def test_all_of_it_at_once(pair: Path) -> None:
    index(pair, {"a": FIRST, "b": "gone.safetensors", "c": FIRST, "d": "../d", "e": "third.safetensors"})
    (pair / "third.safetensors").write_bytes(shard(b"[]"))
    (pair / "x.gguf").write_bytes(b"")
    assert ids(read(pair)) == [
        "AC109.escape", "AC105.missing", "AC106.copy", "AC112.beside", "AC104.not-object", "AC108.absent",
    ]  # fmt: skip
