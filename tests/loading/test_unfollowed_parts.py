"""Parts of a model that the extractor does not follow are assumed to take their tensors; followed ones are held to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from checkpoints import facts, group
from test_published_names import loading as published
from tiny import checkpoint, fate, loading, tiny

from ascend_compat.classify.configured import configured
from ascend_compat.core.facts import CheckpointFacts

HEAD = '        return self.model.load_weights((name.removeprefix("model."), tensor) for name, tensor in weights)\n'
LOOP = "        params = dict(self.named_parameters())\n        for name, tensor in weights:\n"
BY_NAME = f"{LOOP}            default_weight_loader(params[name], tensor)\n"


def _loaded(tmp_path: Path, tower: str, loader: str, *names: str) -> list[str]:
    """Results of tensors of a tower whose class has this body, loaded so."""
    files = tiny(
        ("class TinyModel", f"class Tower(nn.Module):\n    def __init__(self):\n{tower}class TinyModel"),
        ("        self.model = TinyModel(vllm_config, prefix)\n", "        self.tower = Tower()\n"),
        (HEAD, loader),
    )
    stored = tuple(group(name, "BF16", (8, 8), ()) for name in names)
    found = loading(tmp_path, files, replace(checkpoint(), tensors=stored))
    return [fate(found, name).result.value for name in names]


@pytest.mark.parametrize("release", ["0.18.0", "0.30.0rc2"])
def test_a_part_of_which_nothing_is_known_takes_its_tensors(release: str) -> None:
    """The encoder of DeepSeek-OCR-2 is a class made in a function, of a model outside the trees."""
    language = {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "intermediate_size": 64, "moe_intermediate_size": 32, "n_routed_experts": 4, "n_shared_experts": 1,
        "num_experts_per_tok": 2, "first_k_dense_replace": 1, "vocab_size": 128, "kv_lora_rank": None,
        "q_lora_rank": None, "model_type": "deepseek_v2", "architectures": ["DeepseekV2ForCausalLM"],
        "max_position_embeddings": 8192,
    }  # fmt: skip
    config = {
        "model_type": "deepseek_vl_v2", "architectures": ["DeepseekOCR2ForCausalLM"], "torch_dtype": "bfloat16",
        "language_config": language, "tile_tag": "2D", "global_view_pos": "head", "vision_config": {"image_size": 1024},
        "projector_config": {"input_dim": 896, "n_embed": 64, "projector_type": "linear"},
    }  # fmt: skip
    computed = configured(CheckpointFacts("", "", None, config, ("config.json",), (), False))
    found = published(release, facts(config, computed.tensors))
    assert {item.sample.name: item.result.value for item in found.outcomes if item.result.value != "loaded"} == {}


def test_a_module_beside_a_list_of_the_same_name_has_the_bias_that_is_stored(tmp_path: Path) -> None:
    body = (
        "        if a:\n            self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])\n"
        "        else:\n            self.layers = nn.Linear(8, 8)\n"
    )
    assert _loaded(tmp_path, body, BY_NAME, "tower.layers.weight", "tower.layers.bias") == ["loaded", "loaded"]
