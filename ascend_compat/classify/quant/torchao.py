"""torchao: configurations that spell their arguments in a class name, for all modules or by name."""

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

Pair = tuple[QuantArgs | None, QuantArgs | None]

#: ``int4_weight_only`` and ``Int4WeightOnlyConfig``, ``Float8DynamicActivationFloat8WeightConfig``, without separators.
_WEIGHTS = re.compile(r"(float|uint|int)(\d)weightonly")
_BOTH = re.compile(r"(float|int)(\d)(dynamic|static)activation(float|int)(\d)weight")
_BY_NAME = ("module_fqn_to_config", "fqn_to_config")


def torchao(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """``quant_type`` is a name, or objects of ``_type`` and ``_data`` by module. Source: transformers TorchAoConfig."""
    body = declared.body
    kinds = body.get("quant_type")
    kind = kinds.get("default", kinds) if isinstance(kinds, Mapping) else kinds
    named = list(_named(kind))
    ignore = NameList([*texts(body.get("modules_to_not_convert")), *(name for name, entry in named if entry is None)],
                      loose=True)  # fmt: skip
    rules = [
        _rule((name,), entry, body, NameList((name,), loose=True))
        for name, entry in named
        if entry is not None and name != "_default"
    ]
    default = next((entry for name, entry in named if name == "_default"), None if named else kind)
    return Lowered((*rules, _rule(("Linear",), default, body, NameList(()))), ignore, fields=("quant_method",))


def _named(kind: Any) -> Iterator[tuple[str, Any]]:
    data = kind.get("_data") if isinstance(kind, Mapping) else None
    for key in _BY_NAME:
        entries = data.get(key) if isinstance(data, Mapping) else None
        if isinstance(entries, Mapping):
            yield from ((name, entry) for name, entry in entries.items() if isinstance(name, str))


def _rule(targets: tuple[str, ...], kind: Any, body: Mapping[str, Any], names: NameList) -> Rule:
    name = kind.get("_type") if isinstance(kind, Mapping) else kind
    data = kind.get("_data") if isinstance(kind, Mapping) else body.get("quant_type_kwargs")
    weights, activations = arguments(str(name), data if isinstance(data, Mapping) else {})
    label = f"torchao {text(name) or 'without a type'}"
    return Rule(targets, describe(weights, activations) if weights else label, weights, activations, names)


def arguments(name: str, data: Mapping[str, Any]) -> Pair:
    """Weights and activations of a configuration, ``(None, None)`` where its name does not say.

    Integers of 4 bits share a scale in groups, of 8 in rows; float8 as ``granularity`` says, per tensor by default.
    """
    compact = re.sub(r"[^a-z0-9]", "", name.lower())
    size = whole(data.get("group_size"))
    both, alone = _BOTH.search(compact), _WEIGHTS.search(compact)
    rows = "row" in str(data.get("granularity")).lower()
    if both:
        weights = _args(both[4], int(both[5]), size, rows)
        strategy = "tensor" if both[1] == "float" and not rows else "token"
        return weights, QuantArgs(int(both[2]), both[1], strategy, both[3] == "dynamic", True)
    return (_args(alone[1].removeprefix("u"), int(alone[2]), size, rows), None) if alone else (None, None)


def _args(kind: str, bits: int, size: int | None, rows: bool) -> QuantArgs:
    strategy = "group" if size or (kind == "int" and bits < 8) else "channel" if kind == "int" or rows else "tensor"
    return QuantArgs(bits, kind, strategy, False, None, size)
