"""A sharded state: every tensor-parallel rank has files of its own, which repeat the names of the others."""

from __future__ import annotations

import json
from pathlib import Path

from hostile_shards import entries

from ascend_compat import analyze
from ascend_compat.api import Report
from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.checkpoint.entries import TensorSpec
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.units import tensor_bytes
from ascend_compat.source.local import LocalSource

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "float16", "hidden_size": 1024,
    "num_hidden_layers": 1, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 3072, "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": False,
}  # fmt: skip
#: The part of one of two ranks; compressed weights are one row of bytes.
PART = [
    TensorSpec("model.embed_tokens.weight", "F16", (75968, 1024)),
    TensorSpec("lm_head.weight", "F16", (75968, 1024)),
    TensorSpec("model.norm.weight", "F16", (1024,)),
    TensorSpec("model.layers.0.self_attn.qkv_proj.weight", "I8", (2_000_000,)),
    TensorSpec("model.layers.0.self_attn.qkv_proj.index", "I8", (5_000,)),
    TensorSpec("model.layers.0.self_attn.qkv_proj.deq_scale", "I64", (2048,)),
    TensorSpec("model.layers.0.mlp.gate_up_proj.weight", "I8", (3_000_000,)),
    TensorSpec("model.layers.0.mlp.gate_up_proj.deq_scale", "I64", (3072,)),
]
KINDS = {tensor.name: "W8A8SC" if ".layers." in tensor.name else "FLOAT" for tensor in PART}
STORED = 2 * 75968 * 1024 * 2 + 1024 * 2 + 2_000_000 + 5_000 + 2048 * 8 + 3_000_000 + 3072 * 8


def write(path: Path) -> None:
    """A shard with the header alone; the data is a hole."""
    tensors, position = {}, 0
    for name, dtype, shape in PART:
        size = tensor_bytes(dtype, shape)
        tensors[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    head = entries(0, **tensors)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + position)


def stored(root: Path) -> Path:
    (root / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (root / "quant_model_description.json").write_text(json.dumps(KINDS), encoding="utf-8")
    for rank in range(2):
        write(root / f"model-rank-{rank}-part-0.safetensors")
    return root


def answer(root: Path, tp: int, release: str = "0.30.0rc2") -> Report:
    flags: dict[str, str | None] = {"--load-format": "sharded_state"}
    launch = LaunchProfile(tp=tp, max_model_len=4096, dtype="float16", quantization="ascend", flags=flags)
    return analyze(stored(root), target=release, soc="310P", profile=launch, offline=True)


def test_names_of_other_ranks_are_no_doubles_and_every_file_counts(tmp_path: Path) -> None:
    facts = read_checkpoint(LocalSource("m", stored(tmp_path)))
    assert facts.ranks == 2
    assert facts.problems == ()
    assert facts.tensor_count == len(PART)
    assert facts.checkpoint_bytes == 2 * STORED


def test_a_damaged_file_of_any_rank_is_found(tmp_path: Path) -> None:
    path = stored(tmp_path) / "model-rank-1-part-0.safetensors"
    with path.open("r+b") as file:
        file.truncate(1000)
    facts = read_checkpoint(LocalSource("m", tmp_path))
    assert [found.code for found in facts.problems] == ["AC101"]


def test_a_rank_holds_what_its_file_stores(tmp_path: Path) -> None:
    rank = answer(tmp_path, 2).memory.per_rank
    assert rank is not None
    rope = 3 * 40960 * 128 * 2
    assert rank.weights == STORED + rope


def test_no_loader_of_a_model_sees_a_sharded_state(tmp_path: Path) -> None:
    """Its parameters are copied by name, so that names the loader would fuse again are no trouble."""
    found = [f.message_id for f in answer(tmp_path, 2, "0.23.0").findings if f.code.startswith("AC34")]
    assert found == []


def test_another_tensor_parallel_size_is_refused(tmp_path: Path) -> None:
    found = [f for f in answer(tmp_path, 1).findings if f.message_id == "AC410.stored_ranks"]
    assert [f.severity.value for f in found] == ["blocker"]


def test_shards_of_a_whole_model_have_no_ranks(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    write(tmp_path / "model-00001-of-00001.safetensors")
    assert read_checkpoint(LocalSource("m", tmp_path)).ranks is None
