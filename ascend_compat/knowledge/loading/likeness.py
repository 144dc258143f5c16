"""What a loading run depends on beside pack and checkpoint, so that equal runs are made once."""

from __future__ import annotations

from typing import Any

from ascend_compat.knowledge.evaluate.values import Function, Instance, Tensor, describe
from ascend_compat.knowledge.matched import GroupOutcome, Match

Likeness = tuple[Any, ...]


def likeness(match: Match) -> Likeness:
    """Equal for replays that give a loader the same model: root, method with its settings, dtype, parameters."""
    startup = match.startup
    return (
        match.tree.root,
        match.dtype,
        match.draft,
        startup.method,
        _settings(startup.config),
        repr(startup.trouble),
        tuple(_module(group) for group in match.groups),
    )


def _settings(config: Instance | None) -> Likeness:
    if config is None:
        return ()
    plain = {key: _value(value) for key, value in config.names.items()}
    return (config.cls.fqn if config.cls else config.label, tuple(sorted(plain.items())))


def _module(group: GroupOutcome) -> Likeness:
    outcome = group.outcome
    params = tuple((name, _allocated(tensor)) for name, tensor in outcome.params.items())
    return (group.bucket.leaf.path, group.prefix, group.layers, outcome.method, repr(outcome.trouble), params)


def _allocated(tensor: Tensor) -> Likeness:
    attributes = {name: _value(value) for name, value in tensor.attributes.items()}
    return (repr(tensor.shape), tensor.dtype, tuple(sorted(attributes.items())))


def _value(value: Any) -> str:
    """Plain values by what they are, functions and objects of the trees by name."""
    if isinstance(value, (dict, list, tuple, set)):
        return repr(value) if len(value) < SHORT else f"{type(value).__name__} {len(value)}"
    return f"{value.module.name}.{value.name}" if isinstance(value, Function) else describe(value)


#: Longer containers come from the checkpoint (the description of every tensor) and are the same for all its replays.
SHORT = 64
