"""Compares the family tables with what transformers builds, and records it for tests/checkpoint/test_oracle.py."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ascend_compat.checkpoint.synthesize import Table
from ascend_compat.errors import CheckpointError

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "checkpoint" / "oracle.json"
#: Counts of layers and experts that keep a model small and still show every kind of layer.
SMALL = {
    "num_hidden_layers": 4, "num_experts": 6, "n_routed_experts": 8, "num_local_experts": 6, "moe_num_experts": 6,
    "depth": 3, "encoder_layers": 3, "decoder_layers": 3,
}  # fmt: skip
#: model_type -> the class to build and arguments its configuration has no usable default for.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "arcee": ("ArceeForCausalLM", {}), "cohere": ("CohereForCausalLM", {}), "cohere2": ("Cohere2ForCausalLM", {}),
    "deepseek_v2": ("DeepseekV2ForCausalLM", {}), "deepseek_v3": ("DeepseekV3ForCausalLM", {}),
    "dots1": ("Dots1ForCausalLM", {"n_routed_experts": 8, "n_shared_experts": 2}),
    "ernie4_5": ("Ernie4_5ForCausalLM", {}), "ernie4_5_moe": ("Ernie4_5_MoeForCausalLM", {}),
    "exaone4": ("Exaone4ForCausalLM", {}), "flex_olmo": ("FlexOlmoForCausalLM", {}), "gemma": ("GemmaForCausalLM", {}),
    "gemma2": ("Gemma2ForCausalLM", {}), "gemma3": ("Gemma3ForConditionalGeneration", {}),
    "gemma3_text": ("Gemma3ForCausalLM", {}), "glm": ("GlmForCausalLM", {}), "glm4": ("Glm4ForCausalLM", {}),
    "glm4_moe": ("Glm4MoeForCausalLM", {}), "glm4v": ("Glm4vForConditionalGeneration", {}),
    "glm4v_moe": ("Glm4vMoeForConditionalGeneration", {}), "gpt_oss": ("GptOssForCausalLM", {}),
    "granite": ("GraniteForCausalLM", {}), "hunyuan_v1_dense": ("HunYuanDenseV1ForCausalLM", {"head_dim": 128}),
    "hunyuan_v1_moe": ("HunYuanMoEV1ForCausalLM", {"head_dim": 128, "num_experts": 6, "moe_topk": [2] * 4}),
    "falcon_mamba": ("FalconMambaForCausalLM", {}),
    "idefics3": ("Idefics3ForConditionalGeneration", {"text_config": {"model_type": "llama", "pad_token_id": 0}}),
    "internvl": ("InternVLForConditionalGeneration", {}), "llama": ("LlamaForCausalLM", {}),
    "llama4": ("Llama4ForConditionalGeneration", {}), "llava": ("LlavaForConditionalGeneration", {}),
    "llava_next": ("LlavaNextForConditionalGeneration", {}), "mistral": ("MistralForCausalLM", {}),
    "llava_next_video": ("LlavaNextVideoForConditionalGeneration", {}),
    "llava_onevision": ("LlavaOnevisionForConditionalGeneration", {}), "mamba": ("MambaForCausalLM", {}),
    "mamba2": ("Mamba2ForCausalLM", {}), "minimax": ("MiniMaxForCausalLM", {}),
    "mllama": ("MllamaForConditionalGeneration", {"text_config": {"rope_scaling": {"rope_type": "default"}}}),
    "mistral3": ("Mistral3ForConditionalGeneration", {}), "mixtral": ("MixtralForCausalLM", {}),
    "olmo": ("OlmoForCausalLM", {}), "olmo2": ("Olmo2ForCausalLM", {}), "olmo3": ("Olmo3ForCausalLM", {}),
    "olmoe": ("OlmoeForCausalLM", {}), "paligemma": ("PaliGemmaForConditionalGeneration", {}),
    "phi3": ("Phi3ForCausalLM", {}), "phimoe": ("PhimoeForCausalLM", {}), "qwen2": ("Qwen2ForCausalLM", {}),
    "qwen2_5_vl": ("Qwen2_5_VLForConditionalGeneration", {}), "qwen2_audio": ("Qwen2AudioForConditionalGeneration", {}),
    "qwen2_moe": ("Qwen2MoeForCausalLM", {}), "qwen2_vl": ("Qwen2VLForConditionalGeneration", {}),
    "qwen3": ("Qwen3ForCausalLM", {}), "qwen3_moe": ("Qwen3MoeForCausalLM", {}), "seed_oss": ("SeedOssForCausalLM", {}),
    "smolvlm": ("SmolVLMForConditionalGeneration", {"text_config": {"model_type": "llama", "pad_token_id": 0}}),
    "smollm3": ("SmolLM3ForCausalLM", {}), "stablelm": ("StableLmForCausalLM", {}),
    "starcoder2": ("Starcoder2ForCausalLM", {}), "whisper": ("WhisperForConditionalGeneration", {}),
}  # fmt: skip
#: model_type -> the class whose tensors stand under ``thinker.`` of that model.
_ROPE = {"rope_type": "default", "mrope_section": [24, 20, 20]}
THINKERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "qwen3_omni_moe": ("qwen3_omni_moe", "Qwen3OmniMoeThinker", {"text_config": {"rope_scaling": _ROPE}}),
    "qwen2_5_omni": ("qwen2_5_omni", "Qwen2_5OmniThinker", {}),
}
#: Fields that say nothing of tensors and would only make the record long.
_SHORT = 64


def main(argv: list[str] | None = None) -> int:
    """Command line: prints every difference and writes the record; needs transformers 4.57 and torch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=RECORD)
    arguments = parser.parse_args(argv)
    record, wrong = {}, 0
    for name, config, shapes in built():
        differs = list(differences(config, shapes))
        wrong += bool(differs)
        print(f"{name}: {len(shapes)} tensors, {'agree' if not differs else '; '.join(differs[:6])}")
        record[name] = {"config": config, "tensors": len(shapes), "sha256": digest(shapes)}
    arguments.output.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(record)} families, {wrong} of them differ")
    return 1 if wrong else 0


