"""The configuration objects a loader may ask: config.json as vLLM hands it out, and vLLM's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.core.profile import ModelProfile
from ascend_compat.knowledge.config_attributes import renamed
from ascend_compat.knowledge.config_objects import nested_record
from ascend_compat.knowledge.evaluate.values import External, Instance, Native, Unknown

#: Labels of records whose missing attributes may have a default outside config.json.
DEFAULTED = "hf_config"
#: Parts of config.json that describe a nested model, by words of the attribute that holds the model.
NESTED = (
    ("vision", ("vision_config", "vit_config")),
    ("visual", ("vision_config",)),
    ("audio", ("audio_config",)),
    ("language_model", ("text_config", "language_config", "thinker_config")),
)


def hf_config(config: Mapping[str, Any], profile: ModelProfile) -> Instance:
    """config.json as an object, nested configurations as objects too.

    ``getattr`` with a default gives the default for what the file leaves out; asking without one is unknown, since
    the configuration class may have its own.
    """
    made = _record(renamed(config))
    text = _text(made)
    for owner in (made, text):
        owner.names.setdefault("tie_word_embeddings", profile.tied_embeddings)
    for key, value in (("num_hidden_layers", profile.layers), ("vocab_size", profile.vocab_size)):
        if value is not None:
            text.names.setdefault(key, value)
    return made


def nested_config(made: Instance, path: str) -> Instance:
    """The part of a configuration that a model at ``path`` is built from."""
    for word, keys in NESTED:
        if word in path.partition(".")[0]:
            for key in keys:
                found = made.names.get(key)
                if isinstance(found, Instance):
                    return found
    return _text(made) if path else made


def _text(made: Instance) -> Instance:
    for key in ("text_config", "language_config"):
        if isinstance(made.names.get(key), Instance):
            found: Instance = made.names[key]
            return found
    return made


def _record(values: Mapping[str, Any]) -> Instance:
    names: dict[str, Any] = {
        key: _record(value) if isinstance(value, dict) and key.endswith("_config") and key != "quantization_config"
        else value
        for key, value in values.items()
    }  # fmt: skip
    made = Instance(None, names, closed=True, label=DEFAULTED)
    names["get_text_config"] = Native("get_text_config", lambda args, keywords, at: _text(made))
    names["to_dict"] = Native("to_dict", lambda args, keywords, at: dict(values))
    names["update"] = Native("update", lambda args, keywords, at: names.update(args[0] if args else {}))
    return nested_record(made, values)


def vllm_config(config: Instance, quantization: str | None, quant_config: Instance | None, dtype: str) -> Instance:
    """vLLM's ``VllmConfig`` of a start on one rank without options."""
    multimodal = _open("multimodal_config", mm_encoder_tp_mode="weights", mm_encoder_only=False)
    model = _open(
        "model_config", hf_config=config, hf_text_config=_text(config), quantization=quantization,
        dtype=External(f"torch.{dtype}"), multimodal_config=multimodal, model="/model",
        is_multimodal_model=True,
        get_vocab_size=Native("get_vocab_size", lambda args, keywords, at: _text(config).names.get(
            "vocab_size", Unknown(at, "config.json does not say vocab_size"))),
    )  # fmt: skip
    parallel = _open(
        "parallel_config", tensor_parallel_size=1, pipeline_parallel_size=1, data_parallel_size=1, enable_eplb=False,
        enable_expert_parallel=False, eplb_config=_open("eplb_config", num_redundant_experts=0),
        num_redundant_experts=0, world_size=1,
    )  # fmt: skip
    draft = _open(
        "speculative_config", draft_model_config=model, num_speculative_tokens=1, method="mtp", parallel_drafting=False
    )
    made = _open(
        "vllm_config", model_config=model, quant_config=quant_config, parallel_config=parallel, lora_config=None,
        cache_config=_open("cache_config", cache_dtype="auto"), speculative_config=draft, additional_config={},
        load_config=_open("load_config", load_format="auto"),
    )  # fmt: skip

    def with_config(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        inner = args[0] if args else keywords.get("hf_config")
        if not isinstance(inner, Instance):
            return Unknown(at, "a configuration that can't be known")
        return vllm_config(inner, quantization, quant_config, dtype)

    made.names["with_hf_config"] = Native("with_hf_config", with_config)
    return made


def _open(label: str, **names: Any) -> Instance:
    return Instance(None, dict(names), closed=False, label=label)
