"""How long a context the model has positions for, rope scaling and overrides of the launch included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.json_flag import read_json
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile

#: Rope types whose factor does not lengthen the context (V 0.23.0 vllm/config/model.py:2180).
_UNSCALED = ("su", "longrope", "llama3")
_OVERRIDES = "--hf-overrides"
#: Variable that lets vLLM accept any length.
ANY_LENGTH = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"


def positions(facts: CheckpointFacts, profile: ModelProfile, launch: LaunchProfile) -> int | None:
    """Tokens vLLM accepts as ``max_model_len``; ``None`` when the model does not say.

    ``max_position_embeddings`` times the rope factor; yarn starts from ``original_max_position_embeddings``
    (V 0.23.0 vllm/config/model.py:2112). ``--hf-overrides`` and ``--rope-scaling`` win over the configuration.
    """
    limit = profile.max_positions
    for space in _spaces(launch):
        limit = _integer(space.get("max_position_embeddings")) or limit
    scaling = _scaling(facts, profile, launch)
    kind = scaling.get("rope_type", scaling.get("type"))
    factor = scaling.get("factor")
    if kind in _UNSCALED or not isinstance(factor, (int, float)) or factor <= 1:
        return limit
    original = _integer(scaling.get("original_max_position_embeddings"))
    if kind == "yarn" and original:
        return max(limit or 0, int(original * factor))
    return limit


def unlimited(launch: LaunchProfile) -> bool:
    """Whether the user lets vLLM accept any length."""
    return (launch.environment or {}).get(ANY_LENGTH, "0") not in ("", "0")


def _scaling(facts: CheckpointFacts, profile: ModelProfile, launch: LaunchProfile) -> Mapping[str, Any]:
    """The rope scaling in force: of the launch, else of the configuration."""
    direct = _object((launch.flags or {}).get("--rope-scaling"))
    spaces = [
        direct,
        *(space.get(name, {}) for space in _spaces(launch) for name in ("rope_parameters", "rope_scaling")),
    ]
    for space in spaces:
        if isinstance(space, Mapping) and space.get("factor"):
            return space
    return dict(_numbers(profile.rope))


def _numbers(pairs: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, Any]]:
    """Rope parameters of a profile, numbers as numbers."""
    for name, text in pairs:
        try:
            yield name, float(text)
        except ValueError:
            yield name, text


def _spaces(launch: LaunchProfile) -> Iterator[Mapping[str, Any]]:
    """``--hf-overrides`` and the text model's part of it."""
    overrides = _object((launch.flags or {}).get(_OVERRIDES))
    yield overrides
    for value in overrides.values():
        if isinstance(value, Mapping):
            yield value


def _object(text: str | None) -> Mapping[str, Any]:
    value = read_json(text)
    return value if isinstance(value, Mapping) else {}


def _integer(value: object) -> int | None:
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1
    return int(value) if whole and isinstance(value, (int, float)) else None
