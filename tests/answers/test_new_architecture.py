"""A model nobody has seen: its tensors give a profile, and what can't be known is undetermined by name."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from ascend_compat import analyze
from ascend_compat.api import Report
from ascend_compat.checkpoint.entries import TensorSpec

ROOT = Path(__file__).parents[2]
LAYERS, DENSE, EXPERTS, MTP = 6, 2, 4, 3
HIDDEN, HEADS, RANK, ROPE, NOPE = 256, 4, 64, 16, 32

CONFIG: dict[str, Any] = {
    "architectures": ["LatentNovaForCausalLM"], "model_type": "latent_nova", "torch_dtype": "bfloat16",
    "auto_map": {"AutoConfig": "configuration_nova.NovaConfig", "AutoModelForCausalLM": "modeling_nova.Nova"},
    "num_hidden_layers": LAYERS, "num_nextn_predict_layers": MTP, "num_attention_heads": HEADS, "hidden_act": "silu",
    "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "max_position_embeddings": 4096, "vocab_size": 1024,
}  # fmt: skip


def _layer(layer: int) -> list[TensorSpec]:
    """One layer: MLA-like projections in BF16, experts as int4 pairs with their scales (the last three: BF16 MTP)."""
    stem, mtp = f"model.layers.{layer}", layer >= LAYERS
    found = [
        TensorSpec(f"{stem}.input_layernorm.weight", "BF16", (HIDDEN,)),
        TensorSpec(f"{stem}.self_attn.q_proj.weight", "BF16", (HEADS * (NOPE + ROPE), HIDDEN)),
        TensorSpec(f"{stem}.self_attn.kv_a_proj_with_mqa.weight", "BF16", (RANK + ROPE, HIDDEN)),
        TensorSpec(f"{stem}.self_attn.kv_a_layernorm.weight", "BF16", (RANK,)),
        TensorSpec(f"{stem}.self_attn.kv_b_proj.weight", "BF16", (HEADS * 2 * NOPE, RANK)),
        TensorSpec(f"{stem}.self_attn.o_proj.weight", "BF16", (HIDDEN, HEADS * NOPE)),
    ]
    if layer < DENSE:
        return [
            *found,
            *(TensorSpec(f"{stem}.mlp.{name}.weight", "BF16", (512, HIDDEN)) for name in ("gate_proj", "up_proj")),
        ]
    found.append(TensorSpec(f"{stem}.mlp.gate.weight", "F32", (EXPERTS, HIDDEN)))
    for expert in range(EXPERTS):
        for name in ("gate_proj", "up_proj"):
            module = f"{stem}.mlp.experts.{expert}.{name}"
            found.append(
                TensorSpec(f"{module}.weight", "BF16" if mtp else "I8", (128, HIDDEN) if mtp else (64, HIDDEN))
            )
            if not mtp:
                found += [TensorSpec(f"{module}.{part}", "F32", (128, 1)) for part in ("weight_scale", "weight_offset")]
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    spec = importlib.util.spec_from_file_location("fixture_builder", ROOT / "fixtures" / "build.py")
    assert spec is not None and spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    target = tmp_path_factory.mktemp("nova")
    tensors = [
        TensorSpec("model.embed_tokens.weight", "BF16", (1024, HIDDEN)),
        TensorSpec("lm_head.weight", "BF16", (1024, HIDDEN)),
        *(tensor for layer in range(LAYERS + MTP) for tensor in _layer(layer)),
    ]  # fmt: skip
    types = {t.name: "W4A8_DYNAMIC" if ".experts." in t.name and t.dtype != "BF16" else "FLOAT" for t in tensors}
    description = {"model_quant_type": "W4A8_DYNAMIC", "version": "1.0.0", **types}
    (target / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (target / "quant_model_description.json").write_text(json.dumps(description), encoding="utf-8")
    builder.write_shards(target, tensors, 2)
    return analyze(target)


def test_the_profile_comes_from_the_tensors(report: Report) -> None:
    part = report.architecture
    (attention,) = part.attention
    assert (attention.kind, attention.layers, attention.at) == ("mla", LAYERS, f"0-{LAYERS - 1}")
    assert (attention.kv_lora_rank, attention.qk_rope_head_dim, attention.heads) == (RANK, ROPE, HEADS)
    assert any("kv_a_proj_with_mqa" in row.detail for row in attention.evidence)
    assert part.moe is not None
    assert (part.moe.routed, part.moe.layers, part.moe.dense_layers, part.moe.at) == (EXPERTS, 4, DENSE, "2-5")
    assert (part.moe.router_dtype, part.moe.fused_tensors) == ("F32", False)
    assert report.mtp is not None
    assert (report.mtp.declared, report.mtp.layers, report.mtp.kind) == (MTP, [6, 7, 8], "nextn")
    assert (part.hidden_size, part.mlp, part.norm) == (HIDDEN, "gated silu", ["RMSNorm"])


def test_what_is_uncertain_is_marked(report: Report) -> None:
    assert "by the norms before attention" in report.architecture.unknown["hidden_size"]
    assert report.architecture.sources["layers"][0].detail == f"num_hidden_layers = {LAYERS}"


def test_quantized_experts_and_float_rest_are_told_apart(report: Report) -> None:
    assert report.quantization.method == "modelslim"
    assert report.model.dtypes.keys() == {"BF16", "I8", "F32"}


def test_code_that_is_not_read_leaves_the_verdict_open(report: Report) -> None:
    assert report.verdict.value == "undetermined"
    open_ones = [row for row in report.findings if row.undetermined and row.severity.value == "blocker"]
    assert [row.message_id for row in open_ones] == ["AC201.fallback"]
    assert "LatentNovaForCausalLM" in open_ones[0].message
