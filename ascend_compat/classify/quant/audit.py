"""Declared against stored: each contradiction is a finding with the tensor template and its count."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ascend_compat.classify.quant.arguments import text
from ascend_compat.classify.quant.companions import companion_findings
from ascend_compat.classify.quant.declared import MODELSLIM
from ascend_compat.classify.quant.described import description_findings, misnamed
from ascend_compat.classify.quant.formats import Quantization
from ascend_compat.classify.quant.report import Case, Params, finding
from ascend_compat.classify.quant.sizes import size_findings
from ascend_compat.classify.quant.stored import FLOAT_DTYPES, QUANTIZED_DTYPES, ROUTER, Weight, is_companion, is_weight
from ascend_compat.classify.tensors import decoder_prefix
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Finding, Message
from ascend_compat.core.profile import MtpProfile, QuantArgs
from ascend_compat.core.verdict import Basis, Effect, Severity

_F8 = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
#: Stored dtypes that can hold a declared type; packed integers lie in wider ones.
_HOLDS = {"float 8": _F8, "float 4": frozenset({"U8", "F4", "I8"}), "int": frozenset({"I8", "U8", "I32", "U32"})}
#: Methods whose lists name every module that stays in float. Others leave modules out by the engine's own rules.
_EXPLICIT = ("compressed-tensors", "modelslim")


def audit(facts: CheckpointFacts, found: Quantization, mtp: MtpProfile | None) -> tuple[Finding, ...]:
    """Contradictions between the declaration and the headers; none for a consistent checkpoint."""
    disagreement = (*_two_declarations(found), *misnamed(facts))
    if not facts.has_weights or not facts.tensors:
        return disagreement
    case = Case(facts, found, mtp, decoder_prefix(facts.tensors))
    if found.profile.method is None:
        return (*disagreement, *_undeclared(case))
    checks: tuple[Callable[[Case], Iterator[Finding]], ...]
    checks = (_nothing_quantized, _wrong_dtype, _ignored, _left_float, _untargeted, _mtp_float, companion_findings,
              size_findings, description_findings)  # fmt: skip
    return (*disagreement, *(item for check in checks for item in check(case)))


def _holds(weights: QuantArgs) -> frozenset[str] | None:
    return _HOLDS.get("int" if weights.type == "int" else f"{weights.type} {weights.num_bits}")


def _wrong_dtype(case: Case) -> Iterator[Finding]:
    """AC320: the stored dtype can't hold the declared type."""
    for rule, weight in case.quantized():
        holds = _holds(rule.weights) if rule.weights else None
        if holds is not None and weight.tensor.dtype not in holds:
            params = {"stored": weight.tensor.dtype, "declared": rule.declared}
            yield finding(case, "AC320", Severity.BLOCKER, Effect.WRONG_OUTPUT, weight, **params)


def _nothing_quantized(case: Case) -> Iterator[Finding]:
    """AC321: quantization is declared for some modules and no weight is stored quantized."""
    if case.cover is None or not case.cover.rules:
        return
    weights = [Weight(tensor, tensor.layers) for tensor in case.facts.tensors if is_weight(tensor)]
    if not weights or any(_values_of_any_name(tensor) for tensor in case.facts.tensors):
        return
    largest = max(weights, key=lambda weight: (weight.tensor.bytes, weight.tensor.template))
    params = {"method": case.found.profile.method, "stored": largest.tensor.dtype}
    yield finding(case, "AC321", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, largest, **params)


def _values_of_any_name(tensor: TensorGroup) -> bool:
    """Whether a tensor may hold quantized weights, under whatever name its format gives them (``B``, ``trellis``)."""
    return not is_companion(tensor) and tensor.dtype in QUANTIZED_DTYPES | {"I16", "U16"}


