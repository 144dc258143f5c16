"""The ``loaders`` section of a pack: the collected code, folded into one line of text."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ascend_compat.core.class_names import full
from ascend_compat.core.folded import fold
from ascend_compat.extract.loaders.collect import Collected
from ascend_compat.extract.scope import under
from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Trees

#: Packages of the plugin whose modules change classes of the engine as they are imported.
PATCHES = ("vllm_ascend.patch",)
#: Where quantization configurations say how names of their tensors are mapped.
QUANTIZATION = ("vllm_ascend.quantization", "vllm_ascend._310p.quantization")
DEFAULT_LOADER = "vllm.model_executor.model_loader.default_loader"
#: How the default loader begins the message it refuses a float model with that it could not fill.
REFUSAL = "Following weights were not initialized"
BASE = "vllm.model_executor.layers.quantization.base_config:QuantizationConfig"


def extract_loaders(trees: Trees, models: Mapping[str, Any], layers: Mapping[str, Any]) -> dict[str, Any]:
    """``{"modules": text, "strict": place}``: every module that loading runs, translated, lines relative, folded.

    ``strict`` is the line that refuses a float model with parameters nothing was loaded into, absent where none does.
    ``models`` and ``layers`` are the pack's ``model_classes`` and ``layer_classes``.
    """
    classes = {full(name) for name, entry in models.items() if "is" not in entry}
    classes.update(layers, *(entry.get("bases", ()) for entry in layers.values()))
    classes.update(_replacements(trees))
    patches = [name for name in trees.vllm_ascend.names() if under(name, PATCHES)]
    code = Collected(trees, classes, patches, _configurations(trees)).run()
    return {"modules": fold(code), **_strict(trees)}


def _strict(trees: Trees) -> dict[str, str]:
    """``{"strict": path:line}`` where a start of a float model checks that every parameter was filled."""
    module = trees.module(DEFAULT_LOADER)
    for node in every(module.tree) if module else ():
        if isinstance(node, ast.Raise) and REFUSAL in ast.unparse(node) and module:
            return {"strict": module.at(node)}
    return {}


def _replacements(trees: Trees) -> set[str]:
    """The plugin's own expert layers and their wrappers: their loaders are the ones that run."""
    found = set()
    for name in trees.vllm_ascend.names():
        module = trees.module(name) if "fused_moe" in name else None
        for binding_name, binding in module.bindings.items() if module else ():
            if binding.kind == "class":
                found.add(f"{name}:{binding_name}")
    return found


def _configurations(trees: Trees) -> set[str]:
    """The plugin's quantization configurations."""
    found = {BASE}
    for name in trees.vllm_ascend.names():
        module = trees.module(name) if under(name, QUANTIZATION) else None
        for binding_name, binding in module.bindings.items() if module else ():
            if binding.kind == "class" and BASE in trees.lineage(f"{name}:{binding_name}"):
                found.add(f"{name}:{binding_name}")
    return found
