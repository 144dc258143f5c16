"""Declared quantization to groups of modules: targets, arguments, the dtype that is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import QuantArgs, QuantGroup, QuantProfile

#: Parameters that hold quantized values.
WEIGHTS = re.compile(r"\.(weight|weight_packed|qweight)$|_(blocks|proj)$")
COMPANION = re.compile(r"(scale|offset|zero_point|qzeros|g_idx|weight_shape|quant_bias)")
_Lowering = Callable[[CheckpointFacts, Mapping[str, Any], str | None, tuple[Evidence, ...]], QuantProfile]
QUANTIZED_DTYPES = frozenset({"I8", "U8", "I32", "F8_E4M3", "F8_E5M2", "F4"})


def quant_profile(facts: CheckpointFacts) -> QuantProfile:
    """What the checkpoint declares: in config.json, in ModelOpt's file, or in ModelSlim's description."""
    declared, path = _declared(facts)
    if facts.quant_description is not None:
        return _modelslim(facts, facts.quant_description)
    if declared is None:
        return QuantProfile(None, None)
    method = declared.get("quant_method")
    name = method if isinstance(method, str) else None
    lower: _Lowering = _FORMATS.get(name or "", _named)
    evidence = (Evidence(EvidenceKind.CONFIG, path, None, f"quantization_config.quant_method = {name!r}"),)
    return lower(facts, declared, name, evidence)


def _declared(facts: CheckpointFacts) -> tuple[Mapping[str, Any] | None, str]:
    text = facts.config.get("text_config")
    for owner in (facts.config, text if isinstance(text, Mapping) else {}):
        for key in ("quantization_config", "compression_config"):
            if isinstance(owner.get(key), Mapping):
                return owner[key], "config.json"
    if facts.hf_quant_config is not None:
        inner = facts.hf_quant_config.get("quantization")
        if isinstance(inner, Mapping):
            return {"quant_method": "modelopt", **inner}, "hf_quant_config.json"
    return None, ""


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _args(value: Any) -> QuantArgs | None:
    if not isinstance(value, Mapping):
        return None
    bits, size = value.get("num_bits", 8), value.get("group_size")
    block = value.get("block_structure")
    return QuantArgs(
        num_bits=bits if isinstance(bits, int) else 8,
        type=str(value.get("type", "int")),
        strategy=str(value["strategy"]) if value.get("strategy") is not None else None,
        dynamic=value["dynamic"] if isinstance(value.get("dynamic"), (bool, str)) else False,
        symmetric=value.get("symmetric") if isinstance(value.get("symmetric"), bool) else None,
        group_size=size if isinstance(size, int) else None,
        block_structure=tuple(n for n in block if isinstance(n, int)) if isinstance(block, list) else None,
    )


def describe(weights: QuantArgs | None, activations: QuantArgs | None) -> str:
    """Arguments in words: ``float 8 bit channel / token dynamic``."""
    if weights is None:
        return "unquantized"
    size = f" {weights.group_size}" if weights.group_size and weights.group_size > 0 else ""
    text = f"{weights.type} {weights.num_bits} bit {weights.strategy or 'tensor'}{size}"
    if activations is None:
        return f"{text} / activations unquantized"
    kind = "dynamic" if activations.dynamic else "static"
    return f"{text} / {activations.type} {activations.num_bits} bit {activations.strategy or 'tensor'} {kind}"


def _compressed(
    facts: CheckpointFacts, declared: Mapping[str, Any], name: str | None, evidence: tuple[Evidence, ...]
) -> QuantProfile:
    ignore = _texts(declared.get("ignore"))
    groups = declared.get("config_groups")
    out = []
    for entry in groups.values() if isinstance(groups, Mapping) else ():
        if isinstance(entry, Mapping):
            targets = tuple(_texts(entry.get("targets")))
            weights, activations = _args(entry.get("weights")), _args(entry.get("input_activations"))
            found = _covered(facts.tensors, ignore, targets)
            out.append(_group(targets, describe(weights, activations), weights, activations, found))
    return QuantProfile(name, _optional(declared.get("format")), tuple(out), tuple(ignore), _kv(declared), evidence)


def _kv(declared: Mapping[str, Any]) -> str | None:
    value = declared.get("kv_cache_scheme", declared.get("kv_cache_quant_algo"))
    if isinstance(value, Mapping):
        return describe(_args(value), None).partition(" /")[0]
    return value if isinstance(value, str) else None


def _optional(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _fp8(
    facts: CheckpointFacts, declared: Mapping[str, Any], name: str | None, evidence: tuple[Evidence, ...]
) -> QuantProfile:
    ignore = _texts(declared.get("modules_to_not_convert")) + _texts(declared.get("ignored_layers"))
    block = declared.get("weight_block_size")
    shape = tuple(n for n in block if isinstance(n, int)) if isinstance(block, list) else None
    weights = QuantArgs(8, "float", "block" if shape else "tensor", False, True, block_structure=shape)
    dynamic = declared.get("activation_scheme", "dynamic") == "dynamic"
    activations = QuantArgs(8, "float", "group" if shape else "tensor", dynamic, True)
    found = _covered(facts.tensors, ignore, ("Linear",))
    group = _group(("Linear",), describe(weights, activations), weights, activations, found)
    return QuantProfile(name, _optional(declared.get("fmt")), (group,), tuple(ignore), _kv(declared), evidence)


def _integer(
    facts: CheckpointFacts, declared: Mapping[str, Any], name: str | None, evidence: tuple[Evidence, ...]
) -> QuantProfile:
    """AWQ, GPTQ and AutoRound: weight-only integers in groups."""
    bits, size = (
        declared.get("bits", declared.get("w_bit", 4)),
        declared.get("group_size", declared.get("q_group_size")),
    )
    symmetric = declared.get("sym", not declared.get("zero_point", False))
    weights = QuantArgs(
        bits if isinstance(bits, int) else 4,
        "int",
        "group",
        False,
        bool(symmetric),
        size if isinstance(size, int) else None,
    )
    ignore = _texts(declared.get("modules_to_not_convert"))
    found = _covered(facts.tensors, ignore, ("Linear",))
    group = _group(("Linear",), describe(weights, None), weights, None, found)
    return QuantProfile(name, _optional(declared.get("version")), (group,), tuple(ignore), None, evidence)


def _named(
    facts: CheckpointFacts, declared: Mapping[str, Any], name: str | None, evidence: tuple[Evidence, ...]
) -> QuantProfile:
    """A format that is recognised by name only: what is stored is listed, its arguments are not interpreted."""
    algorithm = declared.get("quant_algo")
    ignore = _texts(declared.get("ignore")) + _texts(declared.get("exclude_modules"))
    ignore += _texts(declared.get("modules_to_not_convert"))
    found = _covered(facts.tensors, ignore, ("Linear",))
    label = algorithm if isinstance(algorithm, str) else name or "no quant_method"
    group = _group(("Linear",), label, None, None, found)
    return QuantProfile(name, _optional(algorithm), (group,), tuple(ignore), _kv(declared), evidence)


_FORMATS: dict[str, _Lowering] = {
    "compressed-tensors": _compressed,
    "fp8": _fp8,
    "awq": _integer,
    "gptq": _integer,
    "auto-round": _integer,
    "intel/auto-round": _integer,
}


def _modelslim(facts: CheckpointFacts, description: Mapping[str, Any]) -> QuantProfile:
    """One group per type of the description's ``.weight`` entries."""
    modules: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for key, kind in description.items():
        if isinstance(key, str) and isinstance(kind, str) and key.endswith((".weight", ".weight_packed")):
            module = re.sub(r"\.\d+(?=\.|$)", ".*", key.rpartition(".")[0])
            modules.setdefault(kind, set()).add(module)
            counts[kind] = counts.get(kind, 0) + 1
    groups = []
    for kind in sorted(set(modules) - {"FLOAT"}):
        stored = [g for g in facts.tensors if g.module in modules[kind] and g.dtype in QUANTIZED_DTYPES]
        first = next((g.dtype for g in stored if WEIGHTS.search(g.template)), None)
        groups.append(QuantGroup(("module name",), kind, None, None, first, tuple(sorted(modules[kind])), counts[kind]))
    model_type = description.get("model_quant_type")
    kv = description.get("kv_cache_type", description.get("kv_quant_type", description.get("fa_quant_type")))
    return QuantProfile(
        "modelslim",
        model_type if isinstance(model_type, str) else None,
        tuple(groups),
        tuple(sorted(modules.get("FLOAT", ()))),
        kv if isinstance(kv, str) else None,
        (Evidence(EvidenceKind.CONFIG, "quant_model_description.json", None, f"model_quant_type = {model_type!r}"),),
    )


