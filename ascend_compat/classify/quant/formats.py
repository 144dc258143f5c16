"""From a declared format to its lowering: one table, and a name for what is only recognised."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ascend_compat.classify.quant.arguments import describe, texts, whole
from ascend_compat.classify.quant.compressed_tensors import compressed_tensors
from ascend_compat.classify.quant.cover import Cover, Rule, cover, groups
from ascend_compat.classify.quant.declared import Declaration, declarations
from ascend_compat.classify.quant.fp8 import fp8
from ascend_compat.classify.quant.lowered import Lowered
from ascend_compat.classify.quant.modelopt import modelopt
from ascend_compat.classify.quant.modelslim import modelslim
from ascend_compat.classify.quant.names import NameList
from ascend_compat.classify.quant.quark import quark
from ascend_compat.classify.quant.torchao import torchao
from ascend_compat.classify.quant.weight_only import auto_round, integer_groups, mlx, mxfp4, two_sizes
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import QuantProfile

Lowering = Callable[[CheckpointFacts, Declaration], Lowered]
#: The type in the name of a GGUF file: ``model-Q4_K_M-00001-of-00003.gguf``.
_GGUF_TYPE = re.compile(r"[-._]((?:I?Q\d|TQ\d|BF16|F16|F32|MXFP4)\w*?)(?:-\d{5}-of-\d{5})?\.gguf$", re.IGNORECASE)


class Quantization(NamedTuple):
    """The profile, and what the audit needs of how it was made."""

    profile: QuantProfile
    declarations: tuple[Declaration, ...]
    found: Cover | None
    reasons: tuple[tuple[str, str], ...] = ()


def quantization(facts: CheckpointFacts) -> Quantization:
    """What the checkpoint declares, lowered to one vocabulary, and the modules each group covers.

    A format without a lowering is named by its method; its groups have no arguments.
    """
    known = declarations(facts)
    if not known:
        return _gguf(facts)
    chosen = known[0]
    if chosen.family == "modelslim":
        profile, found = modelslim(facts, chosen)
        strange = [rule.declared for rule in found.rules if rule.weights is None]
        reasons = [(chosen.file, f"type {kind[:40]!r} is not interpreted") for kind in strange[:1]]
        return Quantization(profile, known, found, tuple(reasons))
    lowered = LOWERINGS.get(chosen.family or "", _named)(facts, chosen)
    found = cover(facts.tensors, lowered.rules, lowered.ignore)
    profile = QuantProfile(
        chosen.method, lowered.format, groups(found), lowered.ignore.entries, lowered.kv_cache,
        chosen.evidence(*lowered.fields),
    )  # fmt: skip
    return Quantization(profile, known, found, tuple(_reasons(chosen, lowered)))


def _reasons(chosen: Declaration, lowered: Lowered) -> list[tuple[str, str]]:
    reasons = [(f"{chosen.path}.pattern", f"not run: {entry[:60]!r}") for entry in lowered.refused]
    if any(rule.weights is None for rule in lowered.rules):
        reasons.append((chosen.path, f"arguments of {chosen.method or 'an unnamed method'} are not interpreted"))
    if not lowered.rules:
        reasons.append((chosen.path, "declares no group of quantized modules"))
    return reasons


def _gguf(facts: CheckpointFacts) -> Quantization:
    """A checkpoint whose only weights are GGUF files is named, not read; others without a declaration are float."""
    file = next((name for name in facts.files if name.lower().endswith(".gguf")), None)
    if file is None or facts.has_weights:
        return Quantization(QuantProfile(None, None), (), None)
    evidence = (Evidence(EvidenceKind.HEADER, file, None, "a GGUF file and no safetensors"),)
    reasons = (("quantization", f"{file[:80]} is GGUF, which is not read"),)
    kind = _GGUF_TYPE.search(file)
    profile = QuantProfile("gguf", kind[1].upper() if kind else None, evidence=evidence)
    return Quantization(profile, (), None, reasons)


#: Where formats that are only recognised say what they are: quanto, EETQ, EXL2, BitNet, FP-Quant and others.
_TYPES = ("quant_type", "weights", "linear_class", "forward_dtype", "bits", "nbits", "w_bit")


def _named(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """A format that is recognised by name; ``quant_type`` or a nested type says more where there is one."""
    body = declared.body
    ignore = NameList(texts(body.get("modules_to_not_convert"), body.get("ignore"), body.get("exclude")), loose=True)
    kind = next((body[key] for key in _TYPES if isinstance(body.get(key), (str, int, float))), "")
    label = f"{declared.method or 'no quant_method'} {kind}".strip()[:60]
    return Lowered((Rule(("Linear",), label, None, None, NameList(())),), ignore)


def _bitsandbytes(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """NF4 and FP4 in blocks of 64, or int8 rows; activations stay float. Source: transformers BitsAndBytesConfig."""
    body = declared.body
    four = body.get("load_in_4bit") is True or body.get("_load_in_4bit") is True
    ignore = NameList(texts(body.get("llm_int8_skip_modules")), loose=True)
    weights, label = two_sizes(four, str(body.get("bnb_4bit_quant_type", "fp4")))
    return Lowered((Rule(("Linear",), label, weights, None, NameList(())),), ignore, fields=("load_in_4bit",))


def _hqq(facts: CheckpointFacts, declared: Declaration) -> Lowered:
    """HQQ keeps its sizes one level down, per config or per layer tag."""
    inner = declared.body.get("quant_config")
    weights = inner.get("weight_quant_params", inner) if isinstance(inner, Mapping) else declared.body
    bits = whole(weights.get("nbits")) if isinstance(weights, Mapping) else None
    ignore = NameList(texts(declared.body.get("skip_modules")), loose=True)
    if bits is None:
        return _named(facts, declared)
    args = integer_groups(bits, whole(weights.get("group_size")), False)
    return Lowered((Rule(("Linear",), describe(args, None), args, None, NameList(())),), ignore)


LOWERINGS: dict[str, Lowering] = {
    "compressed-tensors": compressed_tensors,
    "fp8": fp8,
    "fbgemm_fp8": fp8,
    "deepseek_v4_fp8": fp8,
    "awq": auto_round,
    "gptq": auto_round,
    "auto-round": auto_round,
    "mlx": mlx,
    "quark": quark,
    "torchao": torchao,
    "modelopt": modelopt,
    "modelopt_fp4": modelopt,
    "modelopt_mixed": modelopt,
    "modelopt_mxfp8": modelopt,
    "mxfp8": modelopt,
    "nvfp4": modelopt,
    "mxfp4": mxfp4,
    "bitsandbytes": _bitsandbytes,
    "hqq": _hqq,
}
