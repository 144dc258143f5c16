"""The files of a checkpoint as the code of a release would read them, without layers that say nothing of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.knowledge.layers import Bucket
from ascend_compat.knowledge.specs import Declared

DESCRIPTION = "quant_model_description.json"
_EXPERT = re.compile(r"\.experts\.(\d+)\.")
_LAYER = re.compile(r"\.(\d+)(?=\.|$)")
#: Shorter lists of names are left as they are.
_FEW = 16


class CheckpointFiles:
    """Parsed files of one checkpoint, and which of its layers they treat alike. Read once, for many replays."""

    def __init__(self, facts: CheckpointFacts) -> None:
        self._facts = facts
        self._declared = Declared(facts)
        self._alike: dict[Any, list[list[int | None]]] = {}
        self._lists: dict[int, _Names] = {}
        description = facts.quant_description
        self._description = None if description is None else _condensed(description)
        self._described = _Names(self._description.items()) if self._description is not None else None

    def alike(self, bucket: Bucket) -> list[list[int | None]]:
        """Layers of a bucket by what the configuration says of them: the first of each list stands for all."""
        templates = tuple(group.template for groups in bucket.shards.values() for group in groups)
        key = (bucket.leaf.path, templates, bucket.layers)
        if key not in self._alike:
            found: dict[Any, list[int | None]] = {}
            for layer in bucket.layers or (None,):
                found.setdefault(self._declared.signature(bucket, layer), []).append(layer)
            self._alike[key] = list(found.values())
        return self._alike[key]

    def config(self, layers: Iterable[int]) -> dict[str, Any]:
        """``config.json`` for a replay that asks about these layers only."""
        return {name: self._cut(value, frozenset(layers)) for name, value in self._facts.config.items()}

    def files(self, layers: Iterable[int]) -> dict[str, Any]:
        """Parsed JSON files by name, for the same; of files whose content is not kept, an empty object.

        Names of layers that are not asked about are left out where another layer has the same names with the same
        values: releases look up a module's own names, or whether any name of a kind is there.
        """
        files: dict[str, Any] = {name: {} for name in self._facts.files if name.endswith(".json")}
        files["config.json"] = self.config(layers)
        if self._described is not None and self._description is not None:
            kept = self._described.kept(frozenset(layers))
            files[DESCRIPTION] = {name: self._description[name] for name in kept}
        if self._facts.hf_quant_config is not None:
            files["hf_quant_config.json"] = dict(self._facts.hf_quant_config)
        return files

    def _cut(self, value: Any, layers: frozenset[int]) -> Any:
        if isinstance(value, Mapping):
            return {name: self._cut(part, layers) for name, part in value.items()}
        if not isinstance(value, list) or len(value) <= _FEW or not all(isinstance(item, str) for item in value):
            return value
        if id(value) not in self._lists:
            self._lists[id(value)] = _Names((item, True) for item in value)
        return self._lists[id(value)].kept(layers)


class _Names:
    """Names of modules or parameters with what is said of them, by decoder layer."""

    def __init__(self, items: Iterable[tuple[Any, Any]]) -> None:
        self.layers: dict[Any, int | None] = {}
        said: dict[int, set[tuple[str, str]]] = {}
        for name, value in items:
            found = _LAYER.search(name) if isinstance(name, str) and not name.startswith("re:") else None
            self.layers[name] = int(found[1]) if found else None
            if found:
                rest = f"{name[: found.start()]}.*{name[found.end() :]}"
                said.setdefault(int(found[1]), set()).add((rest, repr(value)))
        first: dict[frozenset[tuple[str, str]], int] = {}
        for layer in sorted(said):
            first.setdefault(frozenset(said[layer]), layer)
        self.typical = frozenset(first.values())

    def kept(self, layers: frozenset[int]) -> list[Any]:
        """Names outside layers, of these layers, and of one layer for each set of names."""
        return [n for n, layer in self.layers.items() if layer is None or layer in layers or layer in self.typical]


def _condensed(description: Mapping[str, Any]) -> dict[str, Any]:
    """A ModelSlim description without the experts that say what expert 0 of their layer says.

    Releases look up expert 0 and ask for any key under a prefix: the answers stay the same, 130,000 keys become 1,500.
    """
    out: dict[str, Any] = {}
    for name, value in description.items():
        found = _EXPERT.search(name) if isinstance(name, str) else None
        if found and found[1] != "0":
            first = f"{name[: found.start()]}.experts.0.{name[found.end() :]}"
            if description.get(first) == value:
                continue
        out[name] = value
    return out
