"""compressed-tensors: groups with targets, ignored modules, a KV cache scheme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.classify.quant.arguments import describe, read_args, text, texts
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.declared import Declaration
from ascend_compat.classify.quant.lowered import Lowered
from ascend_compat.classify.quant.names import NameList
from ascend_compat.core.facts import CheckpointFacts

#: A group may name a preset instead of a list of targets. Source: compressed-tensors, quantization/quant_scheme.py.
_PRESETS: dict[str, dict[str, Any]] = {
    "W8A8": {"weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True},
             "input_activations": {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": True}},
    "W8A16": {"weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True}},
    "W4A16": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True}},
    "W4A8": {"weights": {"num_bits": 4, "type": "int", "strategy": "channel", "symmetric": True},
             "input_activations": {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": True}},
    "NVFP4A16": {"weights": {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}},
    "FP8_BLOCK": {"weights": {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]},
                  "input_activations": {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 128,
                                        "dynamic": True}},
    "FP8": {"weights": {"num_bits": 8, "type": "float", "strategy": "tensor", "symmetric": True},
            "input_activations": {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False}},
    "FP8_DYNAMIC": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True},
                    "input_activations": {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": True}},
}  # fmt: skip


def compressed_tensors(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """One rule per entry of ``config_groups``, in their order; entries of the wrong type are left out."""
    body = declared.body
    entries = body.get("config_groups")
    rules = tuple(_rules(entries)) if isinstance(entries, Mapping) else ()
    cache = kv_scheme(body) or _attention_scheme(entries)
    return Lowered(rules, NameList(texts(body.get("ignore"))), text(body.get("format")), cache, ("format",))


def _rules(entries: Mapping[Any, Any]) -> Iterator[Rule]:
    for name, entry in entries.items():
        scheme, targets = entry, entry
        if isinstance(entry, list):
            scheme, targets = _PRESETS.get(str(name), {}), {"targets": entry}
        if not isinstance(scheme, Mapping) or not isinstance(targets, Mapping):
            continue
        listed = tuple(texts(targets.get("targets")))
        if listed and all(is_class(target) and not _holds_weights(target) for target in listed):
            continue
        weights, activations = read_args(scheme.get("weights")), read_args(scheme.get("input_activations"))
        names = NameList(target for target in listed if not is_class(target))
        yield Rule(listed, describe(weights, activations), weights, activations, names)


def is_class(target: str) -> bool:
    """Whether a target is a class of modules (``Linear``) and not a name: no dot, no pattern, a capital first."""
    return target[:1].isupper() and target.isidentifier()


def _holds_weights(target: str) -> bool:
    """Whether a class has the weight of a linear layer; others are attention, which has activations only."""
    return "linear" in target.lower() or "moe" in target.lower()


def _attention_scheme(entries: Any) -> str | None:
    """The scheme of groups for attention classes, whose inputs are what the KV cache holds."""
    for entry in entries.values() if isinstance(entries, Mapping) else ():
        targets = texts(entry.get("targets")) if isinstance(entry, Mapping) else []
        if any(is_class(target) and "attention" in target.lower() for target in targets):
            args = read_args(entry.get("input_activations"))
            return describe(args, None).partition(" /")[0] if args is not None else None
    return None


def kv_scheme(body: Mapping[str, Any]) -> str | None:
    """The KV cache scheme in words: arguments, or ModelOpt's name for it."""
    value = body.get("kv_cache_scheme", body.get("kv_cache_quant_algo"))
    args = read_args(value)
    if args is not None:
        return describe(args, None).partition(" /")[0]
    return text(value)
