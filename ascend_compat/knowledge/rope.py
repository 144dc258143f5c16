"""Rotary parameters as vLLM hands them to a model, from either way a config.json writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARAMETERS, SCALING = "rope_parameters", "rope_scaling"
#: Names that older configurations use for a type (vllm/transformers_utils/config.py, patch_rope_parameters).
TYPES = {"su": "longrope", "mrope": "default"}
CARRIED = ("rope_theta", "partial_rotary_factor")


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
