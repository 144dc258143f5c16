"""A separate draft model: counted from a directory at hand, named as not counted otherwise."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import pytest
from memory_models import launch, qwen3, rules, target

from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.verdict import Severity
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.plan import make_plan

CONFIG = {
    "architectures": ["LlamaForCausalLMEagle3"], "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 1,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2048,
    "vocab_size": 151936, "draft_vocab_size": 32000, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
}  # fmt: skip
SHAPES = {
    "embed_tokens.weight": (151936, 1024),
    "midlayer.self_attn.q_proj.weight": (1024, 2048),
    "midlayer.self_attn.k_proj.weight": (512, 2048),
    "midlayer.self_attn.v_proj.weight": (512, 2048),
    "midlayer.self_attn.o_proj.weight": (1024, 1024),
    "midlayer.mlp.gate_proj.weight": (2048, 1024),
    "midlayer.mlp.up_proj.weight": (2048, 1024),
    "midlayer.mlp.down_proj.weight": (1024, 2048),
    "lm_head.weight": (32000, 1024),
}
SMALL = qwen3(1024, 28, 16, 8, 3072, True)


@pytest.fixture
def draft(tmp_path: Path) -> str:
    """A directory with a configuration and one header; its data is a hole."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    header, end = {}, 0
    for name, shape in SHAPES.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": (end, end + 2 * prod(shape))}
        end += 2 * prod(shape)
    text = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return str(tmp_path)


def plan(model: str | None = None, tp: int = 1, pp: int = 1, **more: object) -> MemoryPlan:
    asked = {"method": "eagle3", "model": model, "num_speculative_tokens": 3, **more} if model else None
    options = launch(tp=tp, pp=pp, max_model_len=4096, max_num_batched_tokens=4096, speculative=asked)
    return make_plan(*SMALL, target(release="0.23.0", vllm="0.23.0"), options, rules(), {})


def weights(result: MemoryPlan) -> int:
    return sum(item.bytes for item in result.breakdown)


def test_weights_and_keys_of_the_draft_are_added(draft: str) -> None:
    alone, both = plan(), plan(draft)
    elements = sum(prod(shape) for name, shape in SHAPES.items() if name != "embed_tokens.weight")
    rope = 3 * 2048 * 64 * 2
    assert weights(both) - weights(alone) == 2 * elements + rope
    assert any(item.name.startswith("draft: ") for item in both.breakdown)
    assert alone.studied is not None and alone.studied.kv is not None
    assert both.studied is not None and both.studied.kv is not None
    assert both.studied.kv.bytes_per_token - alone.studied.kv.bytes_per_token == 2 * 8 * 64 * 2
    assert not any(message.id == "AC409.drafter" for message in both.unknown)


def test_the_last_stage_keeps_an_embedding_of_its_own(draft: str) -> None:
    names = {item.name for item in plan(draft, pp=2).breakdown}
    assert "draft: embedding" not in {item.name for item in plan(draft).breakdown}
    assert "draft: embedding" in names or not any(name.startswith("draft: ") for name in names)


def test_a_draft_is_cut_by_its_own_size(draft: str) -> None:
    def heads(result: MemoryPlan) -> int:
        return sum(item.bytes for item in result.breakdown if item.name == "draft: output head")

    assert heads(plan(draft, tp=2)) * 2 == heads(plan(draft, tp=2, draft_tensor_parallel_size=1))
    odd = plan(draft, tp=2, draft_tensor_parallel_size=3).studied
    assert odd is not None and odd.first_failure is not None
    assert odd.first_failure.id == "AC410.draft_heads"


def test_a_draft_out_of_reach_is_said_to_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "hidden_size": None}), encoding="utf-8")
    for model in ("yuhuili/EAGLE3-LLaMA3.1-Instruct-8B", str(tmp_path)):
        result = plan(model)
        found = memory_findings(result, target(), launch(tp=1))
        (said,) = [item for item in found if item.message.id == "AC409.drafter"]
        assert said.severity is Severity.WARNING and not said.undetermined
        assert said.message.params["model"] == model and said.message.params["reason"]
        assert weights(result) == weights(plan())
