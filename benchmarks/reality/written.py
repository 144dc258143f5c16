"""Writes the checkpoint of a row: configuration, ModelSlim's description, and sparse shards with headers only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from build import write_shards, write_sparse
from table import Row, config_for, load, merged

from ascend_compat.checkpoint.entries import TensorSpec
from ascend_compat.checkpoint.synthesize import Table
from ascend_compat.classify.configured import named_tensors

SLIM = "modelslim"
FLOAT = "FLOAT"
_SHARDS = 4


def write(row: Row, folder: Path) -> Path:
    """The checkpoint of ``row`` in ``folder``; the weights are left out where the row says so."""
    layout: dict[str, Any] = load("layouts.toml")[row.layout]
    config = merged(config_for(row), layout.get("config", {}))
    if "quantization_config" not in layout.get("config", {}):
        config.pop("quantization_config", None)
    folder.mkdir(parents=True)
    _json(folder / "config.json", config)
    described = _described(config, layout) if "types" in layout else None
    if row.weights:
        tensors = _stored(config, described, layout)
        described = _spelled(described, tensors, layout) if described is not None else None
        tensors = list(_renamed(_joined(tensors, layout.get("joined", {})), layout.get("renamed", ())))
        if layout.get("rank_files"):
            ranks = row.launch.tp or 1
            for rank in range(ranks):
                write_sparse(folder / f"model-rank-{rank}-part-0.safetensors", [_part(t, ranks) for t in tensors])
        else:
            write_shards(folder, tensors, _SHARDS)
    if described is not None:
        _json(folder / layout.get("file", "quant_model_description.json"), described)
    for name in _modules(config_for(replace(row, config={}))) - _modules(row.config):  # a row names what is missing
        (folder / name).touch()
    for name, content in row.files.items():
        _json(folder / name, content)
    return folder


def _part(tensor: TensorSpec, ranks: int) -> TensorSpec:
    """What one rank stores of a tensor; norms and single values are whole on all of them."""
    rows, *rest = tensor.shape
    whole = "norm" in tensor.name or rows % ranks or rows < 2 * ranks
    return tensor if whole else tensor._replace(shape=(rows // ranks, *rest))


def _modules(config: Mapping[str, Any]) -> set[str]:
    """Files of code that a published configuration names (``auto_map``): the repository holds them."""
    named = [value for value in (config.get("auto_map") or {}).values() if isinstance(value, str)]
    return {f"{value.rpartition('--')[2].partition('.')[0]}.py" for value in named}


def _described(config: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, Any]:
    """Type of every linear weight, by the first pattern of ``types`` that its module matches."""
    kinds = [(re.compile(pattern), kind) for pattern, kind in layout["types"]]
    out: dict[str, Any] = dict(layout.get("settings", {}))
    for module in Table(config, SLIM).linear_modules():
        out[f"{module}.weight"] = next((kind for pattern, kind in kinds if pattern.search(module)), FLOAT)
    return out


def _stored(
    config: Mapping[str, Any], described: Mapping[str, Any] | None, layout: Mapping[str, Any]
) -> list[TensorSpec]:
    absent = [re.compile(pattern) for pattern in layout.get("absent", ())]
    tensors = [
        tensor
        for tensor in named_tensors(config, described)
        if not any(pattern.search(tensor.name) for pattern in absent)
    ]
    return [*tensors, *_further(tensors, layout.get("further", ()))]


def _joined(tensors: Iterable[TensorSpec], joined: Mapping[str, list[str]]) -> Iterator[TensorSpec]:
    """Projections stored as one: the rows of the members add up under the name of the whole."""
    whole = {member: name for name, members in joined.items() for member in members}
    held: dict[str, TensorSpec] = {}
    for tensor in tensors:
        module, _, parameter = tensor.name.rpartition(".")
        parent, _, own = module.rpartition(".")
        if own not in whole:
            yield tensor
            continue
        name = f"{parent}.{whole[own]}.{parameter}"
        before = held.get(name)
        if before is None:
            held[name] = tensor._replace(name=name)
        elif tensor.shape != (1,) and parameter != "info":
            held[name] = before._replace(shape=(before.shape[0] + tensor.shape[0], *tensor.shape[1:]))
    yield from held.values()


def _renamed(tensors: Iterable[TensorSpec], renamed: Iterable[tuple[str, str]]) -> Iterator[TensorSpec]:
    for tensor in tensors:
        name = tensor.name
        for pattern, replacement in renamed:
            name = re.sub(pattern, replacement, name)
        yield tensor._replace(name=name)


def _further(tensors: Iterable[TensorSpec], entries: Iterable[Mapping[str, Any]]) -> list[TensorSpec]:
    """Tensors a layout stores beside every weight its pattern matches, with as many values as the weight has rows."""
    return [
        TensorSpec(re.sub(entry["beside"], name, tensor.name), entry["dtype"], (tensor.shape[0],))
        for entry in entries
        for tensor in tensors
        if re.search(entry["beside"], tensor.name)
        for name in entry["names"]
    ]


def _spelled(described: Mapping[str, Any], tensors: Iterable[TensorSpec], layout: Mapping[str, Any]) -> dict[str, Any]:
    """The description as ModelSlim writes it: every stored tensor; what ``undescribed`` matches is left out."""
    left = [re.compile(pattern) for pattern in layout.get("undescribed", ())]
    kinds = {key.removesuffix(".weight"): kind for key, kind in described.items()}
    out: dict[str, Any] = dict(layout.get("settings", {}))
    for tensor in tensors:
        if not any(pattern.search(tensor.name) for pattern in left):
            out[tensor.name] = kinds.get(tensor.name.rpartition(".")[0], FLOAT)
    return out


def _json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
