"""Configuration objects as the engine makes them of config.json."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ascend_compat.knowledge.config_attributes import renamed
from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import Class, External, Instance, Native, Unknown
from ascend_compat.knowledge.layers import mapped

#: Where releases keep what reads ``config.json`` for the model configuration; older ones do it in that class itself.
CONVERTOR = ("vllm.transformers_utils.model_arch_config_convertor", "ModelArchConfigConvertorBase")

#: Variables of the plugin; what follows is the name of an option in capitals.
_VARIABLES = "vllm_ascend.envs.VLLM_ASCEND_"


def model_config(environment: Environment, cls: Class | None, dtype: External) -> Instance:
    """The engine's ``ModelConfig`` as it is before its quantization is verified."""
    config = copy.deepcopy(dict(renamed(environment.config)))
    hf_config = record(config, "hf_config")
    architectures = {**architecture(config), "quantization_config": quantization_config(config)}
    names = {
        "model": environment.model_path,
        "revision": None,
        "quantization": environment.quantization,
        "quantization_config": None,
        "hf_config": hf_config,
        "hf_text_config": hf_config.names.get("text_config", hf_config),
        "hf_overrides": {},
        "architectures": list(config.get("architectures") or []),
        "model_arch_config": Instance(None, architectures, closed=False, label="model_arch_config"),
        "dtype": dtype,
        "enforce_eager": environment.enforce_eager,
        "allow_deprecated_quantization": False,
    }
    return Instance(cls, names, closed=False, label="model_config")


def engine_config(environment: Environment, model: Instance, load: Instance) -> Instance:
    """The engine's ``VllmConfig`` before its quantization configuration is made."""
    names = {
        "model_config": model,
        "load_config": load,
        "quant_config": None,
        "cache_config": Instance(None, {"cache_dtype": environment.kv_cache_dtype}, closed=False, label="cache_config"),
        "parallel_config": environment.parallel.config(),
        "additional_config": copy.deepcopy(dict(environment.additional_config)),
    }
    return Instance(None, names, closed=False, label="vllm_config")


def ascend_config(environment: Environment) -> Instance:
    """The plugin's own configuration as far as the launch tells: options, and variables that are options by name.

    Source: A 0.23.0 vllm_ascend/ascend_config.py:84, where a variable decides what ``--additional-config`` leaves out.
    """

    def opened(values: Mapping[str, Any], label: str) -> Instance:
        inner = {key: opened(value, key) if isinstance(value, Mapping) else value for key, value in values.items()}
        return Instance(None, inner, closed=False, label=label)

    made = opened(environment.additional_config, "ascend_config")
    for name, value in environment.values.items():
        if name.startswith(_VARIABLES):
            made.names.setdefault(name.removeprefix(_VARIABLES).lower(), value)
    return made


def record(values: Mapping[str, Any], label: str) -> Instance:
    """A configuration object: attributes as in config.json, nested configurations as records too."""
    names: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict) and key.endswith("_config") and key != "quantization_config"
        names[key] = nested_record(record(value, key), value) if nested else value
    return Instance(None, names, closed=True, label=label)


def nested_record(made: Instance, values: Mapping[str, Any]) -> Instance:
    """An object inside config.json: where its model's class makes no configuration of it, it stays a dictionary."""

    def get(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        known = bool(args) and isinstance(args[0], str)
        default = args[1] if len(args) > 1 else keywords.get("default")
        return made.names.get(args[0], default) if known else Unknown(at, "a key that is not known")

    if "get" not in values:
        made.names["get"] = Native("get", get)
    return made


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine's ``ModelArchConfig`` takes over from config.json without change."""
    nested = config.get("text_config")
    text: Mapping[str, Any] = nested if isinstance(nested, Mapping) else config
    return {
        "architectures": list(config.get("architectures") or []),
        "model_type": config.get("model_type"),
        "text_model_type": text.get("model_type"),
        "total_num_attention_heads": text.get("num_attention_heads"),
        "total_num_kv_heads": text.get("num_key_value_heads"),
    }


def weights_mapper(tables: Mapping[str, Any]) -> Instance:
    """vLLM's ``WeightsMapper``: names in, names out, dropped ones left out."""

    def one(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        return mapped(args[0], tables) if args and isinstance(args[0], str) else Unknown(at, "a name that is not known")

    def several(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        value = args[0] if args else None
        if isinstance(value, dict):
            named = ((mapped(k, tables) if isinstance(k, str) else k, v) for k, v in value.items())
            return {name: v for name, v in named if name is not None}
        if not isinstance(value, list):
            return value
        return [name for v in value if (name := mapped(v, tables) if isinstance(v, str) else v) is not None]

    names = {"_map_name": Native("_map_name", one)}
    names |= {name: Native(name, several) for name in ("apply_dict", "apply_list")}
    return Instance(None, names, label="hf_to_vllm_mapper")


def made_mapper(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """``WeightsMapper(...)`` in the release's own code."""
    known = not args and all(isinstance(table, dict) for table in keywords.values())
    return weights_mapper(keywords) if known else Unknown(at, "a mapper that is not known")


def quantization_config(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """``quantization_config`` where vLLM looks for it: top level, nested text configuration, ``compression_config``."""
    text = config.get("text_config")
    for owner in (config, text if isinstance(text, Mapping) else {}):
        for key in ("quantization_config", "compression_config"):
            found = owner.get(key)
            if isinstance(found, dict):
                return found
    return None


def convert(machine: Machine, model: Instance) -> None:
    """Give the engine's ``model_arch_config`` the declaration as the release's own converter hands it on.

    It writes the method in lower case, ``""`` where none is named. Raises :class:`Raised` where the converter does.
    """
    owner = machine.member(*CONVERTOR)
    if isinstance(owner, Class):
        converter = Instance(owner, {"hf_config": model.names["hf_config"]}, closed=False, label=CONVERTOR[1])
        found = machine.call(machine.attribute(converter, "get_quantization_config", owner.at), [], {}, owner.at)
        model.names["model_arch_config"].names["quantization_config"] = found
