"""What a user is told about memory that is short, a context length, and a command that does not fit the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ascend_compat import LaunchProfile, Report, analyze
from ascend_compat.report.text import render_estimate, render_text

Checkpoint = Callable[[str], Path]


@pytest.fixture(scope="module")
def ask(checkpoint: Checkpoint) -> Callable[..., Report]:
    def call(name: str, target: str, **launch: Any) -> Report:
        return analyze(checkpoint(name), target=target, soc="A2", profile=LaunchProfile(**launch))

    return call


Ask = Callable[..., Report]


def row(report: Report, code: str) -> Any:
    return next(finding for finding in report.findings if finding.code == code)


def test_a_little_too_little_memory_is_met_by_the_same_cards_with_another_share(ask: Ask) -> None:
    report = ask("glm-4.7-w8a8", "0.18.0", tp=8, ep=True, gpu_memory_utilization=0.69)
    short = row(report, "AC401")
    assert short.params["short"] == short.params["required"] - short.params["limit"] > 0
    assert short.remedy_params["flags"] == "--gpu-memory-utilization 0.95"
    assert report.verdict.value == "conditional" and report.remedies[0].npus == 8


def test_an_estimate_at_a_context_length_lists_other_hardware(ask: Ask) -> None:
    text = render_estimate(ask("glm-4.7-w8a8", "0.18.0", max_model_len=131072), width=120)
    assert "131,072 tokens" in text
    assert all(name in text for name in ("A3 (61.27 GiB)", "A5 (96.00 GiB)", "ModelSlim W4A8"))


def test_a_missing_and_a_superfluous_quantization_flag_are_conditions(ask: Ask) -> None:
    missing = ask("glm-4.7-w8a8", "0.13.0")
    assert missing.verdict.value == "conditional" and row(missing, "AC314").message_id == "AC314.missing"
    superfluous = ask("glm-4.7-bf16", "0.18.0", quantization="ascend")
    assert superfluous.verdict.value == "conditional"
    assert "\n" not in row(superfluous, "AC302").message
    assert "--quantization" in row(superfluous, "AC314").remedy


def test_mtp_that_the_checkpoint_lacks_is_left_out(ask: Ask) -> None:
    report = ask("qwen3.5-0.8b", "0.23.0", speculative={"method": "mtp", "num_speculative_tokens": 1})
    missing = [finding for finding in report.findings if finding.code == "AC501"]
    assert bool(missing) is not bool(report.mtp and report.mtp.present)


@pytest.mark.parametrize(("lang", "said"), [("en", "--tool-call-parser"), ("zh", "没有解析器")])
def test_a_parser_of_another_release_is_named_in_the_terminal(ask: Ask, lang: str, said: str) -> None:
    report = ask("glm-4.7-w8a8", "0.13.0", quantization="ascend", flags={"--tool-call-parser": "glm47"})
    assert row(report, "AC702").params["name"] == "glm47"
    assert said in render_text(report, lang, width=200)
    assert report.remedies and "--tool-call-parser" in report.remedies[0].without


def w4a8(folder: Path) -> Path:
    """A mixture of experts as ModelSlim W4A8 describes it, without weights."""
    config = {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "torch_dtype": "bfloat16",
        "hidden_size": 4096, "num_hidden_layers": 4, "num_attention_heads": 64, "num_key_value_heads": 4,
        "head_dim": 128, "num_experts": 32, "num_experts_per_tok": 8, "moe_intermediate_size": 1536,
        "intermediate_size": 12288, "decoder_sparse_step": 1, "mlp_only_layers": [], "attention_bias": False,
        "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": False,
    }  # fmt: skip
    said: dict[str, Any] = {"model_quant_type": "W4A8_DYNAMIC", "version": "1.0.0", "group_size": 0}
    said |= dict.fromkeys(("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"), "FLOAT")
    floats = ("self_attn.q_norm", "self_attn.k_norm", "input_layernorm", "post_attention_layernorm", "mlp.gate")
    for layer in range(4):
        head = f"model.layers.{layer}"
        said |= {f"{head}.self_attn.{name}_proj.weight": "W8A8_DYNAMIC" for name in "qkvo"}
        said |= {f"{head}.{name}.weight": "FLOAT" for name in floats}
        said |= {
            f"{head}.mlp.experts.{expert}.{name}_proj.weight": "W4A8_DYNAMIC"
            for expert in range(32)
            for name in ("gate", "up", "down")
        }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "quant_model_description.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("target", "tp", "dp"), [("0.18.0", 16, 2), ("0.23.0", 32, 1)])
def test_w4a8_experts_split_over_many_ranks_are_met_by_expert_parallel(
    tmp_path: Path, target: str, tp: int, dp: int
) -> None:
    launch = LaunchProfile(tp=tp, dp=dp, ep=False, quantization="ascend")
    report = analyze(w4a8(tmp_path / "m"), target=target, soc="A2", profile=launch)
    refused = row(report, "AC303")
    assert "tp>16" in refused.message and refused.evidence[0].path.endswith("w4a8.py")
    assert report.verdict.value == "conditional"
    assert "--enable-expert-parallel" in report.remedies[0].flags


@pytest.mark.parametrize(
    ("launch", "code", "field"),
    [
        ({"tp": 3, "ep": True}, "AC410", "num_attention_heads"),
        ({"tp": 8, "dp": 3, "ep": True}, "AC411", "n_routed_experts"),
    ],
)
def test_heads_or_experts_that_do_not_divide_name_the_field(ask: Ask, launch: Any, code: str, field: str) -> None:
    refused = row(ask("glm-4.7-w8a8", "0.18.0", **launch), code)
    assert refused.evidence[0].path == "config.json"
    assert any(field in (item.detail or "") for item in refused.evidence)
    assert refused.conditional and refused.remedy
