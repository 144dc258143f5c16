"""What changed between releases and devices comes out of the packs by mechanism: from the committed packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.operator_findings import KERNELS, SURE
from ascend_compat.knowledge.walked import Use, Walked

RULES = Rules(Path(__file__).parents[2] / "rules")
LINEAR = {
    "model_type": "qwen3_5",
    "text_config": {
        "model_type": "qwen3_5_text", "layer_types": ["linear_attention", "full_attention"], "hidden_act": "silu",
        "rope_parameters": {"rope_type": "default", "mrope_section": [11, 11, 10], "mrope_interleaved": True},
    },
    "vision_config": {"hidden_act": "gelu_pytorch_tanh"},
}  # fmt: skip
LATENT = {
    "model_type": "deepseek_v3", "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "hidden_act": "silu", "n_routed_experts": 256,
}  # fmt: skip


def uses(release: str, architecture: str, soc: str, config: dict[str, Any] | None) -> tuple[Walked, list[Use]]:
    walked = Walked(RULES.pack(release)["operators"], soc)
    return walked, walked.uses(architecture, config)


def missing(release: str, architecture: str, soc: str, config: dict[str, Any] | None = None) -> set[str]:
    """Names of what is certainly met and not there."""
    walked, found = uses(release, architecture, soc, config)
    failing = (u for u in found if u.certain and (u.kind in SURE or (u.kind in KERNELS and not walked.has_triton)))
    return {use.name.rpartition(":")[2] for use in failing}


def test_linear_attention_reached_the_old_chip_between_two_releases() -> None:
    assert "_causal_conv1d_update_kernel" in missing("0.18.0", "Qwen3_5ForConditionalGeneration", "310P", LINEAR)
    assert missing("0.23.0", "Qwen3_5ForConditionalGeneration", "310P", LINEAR) == set()


@pytest.mark.parametrize("release", ["0.18.0", "0.23.0"])
def test_the_old_chip_has_no_backend_for_latent_attention(release: str) -> None:
    found = uses(release, "DeepseekV3ForCausalLM", "310P", LATENT)[1]
    assert any(u.kind == "no-backend" and "mla" in u.name for u in found)
    assert not any(u.kind == "no-backend" for u in uses(release, "DeepseekV3ForCausalLM", "A2", LATENT)[1])


def test_a_model_of_the_plugin_that_one_release_left_out() -> None:
    name = "MiniMaxM3SparseForConditionalGeneration"
    assert missing("0.24.0rc1", name, "A2") == set()
    assert any(operator.startswith("flashinfer.") for operator in missing("0.25.1rc1", name, "A2"))
    assert missing("0.26.0rc1", name, "A2") == set()
