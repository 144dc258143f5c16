"""A checkpoint becomes facts, and every kind of damage a finding with a sentence in both languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.core.verdict import Effect, Severity
from ascend_compat.errors import AscendCompatError, CheckpointError
from ascend_compat.report.catalog import render
from ascend_compat.source.local import LocalSource

Entries = dict[str, tuple[str, list[int], int]]
ONE: Entries = {"a.0.w": ("BF16", [2, 3], 12)}
TWO: Entries = {"a.1.w": ("BF16", [2, 3], 12), "b": ("F32", [1], 4)}


def shard(entries: Entries, slack: int = 0, **header: Any) -> bytes:
    offset = 0
    for name, (dtype, shape, size) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\0" * max(0, offset + slack)


def index(root: Path, weight_map: Any, total: Any = 28) -> None:
    (root / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map})
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An undamaged checkpoint of two shards."""
    (tmp_path / "config.json").write_text('{"model_type": "x"}')
    (tmp_path / "one.safetensors").write_bytes(shard(ONE))
    (tmp_path / "two.safetensors").write_bytes(shard(TWO))
    index(tmp_path, {"a.0.w": "one.safetensors", "a.1.w": "two.safetensors", "b": "two.safetensors"})
    return tmp_path


def read(root: Path, complete: bool = True) -> CheckpointFacts:
    source = LocalSource("m", root)
    source.complete = complete
    return read_checkpoint(source)


def ids(root: Path, complete: bool = True) -> list[str]:
    return [finding.message.id for finding in read(root, complete).problems]


def check_sentences(findings: tuple[Finding, ...]) -> None:
    """Every message has a template in both languages whose fields are all filled."""
    for finding in findings:
        for message in filter(None, (finding.message, finding.remedy)):
            for lang in ("en", "zh"):
                sentence = render(message.id, message.params, lang)
                assert message.id not in sentence
                assert "{" not in sentence


def test_undamaged_checkpoint_is_aggregated(model: Path) -> None:
    facts = read(model)
    assert facts.problems == ()
    assert facts.has_weights
    assert facts.shards == 2
    assert facts.tensor_count == 3
    assert facts.elements == 13
    assert facts.checkpoint_bytes == 28
    assert facts.dtypes == {"BF16": 24, "F32": 4}
    assert [(group.template, group.layers, group.per_layer) for group in facts.tensors] == [
        ("a.*.w", (0, 1), 1),
        ("b", (), 1),
    ]
    assert facts.config == {"model_type": "x"}
    assert "config.json" in facts.files


def test_single_file_without_index(model: Path) -> None:
    (model / "model.safetensors.index.json").unlink()
    (model / "two.safetensors").unlink()
    assert read(model).tensor_count == 1
    assert ids(model) == []


def test_truncated_shard_keeps_its_tensors(model: Path) -> None:
    (model / "two.safetensors").write_bytes(shard(TWO, slack=-5))
    facts = read(model)
    (finding,) = facts.problems
    assert finding.message.id == "AC101.data"
    assert finding.severity is Severity.BLOCKER
    expected = finding.message.params["expected"]
    assert isinstance(expected, int)
    assert finding.message.params["actual"] == expected - 5
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


