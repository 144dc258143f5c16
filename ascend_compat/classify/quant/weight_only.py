"""Weight-only formats: AWQ, GPTQ, AutoRound integers in groups, MXFP4 blocks, bitsandbytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ascend_compat.classify.quant.arguments import describe, text, texts, whole
from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.declared import Declaration
from ascend_compat.classify.quant.lowered import Lowered
from ascend_compat.classify.quant.names import NameList
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import QuantArgs


def auto_round(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """AWQ, GPTQ and AutoRound: ``bits`` and ``group_size`` for all, with other values for single layers.

    AutoRound writes exceptions in ``extra_config``, GPTQModel in ``dynamic`` (``-:pattern`` leaves modules in float).
    """
    body = declared.body
    symmetric = body.get("sym", not body.get("zero_point", False))
    default = _rule(("Linear",), body, bool(symmetric), NameList(()))
    kept, exceptions = list(_float_names(body)), list(_exceptions(body, bool(symmetric)))
    ignore = NameList([*texts(body.get("modules_to_not_convert")), *kept], loose=True)
    form = text(body.get("packing_format")) or text(body.get("version")) or text(body.get("checkpoint_format"))
    return Lowered((*exceptions, default), ignore, form, None, ("bits", "w_bit", "group_size", "q_group_size", "sym"))


def _rule(targets: tuple[str, ...], body: Mapping[str, Any], symmetric: bool, names: NameList) -> Rule:
    bits = whole(body.get("bits", body.get("w_bit")))
    size = whole(body.get("group_size", body.get("q_group_size")))
    weights = integer_groups(bits, size, symmetric) if bits else None
    if weights is None:
        return Rule(targets, "bits not declared", None, None, names)
    if "fp" in str(body.get("data_type", "int")):
        weights = replace(weights, type="float")
    activations = _activations(body)
    return Rule(targets, describe(weights, activations), weights, activations, names)


def _activations(body: Mapping[str, Any]) -> QuantArgs | None:
    """AutoRound's ``act_bits`` below 16. Source: auto-round, schemes.py ``QuantizationScheme``."""
    bits = whole(body.get("act_bits"))
    if bits is None or bits >= 16:
        return None
    size = whole(body.get("act_group_size"))
    kind = "float" if "fp" in str(body.get("act_data_type")) else "int"
    dynamic = body.get("act_dynamic") is not False
    strategy = "group" if size else "token" if dynamic else "tensor"
    return QuantArgs(bits, kind, strategy, dynamic, body.get("act_sym") is not False, size)


def integer_groups(bits: int, group_size: int | None, symmetric: bool) -> QuantArgs:
    """Integers that share a scale in groups along the input, or per output channel without a group size."""
    return QuantArgs(bits, "int", "group" if group_size else "channel", False, symmetric, group_size)


def _float_names(body: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in _entries(body.get("extra_config")):
        if (whole(entry.get("bits")) or 0) >= 16:
            yield name
    dynamic = body.get("dynamic")
    for name in dynamic if isinstance(dynamic, Mapping) else ():
        if isinstance(name, str) and name.startswith("-:"):
            yield "re:" + name[2:]


def _exceptions(body: Mapping[str, Any], symmetric: bool) -> Iterator[Rule]:
    for name, entry in _entries(body.get("extra_config")):
        if 0 < (whole(entry.get("bits")) or 0) < 16:
            yield _rule((name,), {**body, **entry}, symmetric, NameList((name,), loose=True))
    for name, entry in _entries(body.get("dynamic")):
        if whole(entry.get("bits")) and not name.startswith("-:"):
            yield _rule((name,), {**body, **entry}, symmetric, NameList(("re:" + name.removeprefix("+:"),)))


def _entries(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in value.items() if isinstance(value, Mapping) else ():
        if isinstance(name, str) and isinstance(entry, Mapping):
            yield name, entry


def mlx(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """MLX: ``bits`` and ``group_size`` for all, other values or ``false`` by module name. Source: mlx_lm/utils.py."""
    body = declared.body
    ignore = NameList((name for name, entry in body.items() if isinstance(name, str) and entry is False), loose=True)
    named = [_rule((name,), {**body, **entry}, False, NameList((name,), loose=True)) for name, entry in _entries(body)]
    return Lowered((*named, _rule(("Linear",), body, False, NameList(()))), ignore, text(body.get("mode")))


def mxfp4(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """gpt-oss: float4 pairs in ``*_blocks``, one power-of-two scale for 32. Source: OCP Microscaling Formats 1.0."""
    weights = QuantArgs(4, "float", "group", False, True, 32)
    ignore = NameList(texts(declared.body.get("modules_to_not_convert"), declared.body.get("ignore")), loose=True)
    rule = Rule(("Linear",), describe(weights, None), weights, None, NameList(()))
    return Lowered((rule,), ignore, "mxfp4")


def two_sizes(four: bool, kind: str) -> tuple[QuantArgs, str]:
    """bitsandbytes: 4 bits in blocks of 64 (``nf4``, ``fp4``), or 8 bits by row."""
    if four:
        return QuantArgs(4, "float", "group", False, None, 64), f"{kind[:20]} 4 bit group 64 / activations unquantized"
    args = QuantArgs(8, "int", "channel", False, True)
    return args, "int 8 bit channel / activations int 8 bit where they have no outliers"
