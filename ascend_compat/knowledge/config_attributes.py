"""config.json as vLLM's configuration object shows it: parts under one name, rotary parameters under another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARAMETERS, SCALING = "rope_parameters", "rope_scaling"
#: Names that older configurations use for a type (vllm/transformers_utils/config.py, patch_rope_parameters).
TYPES = {"su": "longrope", "mrope": "default"}
CARRIED = ("rope_theta", "partial_rotary_factor")


#: Other spellings of a part, and the name vLLM gives it. Source: ``_CONFIG_ATTRS_MAPPING`` of
#: vllm/transformers_utils/config.py, from 0.9.2 on (before it the configuration class of each such model did the same),
#: and vllm/transformers_utils/configs/deepseek_vl2.py.
RENAMED = {"llm_config": "text_config", "language_config": "text_config"}


def attributes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A level of config.json with the attributes that vLLM's configuration object has for it."""
    return with_rope(renamed(config))


def renamed(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A level of config.json whose parts have vLLM's names beside their own."""
    more = {new: config[old] for old, new in RENAMED.items() if old in config and new not in config}
    return {**config, **more} if more else config


def with_rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration that has ``rope_parameters``: its own, or made from ``rope_scaling`` and ``rope_theta``.

    Source: ``patch_rope_parameters`` of vllm/transformers_utils/config.py and the renaming it does.
    """
    given = config.get(PARAMETERS)
    if isinstance(given, Mapping) and any(isinstance(v, Mapping) for v in given.values()):
        return config
    if given is not None and not isinstance(given, Mapping):
        return config
    scaling = config.get(SCALING)
    made = dict(given if given is not None else scaling if isinstance(scaling, Mapping) else {})
    if given is None and "rope_theta" not in config and not made:
        return config
    for name in CARRIED:
        if config.get(name) is not None:
            made.setdefault(name, config[name])
    kind = made.get("rope_type", made.get("type", "default"))
    made["rope_type"] = TYPES.get(kind, kind) if isinstance(kind, str) else kind
    return {**config, PARAMETERS: made}