def test_git_lfs_pointer(model: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4998361232\n"
    (model / "two.safetensors").write_bytes(pointer)
    facts = read(model)
    (finding,) = facts.problems
    assert finding.message.id == "AC103.pointer"
    assert finding.message.params["expected"] == 4998361232
    assert facts.tensor_count == 1
    check_sentences(facts.problems)


HEADERS = {
    "AC101.tiny": b"\0\0\0",
    "AC101.header": (500).to_bytes(8, "little") + b"{}",
    "AC102.trailing": shard(TWO, slack=3),
    "AC104.too-large": b"\xff" * 8 + b"{}",
    "AC104.not-json": (2).to_bytes(8, "little") + b"{[",
    "AC104.not-object": (2).to_bytes(8, "little") + b"[]",
    "AC104.structure": shard({}, x={"dtype": "F32"}),
    "AC104.metadata": shard({}, __metadata__={"a": 1}),
    "AC104.dtype": shard({"a.1.w": ("F128", [1], 16)}),
    "AC104.offsets": shard({}, x={"dtype": "U8", "shape": [1], "data_offsets": [3, 4]}),
    "AC104.size": shard({"a.1.w": ("F32", [2], 4)}),
    "AC104.overflow": shard({"a.1.w": ("F32", [2**63, 2], 4)}),
    "AC104.misaligned": shard({"a.1.w": ("F4", [3], 1)}),
}


@pytest.mark.parametrize(("message", "blob"), HEADERS.items(), ids=HEADERS.keys())
def test_refused_shard_is_a_blocker(model: Path, message: str, blob: bytes) -> None:
    (model / "two.safetensors").write_bytes(blob)
    problems = read(model).problems
    assert [finding.message.id for finding in problems] == [message]
    assert problems[0].severity is Severity.BLOCKER
    assert problems[0].evidence[0].path == "two.safetensors"
    check_sentences(problems)


def test_missing_shard(model: Path) -> None:
    (model / "two.safetensors").unlink()
    assert ids(model) == ["AC105.missing"]
    assert ids(model, complete=False) == ["AC105.uncached"]
    assert read(model, complete=False).problems[0].undetermined
    check_sentences(read(model).problems + read(model, complete=False).problems)


def test_missing_shard_of_a_quantized_model_goes_unnoticed(model: Path) -> None:
    (model / "two.safetensors").unlink()
    assert read(model).problems[0].effect is Effect.FAILS_AT_STARTUP
    (model / "config.json").write_text('{"quantization_config": {}}')
    assert read(model).problems[0].effect is Effect.WRONG_OUTPUT


def test_weights_that_were_not_fetched(model: Path) -> None:
    for name in ("one", "two"):
        (model / f"{name}.safetensors").unlink()
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC115.unfetched"]
    assert not facts.has_weights
    (model / "model.safetensors.index.json").unlink()
    assert ids(model) == ["AC115.none"]
    check_sentences(facts.problems + read(model).problems)


def test_orphan_shard_is_not_counted(model: Path) -> None:
    (model / "old.safetensors").write_bytes(shard(ONE))
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC106.copy"]
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


def test_tensor_in_two_shards_counts_once(model: Path) -> None:
    (model / "two.safetensors").write_bytes(shard(TWO | ONE))
    facts = read(model)
    assert "AC107.shards" in ids(model)
    assert facts.tensor_count == 3
    (model / "model.safetensors.index.json").unlink()
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC107.shards"]
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


def test_name_twice_in_one_header(model: Path) -> None:
    entry = b'"a.0.w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
    text = b"{" + entry + b"," + entry + b"}"
    (model / "one.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0")
    problems = read(model).problems
    assert "AC107.header" in [finding.message.id for finding in problems]
    check_sentences(problems)


def test_tensor_the_index_misplaces(model: Path) -> None:
    files = {"a.0.w": "two.safetensors", "a.1.w": "one.safetensors", "b": "one.safetensors", "c": "one.safetensors"}
    index(model, files)
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC108.absent", "AC108.moved"]
    absent, moved = facts.problems
    assert absent.message.params["tensor"] == "c"
    assert absent.severity is Severity.BLOCKER
    assert moved.message.params["count"] == 3
    assert moved.severity is Severity.WARNING
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


def test_tensor_the_index_does_not_name(model: Path) -> None:
    index(model, {"a.0.w": "one.safetensors", "a.1.w": "two.safetensors"})
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC108.unlisted"]
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


def test_surplus_tensor_whose_own_shard_is_missing_counts(model: Path) -> None:
    index(model, {"a.0.w": "gone.safetensors", "a.1.w": "two.safetensors", "b": "two.safetensors"})
    (model / "one.safetensors").unlink()
    (model / "two.safetensors").write_bytes(shard(TWO | ONE))
    assert read(model).tensor_count == 3


@pytest.mark.parametrize("target", ["../one.safetensors", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "", "a\0b"])
def test_index_that_leaves_the_directory_opens_nothing(model: Path, target: str) -> None:
    (model.parent / "one.safetensors").write_bytes(shard({"evil": ("U8", [1], 1)}))
    index(model, {"a.0.w": "one.safetensors", "a.1.w": "two.safetensors", "b": "two.safetensors", "evil": target})
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC109.escape"]
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


@pytest.mark.parametrize("total", [27, 28, 28.0, None, "28", True, 1e400, [28]])
def test_total_size(model: Path, total: Any) -> None:
    index(model, {"a.0.w": "one.safetensors", "a.1.w": "two.safetensors", "b": "two.safetensors"}, total)
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == (["AC110.total"] if total == 27 else [])
    check_sentences(facts.problems)


@pytest.mark.parametrize("name", ["a\u001b[31m", "a\nb", "a\u202eb", "a\u0085"])
def test_name_that_hides_something_is_kept_and_reported(model: Path, name: str) -> None:
    (model / "model.safetensors.index.json").unlink()
    (model / "two.safetensors").write_bytes(shard({name: ("U8", [1], 1)}))
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC111.tensor"]
    assert name in [group.template for group in facts.tensors]
    (model / "x\u001b.txt").write_text("")
    check_sentences(read(model).problems)
    assert "AC111.file" in ids(model)


def test_other_weight_formats(model: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"x")
    (model / "training_args.bin").write_bytes(b"x")
    assert ids(model) == ["AC112.beside"]
    for path in [*model.glob("*.safetensors"), model / "model.safetensors.index.json"]:
        path.unlink()
    (model / "model.gguf").write_bytes(b"x")
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == ["AC112.only"]
    assert facts.problems[0].undetermined
    assert facts.problems[0].message.params["count"] == 2
    check_sentences(facts.problems)


BAD_JSON = {
    "cut": b'{"a":',
    "list": b"[1]",
    "text": b"hello",
    "empty": b"",
    "binary": b"\xff\xfe\x00",
    "deep": b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "rather deep": b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    "half a surrogate": b'{"a": "\\ud800"}',
    "many digits": b'{"a": ' + b"1" * 6000 + b"}",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\nsize 3\n",
}


@pytest.mark.parametrize("raw", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_unusable_config_is_one_line(model: Path, raw: bytes) -> None:
    (model / "config.json").write_bytes(raw)
    with pytest.raises(CheckpointError) as caught:
        read(model)
    assert "config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_unusable_neighbour_is_a_finding(model: Path, raw: bytes) -> None:
    for name in ("quant_model_description.json", "hf_quant_config.json", "generation_config.json"):
        (model / name).write_bytes(raw)
    facts = read(model)
    assert [finding.message.id for finding in facts.problems] == [
        "AC113.unreadable",
        "AC113.unreadable",
        "AC113.generation",
    ]
    assert facts.quant_description is None
    check_sentences(facts.problems)


@pytest.mark.parametrize("raw", [*BAD_JSON.values(), b"{}", b'{"weight_map": 1}', b'{"weight_map": {"a": 1}}'])
def test_unusable_index_is_a_finding_and_shards_are_read(model: Path, raw: bytes) -> None:
    (model / "model.safetensors.index.json").write_bytes(raw)
    facts = read(model)
    assert {finding.code for finding in facts.problems} == {"AC114"}
    assert facts.tensor_count == 3
    check_sentences(facts.problems)


def test_side_files_are_kept(model: Path) -> None:
    (model / "quant_model_description.json").write_text('{"a.0.w": "FLOAT"}')
    (model / "generation_config.json").write_text('{"top_p": 0.9}')
    facts = read(model)
    assert facts.quant_description == {"a.0.w": "FLOAT"}
    assert facts.generation_config == {"top_p": 0.9}
    assert facts.hf_quant_config is None


def test_directory_without_config(model: Path) -> None:
    (model / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        read(model)


def test_all_problems_are_reported(model: Path) -> None:
    (model / "one.safetensors").write_bytes(b"x")
    (model / "old.safetensors").write_bytes(shard(ONE))
    (model / "hf_quant_config.json").write_text("x")
    (model / "model.gguf").write_bytes(b"x")
    assert ids(model) == ["AC113.unreadable", "AC106.copy", "AC112.beside", "AC101.tiny"]


def test_symbolic_link_out_of_the_directory_is_refused(model: Path) -> None:
    secret = model.parent / "secret.json"
    secret.write_text('{"secret": 1}')
    (model / "config.json").unlink()
    (model / "config.json").symlink_to(secret)
    with pytest.raises(AscendCompatError, match="outside the directory"):
        read(model)