def _ignored(case: Case) -> Iterator[Finding]:
    """AC322: a module is listed as float and stored quantized."""
    for weight in case.cover.ignored if case.cover else ():
        if weight.tensor.dtype in QUANTIZED_DTYPES:
            params = {"stored": weight.tensor.dtype}
            yield finding(case, "AC322", Severity.BLOCKER, Effect.WRONG_OUTPUT, weight, **params)


def _undeclared(case: Case) -> Iterator[Finding]:
    """AC323: quantized weights in a checkpoint that declares no quantization."""
    for tensor in case.facts.tensors:
        if is_weight(tensor) and tensor.dtype in QUANTIZED_DTYPES:
            weight = Weight(tensor, tensor.layers)
            yield finding(case, "AC323", Severity.BLOCKER, Effect.WRONG_OUTPUT, weight, stored=tensor.dtype)


def _left_float(case: Case) -> Iterator[Finding]:
    """AC324: a decoder weight that the declaration covers is stored in float.

    Where lists are not explicit, only a module that is quantized in other layers counts.
    """
    explicit = case.family in _EXPLICIT
    if not case.any_quantized or case.refused:
        return
    modules = {weight.tensor.module for _, weight in case.quantized()}
    for rule, weight in case.covered():
        tensor = weight.tensor
        if tensor.dtype not in FLOAT_DTYPES or not (explicit or tensor.module in modules):
            continue
        inside = case.in_decoder(weight)
        if inside and not ROUTER.search(tensor.module):
            params = {"stored": tensor.dtype, "declared": rule.declared}
            yield finding(case, "AC324", Severity.WARNING, Effect.WRONG_OUTPUT, inside, **params)


def _untargeted(case: Case) -> Iterator[Finding]:
    """AC330: a decoder weight that no target, no ignore entry and no description entry names."""
    if case.family not in _EXPLICIT or case.refused or not case.cover or not case.cover.rules:
        return
    for weight in case.cover.untargeted:
        inside = case.in_decoder(weight)
        if inside and (case.family == "modelslim" or not ROUTER.search(weight.tensor.module)):
            params = {"method": case.found.profile.method}
            yield finding(case, "AC330", Severity.WARNING, Effect.FAILS_AT_STARTUP, inside, **params)


def _mtp_float(case: Case) -> Iterator[Finding]:
    """AC327: the draft layers of a quantized checkpoint are float. No contradiction: it decides how they are loaded."""
    if case.mtp is None or not case.mtp.present or not case.any_quantized:
        return
    weights = (Weight(tensor, tensor.layers) for tensor in case.facts.tensors if is_weight(tensor))
    drafts = [draft for weight in weights if (draft := case.in_draft(weight)) is not None]
    if not drafts or any(weight.tensor.dtype in QUANTIZED_DTYPES for weight in drafts):
        return
    largest = max(drafts, key=lambda weight: (weight.tensor.bytes, weight.tensor.template))
    params: Params = {"stored": largest.tensor.dtype, "tensors": case.mtp.tensors, "method": case.found.profile.method}
    yield finding(case, "AC327", Severity.INFO, Effect.NONE, largest, **params)


def _two_declarations(found: Quantization) -> Iterator[Finding]:
    """AC332: two files declare different quantizations; the first one is followed."""
    if len(found.declarations) < 2:
        return
    first = found.declarations[0]
    for other in found.declarations[1:]:
        same_algorithm = text(first.body.get("quant_algo")) in (text(other.body.get("quant_algo")), None)
        if other.family in (first.family, None) or (other.file != MODELSLIM and same_algorithm):
            continue
        params = {"first": first.method, "first_file": first.file, "second": other.method, "second_file": other.file}
        evidence = (*first.evidence("quant_algo"), *other.evidence("quant_algo", "model_quant_type"))
        yield Finding(
            "AC332", Severity.WARNING, Effect.FAILS_AT_STARTUP, Basis.SOURCE, other.file, Message("AC332", params),
            evidence,
        )  # fmt: skip
