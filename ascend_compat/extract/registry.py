"""Architectures of a release: vLLM's registry tables, the plugin's own registrations, and what was removed."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Any

from ascend_compat.core.class_names import plain
from ascend_compat.extract.stages import runs_in_stages
from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

REGISTRY = "vllm.model_executor.models.registry"
MODELS_PACKAGE = "vllm.model_executor.models"
#: What a registry table holds, by a word of its name; the first that matches counts.
KINDS = (
    ("SPECULATIVE", "speculative"),
    ("MULTIMODAL", "multimodal"),
    ("EMBEDDING", "pooling"),
    ("CROSS_ENCODER", "pooling"),
    ("CLASSIFICATION", "pooling"),
    ("REWARD", "pooling"),
    ("LATE_INTERACTION", "pooling"),
    ("TRANSFORMERS", "transformers"),
    ("TEXT", "text"),
)


def extract_registry(trees: Trees, only: Collection[str] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """``architectures`` and ``removed_architectures``, each entry with its line.

    ``stages`` says whether the class runs in pipeline stages, and is absent where the class was not found and for all
    but ``only``, the plain names of architectures.
    """
    found: dict[str, Any] = {}
    removed: dict[str, Any] = {}
    module = trees.module(REGISTRY)
    if module is None:
        trees.unfollowed.append(f"{REGISTRY}: not found")
        return {}, {}
    for name, table in _tables(module):
        if "PREVIOUSLY" in name:
            removed.update(_removed(trees, module, table))
        elif name.endswith("_MODELS"):
            for architecture, entry in _entries(trees, module, table, _kind(name)):
                found.setdefault(architecture, entry)
    for architecture, entry in _plugin(trees).items():
        found[architecture] = {**entry, "kind": found.get(architecture, entry)["kind"]}
    for entry in (entry for name, entry in found.items() if only is None or plain(name) in only):
        staged = runs_in_stages(trees, entry["module"], entry["class"])
        if staged is not None:
            entry["stages"] = staged
    return dict(sorted(found.items())), dict(sorted(removed.items()))


def _tables(module: Module) -> Iterator[tuple[str, ast.Dict]]:
    return ((name, value) for name, value in assignments(module.tree.body) if isinstance(value, ast.Dict))


def _kind(name: str) -> str:
    """What a table holds; one that no word is known for keeps its own name, so that its models are not lost."""
    return next((kind for word, kind in KINDS if word in name), name.strip("_").removesuffix("_MODELS").lower())


def _entries(trees: Trees, module: Module, table: ast.Dict, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in zip(table.keys, table.values, strict=True):
        if key is None:
            continue
        try:
            architecture, pair = trees.constant(module, key), trees.constant(module, value)
        except NotConstant as stop:
            trees.unfollowed.append(str(stop))
            continue
        if not isinstance(pair, (tuple, list)) or not all(isinstance(name, str) for name in (architecture, *pair[:2])):
            trees.unfollowed.append(f"{module.at(key)}: not an architecture with its module and class")
        elif len(pair) >= 2:
            home = _module(trees, pair[0])
            yield architecture, {"kind": kind, "module": home, "class": pair[1], "at": module.at(key)}


def _module(trees: Trees, name: str) -> str:
    """A table names modules of the models package, and modules outside it by their absolute name."""
    inside = f"{MODELS_PACKAGE}.{name}"
    return name if name.partition(".")[0] == "vllm" and trees.module(inside) is None else inside


def _removed(trees: Trees, module: Module, table: ast.Dict) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in zip(table.keys, table.values, strict=True):
        try:
            name, last = trees.constant(module, key), trees.constant(module, value)
        except NotConstant as stop:
            trees.unfollowed.append(str(stop))
            continue
        if isinstance(name, str):
            yield name, {"last": str(last), "at": module.at(key or table)}


def _plugin(trees: Trees) -> dict[str, Any]:
    """``ModelRegistry.register_model("Arch", "module:Class")`` in the plugin."""
    out: dict[str, Any] = {}
    module = trees.module("vllm_ascend.models")
    for node in every(module.tree) if module else ():
        if not (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "register_model"
        ):
            continue
        assert module is not None
        try:
            architecture, place = (trees.constant(module, arg) for arg in node.args[:2])
        except (NotConstant, ValueError) as stop:
            trees.unfollowed.append(f"{module.at(node)}: {stop}")
            continue
        if not isinstance(architecture, str):
            trees.unfollowed.append(f"{module.at(node)}: not an architecture")
            continue
        home, _, cls = str(place).partition(":")
        out[architecture] = {"kind": "plugin", "module": home, "class": cls, "at": module.at(node), "plugin": True}
    return out
