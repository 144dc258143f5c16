"""NVIDIA ModelOpt: one algorithm for the checkpoint or one per layer, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.classify.quant.arguments import describe, from_name, read_args, text, texts, whole
from ascend_compat.classify.quant.compressed_tensors import kv_scheme
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.declared import Declaration
from ascend_compat.classify.quant.lowered import Lowered
from ascend_compat.classify.quant.names import NameList
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import QuantArgs

Pair = tuple[QuantArgs | None, QuantArgs | None]

#: Algorithms whose name does not spell their bits. NVFP4: 16 elements a scale; MX: 32.
#: Source: ModelOpt, modelopt/torch/export/quant_utils.py; vLLM 0.18.0, quantization/modelopt.py.
_ALGORITHMS: dict[str, Pair] = {
    "FP8": (QuantArgs(8, "float", "tensor", False, True), QuantArgs(8, "float", "tensor", False, True)),
    "FP8_PER_CHANNEL_PER_TOKEN": (
        QuantArgs(8, "float", "channel", False, True), QuantArgs(8, "float", "token", True, True)),
    "FP8_PB_WO": (QuantArgs(8, "float", "block", False, True, block_structure=(128, 128)), None),
    "NVFP4": (QuantArgs(4, "float", "tensor_group", False, True, 16),
              QuantArgs(4, "float", "tensor_group", "local", True, 16)),
    "MXFP8": (QuantArgs(8, "float", "group", False, True, 32), QuantArgs(8, "float", "group", True, True, 32)),
    "MXFP4": (QuantArgs(4, "float", "group", False, True, 32), QuantArgs(4, "float", "group", True, True, 32)),
}  # fmt: skip
_ALIASES = {"NVFP4_AWQ": "NVFP4", "NVFP4_SVD": "NVFP4", "NVFP4_MSE": "NVFP4", "FP8_PB_REAL": "FP8_PB_WO"}


def modelopt(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """``quant_algo`` for all linear layers, or ``quantized_layers`` with an algorithm each."""
    body = declared.body
    algorithm = text(body.get("quant_algo")) or (declared.method or "").removeprefix("modelopt_").upper()
    rules = tuple(layer_rules(body))
    if not rules:
        rules = tuple(_group_rules(body, algorithm)) or (_rule(("Linear",), algorithm, body, NameList(())),)
    names = texts(body.get("ignore"), body.get("exclude_modules"), body.get("modules_to_not_convert"))
    kv_cache = kv_scheme(body)
    return Lowered(rules, NameList(names, loose=True), algorithm, kv_cache, ("quant_algo", "kv_cache_quant_algo"))


def layer_rules(body: Mapping[str, Any]) -> Iterator[Rule]:
    """``quantized_layers``: one rule per algorithm and group size, covering the modules it names and those below."""
    entries = body.get("quantized_layers")
    found: dict[tuple[str, int | None], list[str]] = {}
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        if isinstance(name, str) and isinstance(entry, Mapping):
            key = (text(entry.get("quant_algo")) or "unnamed", whole(entry.get("group_size")))
            found.setdefault(key, []).append(name)
    for (algorithm, size), names in sorted(found.items(), key=lambda item: str(item[0])):
        yield _rule(("quantized_layers",), algorithm, {"group_size": size}, NameList(names, loose=True))


def _group_rules(body: Mapping[str, Any], algorithm: str) -> Iterator[Rule]:
    """``config_groups`` where the algorithm is not known: its arguments are spelled out there."""
    entries = body.get("config_groups")
    if arguments(algorithm)[0] is not None or not isinstance(entries, Mapping):
        return
    for entry in entries.values():
        weights = read_args(entry.get("weights")) if isinstance(entry, Mapping) else None
        if weights is not None:
            activations = read_args(entry.get("input_activations"))
            yield Rule(("Linear",), describe(weights, activations), weights, activations, NameList(()))


def _rule(targets: tuple[str, ...], algorithm: str, body: Mapping[str, Any], names: NameList) -> Rule:
    weights, activations = arguments(algorithm, whole(body.get("group_size")))
    return Rule(targets, algorithm, weights, activations, names)


def arguments(algorithm: str, group_size: int | None = None) -> Pair:
    """Weights and activations of an algorithm, ``(None, None)`` for one that is not known."""
    name = algorithm.upper()
    name = _ALIASES.get(name, name)
    if name.startswith("W4A16_NVFP4"):
        return _ALGORITHMS["NVFP4"][0], None
    if name == "W4A8_AWQ":  # its activations are float8, which the name does not say
        return from_name(name, group_size)[0], _ALGORITHMS["FP8"][1]
    return _ALGORITHMS.get(name) or from_name(name.replace("_SQ_PER_CHANNEL", "_DYNAMIC"), group_size)
