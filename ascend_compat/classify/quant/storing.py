"""Declared quantization to stored tensors: which weights are quantized, and the tensors that stand in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ascend_compat.checkpoint.entries import Choice, Chooser
from ascend_compat.checkpoint.family import Storage, storages
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.formats import Quantization, quantization
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.errors import CheckpointError

NONE = "none"


class Storing:
    """How a checkpoint says its weights are stored; ``method`` is :data:`NONE` for a float one."""

    def __init__(self, facts: CheckpointFacts) -> None:
        self.facts = facts
        self.found: Quantization = quantization(facts)
        self.method = self.found.profile.method or NONE
        self._choices: dict[tuple[int, bool], Choice] = {}

    def chooser(self) -> Chooser | None:
        """Answers for a module; raises :class:`CheckpointError` for a scheme whose stored form is not known."""
        return None if self.method == NONE else self._choose

    def _choose(self, module: str, stacked: bool) -> Choice | None:
        cover = self.found.found
        if cover is None:
            raise CheckpointError(
                f"how {self.method} stores weights is not known", "add it to rules/families/storage.toml"
            )
        if cover.ignore.holds(module):
            return None
        number = next((n for n, rule in enumerate(cover.rules) if rule.names and rule.names.holds(module)), None)
        if number is None:
            number = next((n for n, rule in enumerate(cover.rules) if not rule.names), None)
        if number is None:
            return None
        key = (number, stacked)
        if key not in self._choices:
            self._choices[key] = self._lookup(cover.rules[number], stacked)
        choice = self._choices[key]
        return None if any(re.search(pattern, module) for pattern in choice.storage.skip) else choice

    def _lookup(self, rule: Rule, stacked: bool) -> Choice:
        arguments = self._arguments(rule)
        for storage in storages():
            if self.method in storage.methods and storage.stacked == stacked and _fits(storage, arguments):
                return Choice(storage, arguments)
        raise CheckpointError(
            f"how {self.method} stores {rule.declared!r} is not known", "add it to rules/families/storage.toml"
        )

    def _arguments(self, rule: Rule) -> dict[str, Any]:
        """What storage rules match and size tensors by."""
        weights, activations = rule.weights, rule.activations
        body = self.found.declarations[0].body
        out: dict[str, Any] = {
            "declared": rule.declared,
            "format": self.found.profile.format,
            "scale_fmt": str(body.get("scale_fmt") or ""),
            "version": str(body.get("version") or ""),
            "quantized_input": int(activations is not None and activations.num_bits <= 8),
            "static": int(activations is not None and activations.num_bits <= 8 and activations.dynamic is False),
        }
        if weights is not None:
            out |= {"num_bits": weights.num_bits, "type": weights.type, "strategy": weights.strategy}
            out |= {"symmetric": int(weights.symmetric is not False), "group": weights.group_size}
            out |= {f"block{at}": size for at, size in enumerate(weights.block_structure or ())}
        return {name: value for name, value in out.items() if value is not None}


def _fits(storage: Storage, arguments: Mapping[str, Any]) -> bool:
    return all(arguments.get(name) == value for name, value in storage.match.items())
