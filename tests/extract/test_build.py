"""A pack from two trees: the same bytes every time, and never from a guessed pair."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from small_trees import write_trees

from ascend_compat import analyze
from ascend_compat.errors import TreeError
from ascend_compat.extract.build import build_pack, dump_pack
from ascend_compat.extract.obtain import obtain_pack
from ascend_compat.extract.origin.index import Access


def test_the_same_trees_give_the_same_bytes(tmp_path: Path) -> None:
    trees = write_trees(tmp_path)
    first, second = dump_pack(build_pack(*trees)), dump_pack(build_pack(*trees))
    assert first == second
    pack = json.loads(first)
    assert pack["digest"]
    assert pack["architectures"]["TinyForCausalLM"]["at"].startswith("vllm/model_executor/models/registry.py:")
    assert pack["architectures"]["TinyMTP"]["kind"] == "speculative"
    assert pack["removed_architectures"]["OldForCausalLM"]["last"] == "0.1.0"


def test_a_changed_tree_changes_the_digest(tmp_path: Path) -> None:
    one = build_pack(*write_trees(tmp_path / "a"))
    changed = {"vllm_ascend/quantization/schemes.py": ("torch.int8", "torch.uint8")}
    assert build_pack(*write_trees(tmp_path / "b", changed))["digest"] != one["digest"]


def test_something_else_than_a_tree_is_refused_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="not a source tree"):
        build_pack(tmp_path, tmp_path)


def _paired(tmp_path: Path, pinned: str, beside: dict[str, str]) -> Path:
    ascend, engine = write_trees(tmp_path)
    (ascend / "Dockerfile").write_text(f"ARG VLLM_TAG=v{pinned}\n", encoding="utf-8")
    for name, version in beside.items():
        shutil.copytree(engine, tmp_path / name)
        (tmp_path / name / "PKG-INFO").write_text(f"Name: vllm\nVersion: {version}\n", encoding="utf-8")
    return ascend


def test_a_checkout_is_built_with_the_engine_it_pins(tmp_path: Path) -> None:
    ascend = _paired(tmp_path, "0.9.0", {"vllm-0.8.0": "0.8.0", "vllm-0.9.0": "0.9.0"})
    assert obtain_pack(str(ascend), None, Access(offline=True))["versions"]["vllm"]["value"] == "0.9.0"


def test_an_engine_of_another_version_is_never_taken_instead(tmp_path: Path) -> None:
    ascend = _paired(tmp_path, "0.9.0", {"vllm-0.8.0": "0.8.0"})
    with pytest.raises(TreeError, match=r"vllm 0\.9\.0"):
        obtain_pack(str(ascend), None, Access(offline=True))


def test_a_pull_requests_tree_is_judged_as_it_stands(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    numpy = pytest.importorskip("numpy")  # part of the test extra; safetensors writes through it
    model = tmp_path / "model"
    model.mkdir()
    config = {
        "architectures": ["TinyForCausalLM"],
        "model_type": "tiny",
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 16,
        "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "tiny8", "bits": 8},
    }
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = {f"layers.{n}.proj.weight": numpy.zeros((8, 8), dtype=numpy.int8) for n in range(2)}
    save_file(weights, model / "model.safetensors")
    ascend = _paired(tmp_path / "trees", "0.9.0", {"vllm-0.9.0": "0.9.0"})
    outcomes = {}
    for name, dtype in (("as it is", "int8"), ("changed", "float8_e4m3fn")):
        scheme = ascend / "vllm_ascend/quantization/schemes.py"
        scheme.write_text(scheme.read_text(encoding="utf-8").replace("torch.int8", f"torch.{dtype}"), encoding="utf-8")
        report = analyze(model, target=ascend, soc="A5")
        outcomes[name] = [f.code for f in report.findings if f.code == "AC301"]
    assert outcomes == {"as it is": [], "changed": ["AC301"]}
