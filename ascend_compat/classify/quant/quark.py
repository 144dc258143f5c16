"""AMD Quark: one scheme for the checkpoint, others for layers by name, in its own names for dtypes and granularity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.classify.quant.arguments import describe, text, texts, whole
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.declared import Declaration
from ascend_compat.classify.quant.lowered import Lowered
from ascend_compat.classify.quant.names import NameList
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import QuantArgs

_DTYPE = re.compile(r"(fp|uint|int)(\d{1,2})(_\w+)?$")


def quark(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """Schemes by layer name before the one for all. Source: vLLM 0.18.0, quantization/quark/quark.py."""
    body = declared.body
    default = _rule(("Linear",), body.get("global_quant_config"), NameList(()))
    rules = [*_by_name(body.get("layer_quant_config")), default]
    export = body.get("export")
    packing = text(export.get("pack_method")) if isinstance(export, Mapping) else None
    groups = texts(export.get("kv_cache_group")) if isinstance(export, Mapping) else []
    ignore = NameList(texts(body.get("exclude")), loose=True)
    return Lowered(tuple(rules), ignore, packing, _cache(body, groups), ("quant_method",))


def _by_name(entries: Any) -> Iterator[Rule]:
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        if isinstance(name, str) and isinstance(entry, Mapping) and _args(entry.get("weight")) is not None:
            yield _rule((name,), entry, NameList((name,), loose=True))


def _rule(targets: tuple[str, ...], entry: Any, names: NameList) -> Rule:
    weights = _args(entry.get("weight")) if isinstance(entry, Mapping) else None
    activations = _args(entry.get("input_tensors")) if isinstance(entry, Mapping) else None
    words = describe(weights, activations) if weights else "quark, weights not declared"
    return Rule(targets, words, weights, activations, names)


def _args(value: Any) -> QuantArgs | None:
    """``dtype``, ``qscheme`` and ``group_size`` of a tensor; two-stage schemes list two, the stored one first."""
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, Mapping)), None)
    found = _DTYPE.match(str(value.get("dtype"))) if isinstance(value, Mapping) else None
    if found is None:
        return None
    scheme = (text(value.get("qscheme")) or "per_tensor").removeprefix("per_")
    dynamic, symmetric = value.get("is_dynamic"), value.get("symmetric")
    return QuantArgs(
        num_bits=int(found[2]),
        type="float" if found[1] == "fp" else "int",
        strategy=scheme,
        dynamic=dynamic is True,
        symmetric=symmetric if isinstance(symmetric, bool) else None,
        group_size=whole(value.get("group_size")) if scheme == "group" else None,
    )


def _cache(body: Mapping[str, Any], groups: list[str]) -> str | None:
    """The KV cache: the outputs of the projections that ``kv_cache_group`` names."""
    entries = body.get("layer_quant_config")
    for name in groups:
        entry = entries.get(name) if isinstance(entries, Mapping) else None
        args = _args(entry.get("output_tensors")) if isinstance(entry, Mapping) else None
        if args is not None:
            return describe(args, None).partition(" /")[0]
    return None