def _covered(tensors: Iterable[TensorGroup], ignore: list[str], targets: tuple[str, ...]) -> list[TensorGroup]:
    """Weights that are stored quantized, outside the ignored modules, and named by a target where targets are names."""
    skipped = Ignore(ignore)
    named = Ignore([t for t in targets if t.startswith("re:") or "." in t])
    out = []
    for group in tensors:
        if (
            not WEIGHTS.search(group.template)
            or COMPANION.search(group.parameter)
            or group.dtype not in QUANTIZED_DTYPES
        ):
            continue
        if not skipped.all_of(group) and (not named.entries or named.any_of(group)):
            out.append(group)
    return out


def _group(
    targets: tuple[str, ...],
    declared: str,
    weights: QuantArgs | None,
    activations: QuantArgs | None,
    found: list[TensorGroup],
) -> QuantGroup:
    dtypes = sorted({g.dtype for g in found}, key=lambda d: -sum(g.bytes for g in found if g.dtype == d))
    return QuantGroup(
        targets, declared, weights, activations, dtypes[0] if dtypes else None,
        tuple(g.module for g in found), sum(g.count for g in found),
    )  # fmt: skip


class Ignore:
    """A list of module names, parts of names and ``re:`` patterns, asked about groups of tensors."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = list(entries)
        self.exact = {e for e in self.entries if not e.startswith("re:")}
        self.patterns = [p for e in self.entries if e.startswith("re:") and (p := _pattern(e[3:])) is not None]

    def names(self, module: str) -> bool:
        """Whether one concrete module is listed."""
        return module in self.exact or any(p.match(module) for p in self.patterns)

    def all_of(self, group: TensorGroup) -> bool:
        """Whether every layer of the group is listed."""
        return all(self.names(name) for name in concrete_modules(group))

    def any_of(self, group: TensorGroup) -> bool:
        """Whether some layer of the group is listed."""
        return any(self.names(name) for name in concrete_modules(group))


def concrete_modules(group: TensorGroup) -> list[str]:
    """Module names of a group, one per layer; a second index (an expert) as 0."""
    if not group.layers:
        return [group.module]
    return [group.module.replace("*", str(layer), 1).replace("*", "0") for layer in group.layers]


#: A longer or nested pattern is refused: it could take for ever on a hostile name.
_NESTED = re.compile(r"[+*}]\)?[+*{]")


def _pattern(text: str) -> re.Pattern[str] | None:
    if len(text) > 500 or _NESTED.search(text):
        return None
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return None
