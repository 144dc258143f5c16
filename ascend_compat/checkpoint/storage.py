"""Declared quantization to stored tensors: which linear modules are quantized and what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ascend_compat.checkpoint.family import Storage, storages
from ascend_compat.errors import CheckpointError

#: Answers how the weight of a linear module is stored; ``None`` for a float weight.
StorageOf = Callable[[str], Storage | None]


def storage_of(config: Mapping[str, Any], description: Mapping[str, Any] | None) -> StorageOf:
    """The storage chooser of a checkpoint: ModelSlim's ``description`` if there is one, else ``quantization_config``.

    Raises :class:`CheckpointError` for a declaration whose stored form is not in ``rules/families/storage.toml``.
    """
    if description is not None:
        return lambda module: _described(module, description)
    declared = config.get("quantization_config")
    if not isinstance(declared, Mapping):
        return lambda module: None
    return _compressed(declared)


def _described(module: str, description: Mapping[str, Any]) -> Storage | None:
    kind = description.get(f"{module}.weight", "FLOAT")
    return None if kind == "FLOAT" else _lookup("modelslim", {"type": kind})


def _compressed(declared: Mapping[str, Any]) -> StorageOf:
    method = str(declared.get("quant_method"))
    groups = declared.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise CheckpointError(f"quantization_config of {method!r} has no config_groups, so stored tensors are unknown")
    ignored = _matcher(declared.get("ignore") or ())
    chosen: list[tuple[Callable[[str], bool], Storage]] = []
    for group in groups.values():
        stored = _lookup(method, {"format": declared.get("format"), **(group.get("weights") or {})})
        targets = group.get("targets") or ()
        chosen.append(((lambda module: True) if "Linear" in targets else _matcher(targets), stored))

    def choose(module: str) -> Storage | None:
        if ignored(module):
            return None
        return next((stored for matches, stored in chosen if matches(module)), None)

    return choose


def _matcher(patterns: Any) -> Callable[[str], bool]:
    """Module names of compressed-tensors: exact, or ``re:`` and a pattern matched from the start."""
    exact = frozenset(pattern for pattern in patterns if not pattern.startswith("re:"))
    expressions = [re.compile(pattern[3:]) for pattern in patterns if pattern.startswith("re:")]
    return lambda module: module in exact or any(expression.match(module) for expression in expressions)


def _lookup(method: str, declared: Mapping[str, Any]) -> Storage:
    for entry in storages():
        if entry.method == method and all(declared.get(key) == value for key, value in entry.match.items()):
            return entry
    said = ", ".join(f"{key}={declared[key]}" for key in ("type", "format", "num_bits", "strategy") if key in declared)
    raise CheckpointError(f"how {method} stores {said} is not known", "add it to rules/families/storage.toml")
