"""ModelSlim's quant_model_description.json: a type for every tensor, and settings of the whole checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.classify.quant.arguments import from_name, text, whole
from ascend_compat.classify.quant.cover import Cover, Rule, cover, main_dtype
from ascend_compat.classify.quant.declared import MODELSLIM, Declaration
from ascend_compat.classify.quant.names import NameList
from ascend_compat.classify.quant.stored import QUANTIZED_DTYPES
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import QuantGroup, QuantProfile

FLOAT = "FLOAT"
_WEIGHTS = (".weight", ".weight_packed")
_SETTINGS = ("model_quant_type", "version", "group_size", "kv_cache_type", "kv_quant_type", "fa_quant_type",
             "indexer_quant_type")  # fmt: skip


def modelslim(facts: CheckpointFacts, declared: Declaration) -> tuple[QuantProfile, Cover]:
    """One group per type of the ``.weight`` entries; modules of type FLOAT are what the format ignores.

    ``count`` is the number of entries of that type, which is that of the tensors in a consistent checkpoint.
    """
    body = declared.body
    names = _names(body)
    kinds, size = sorted(set(names) - {FLOAT}), whole(body.get("group_size"))
    rules = tuple(
        Rule(("module name",), kind, *from_name(kind, size), NameList.of_names(names[kind])) for kind in kinds
    )
    found = cover(facts.tensors, rules, NameList.of_names(names.get(FLOAT, ())))
    groups = []
    for rule, share in zip(rules, found.covered, strict=True):
        quantized = [weight for weight in share if weight.tensor.dtype in QUANTIZED_DTYPES]
        modules = tuple(sorted({template_of(name) for name in names[rule.declared]}))
        stored, count = main_dtype(quantized or share), len(names[rule.declared])
        groups.append(
            QuantGroup(rule.targets, rule.declared, rule.weights, rule.activations, stored, modules, count)
        )  # fmt: skip
    total = Evidence(EvidenceKind.CONFIG, MODELSLIM, None, f"{sum(map(len, names.values()))} weight entries")
    floats = tuple(sorted({template_of(name) for name in names.get(FLOAT, ())}))
    kind = text(body.get("model_quant_type"))
    evidence = (*declared.evidence(*_SETTINGS), total)
    return QuantProfile("modelslim", kind, tuple(groups), floats, _kv(body), evidence), found


def _names(body: Mapping[str, Any]) -> dict[str, set[str]]:
    """Names of modules with a weight, by type; types of 16 bits are float."""
    names: dict[str, set[str]] = {}
    for key, kind in body.items():
        if isinstance(key, str) and isinstance(kind, str) and key.endswith(_WEIGHTS):
            names.setdefault(kind, set()).add(key.rpartition(".")[0])
    for kind in list(names):
        weights, _ = from_name(kind)
        if weights is not None and weights.num_bits >= 16:
            names.setdefault(FLOAT, set()).update(names.pop(kind))
    return names


def template_of(name: str) -> str:
    """A tensor or module name with every numeric component as ``*``."""
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))


def _kv(body: Mapping[str, Any]) -> str | None:
    """The KV cache type under its old and new names."""
    return text(body.get("kv_cache_type")) or text(body.get("kv_quant_type")) or text(body.get("fa_quant_type"))