def differences(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """What the table of a configuration says otherwise, as text."""
    try:
        ours = table(config)
    except CheckpointError as error:
        yield str(error)
        return
    yield from (f"lacks {name}" for name in shapes if name not in ours)
    yield from (f"invents {name}" for name in ours if name not in shapes)
    yield from (
        f"{name} {ours[name]} is {shapes[name]}" for name in shapes if ours.get(name, shapes[name]) != shapes[name]
    )


def table(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the family table, ``[elements per axis]``."""
    return {spec.name: tuple(spec.shape) for spec in Table(config).specs()}


def digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """SHA-256 of the sorted lines ``name [shape]``."""
    lines = "\n".join(f"{name} {list(shape)}" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def built() -> Iterator[tuple[str, dict[str, Any], dict[str, tuple[int, ...]]]]:
    """Model type, configuration and stored tensors of every model, built without memory (torch's meta device)."""
    transformers = importlib.import_module("transformers")
    for name, (kind, given) in MODELS.items():
        config = _small(transformers.AutoConfig.for_model(name, **given))
        yield name, {**_plain(config), "architectures": [kind]}, _stored(getattr(transformers, kind), config)
    for name, (module, stem, given) in THINKERS.items():
        code = f"transformers.models.{module}"
        config = getattr(importlib.import_module(f"{code}.configuration_{module}"), f"{stem}Config")(**given)
        model = getattr(importlib.import_module(f"{code}.modeling_{module}"), f"{stem}ForConditionalGeneration")
        shapes = {f"thinker.{key}": shape for key, shape in _stored(model, _small(config)).items()}
        yield name, {"model_type": name, "torch_dtype": "bfloat16", "thinker_config": _plain(config)}, shapes


def _stored(kind: Any, config: Any) -> dict[str, tuple[int, ...]]:
    """Names as ``save_pretrained`` writes them: those of tied weights left out, renamed prefixes turned back."""
    torch = importlib.import_module("torch")
    with torch.device("meta"):
        model = kind(config)
    once: dict[int, str] = {}
    kept = {once.setdefault(id(value), name) for name, value in model.named_parameters(remove_duplicate=False)}
    if config.get_text_config().tie_word_embeddings:
        kept -= set(model._tied_weights_keys or ())
    back = {new: old.lstrip("^").split("(")[0] for old, new in (model._checkpoint_conversion_mapping or {}).items()}
    rotary = {name for name, _ in model.named_buffers()}
    return {
        _renamed(name, back): tuple(value.shape)
        for name, value in model.state_dict().items()
        if name in kept or name in rotary
    }


def _renamed(name: str, back: Mapping[str, str]) -> str:
    return next((old + name.removeprefix(new) for new, old in back.items() if name.startswith(new)), name)


def _small(config: Any) -> Any:
    """The configuration with few layers and experts, inner ones too."""
    for field, size in SMALL.items():
        if isinstance(getattr(config, field, None), int):
            setattr(config, field, size)
    for field, value in vars(config).items():
        if field == "layer_types" and isinstance(value, list):
            config.layer_types = value[: SMALL["num_hidden_layers"]]
        elif field.endswith("_config") and hasattr(value, "to_dict"):
            _small(value)
    return config


def _plain(config: Any) -> dict[str, Any]:
    """What a config.json of it would say, bare of what only generation and training read."""
    base = set(importlib.import_module("transformers").PretrainedConfig().to_dict()) - {"tie_word_embeddings"}
    return {**_sized(config.to_dict(), base), "model_type": config.model_type, "torch_dtype": "bfloat16"}


def _sized(level: Mapping[str, Any], base: set[str]) -> dict[str, Any]:
    return {
        key: _sized(value, base) if isinstance(value, dict) and key.endswith("_config") else value
        for key, value in level.items()
        if ((key == "model_type" or key not in base) and len(str(value)) < _SHORT) or str(key).endswith("_config")
    }


if __name__ == "__main__":
    sys.exit(main())
