"""Declared against stored: each contradiction is a finding with the tensor template and its count."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.classify.quant.lower import COMPANION, QUANTIZED_DTYPES, Ignore
from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message
from ascend_compat.core.profile import QuantArgs, QuantProfile
from ascend_compat.core.verdict import Basis, Effect, Severity

#: Stored dtypes that hold what is declared: (type, bits) to safetensors dtypes; packed integers lie in wider ones.
HOLDS = {
    ("float", 8): {"F8_E4M3", "F8_E5M2"},
    ("int", 8): {"I8", "I32", "U8"},
    ("int", 4): {"I32", "I8", "U8"},
    ("float", 4): {"U8", "F4", "I8"},
}


def audit(facts: CheckpointFacts, profile: QuantProfile) -> tuple[Finding, ...]:
    """Contradictions between the declaration and the headers; none for a consistent checkpoint."""
    if not facts.has_weights:
        return ()
    return (*_dtypes(facts, profile), *_absent(facts, profile), *_ignored(facts, profile), *_undeclared(facts, profile))


def _dtypes(facts: CheckpointFacts, profile: QuantProfile) -> Iterator[Finding]:
    for group in profile.groups:
        holds = _holds(group.weights)
        if holds is None:
            continue
        for tensor in facts.tensors:
            if tensor.module in group.modules and tensor.dtype in QUANTIZED_DTYPES and tensor.dtype not in holds:
                if COMPANION.search(tensor.parameter):
                    continue
                params: dict[str, str | int] = {
                    "template": tensor.template,
                    "count": tensor.count,
                    "stored": tensor.dtype,
                    "declared": group.declared,
                }
                yield _finding("AC320", Severity.BLOCKER, Effect.WRONG_OUTPUT, tensor, params, profile)


def _holds(weights: QuantArgs | None) -> set[str] | None:
    return HOLDS.get((weights.type, weights.num_bits)) if weights else None


def _absent(facts: CheckpointFacts, profile: QuantProfile) -> Iterator[Finding]:
    """Quantization is declared and nothing is stored quantized."""
    if profile.method is None or any(group.count for group in profile.groups):
        return
    largest = max(facts.tensors, key=lambda g: g.bytes, default=None)
    if largest is not None:
        params: dict[str, str | int] = {"method": profile.method, "template": largest.template, "stored": largest.dtype}
        yield _finding("AC321", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, largest, params, profile)


def _ignored(facts: CheckpointFacts, profile: QuantProfile) -> Iterator[Finding]:
    """Modules that are listed as float and stored quantized."""
    if profile.method in (None, "modelslim"):
        return
    ignore = Ignore(profile.ignore)
    for tensor in facts.tensors:
        quantized = tensor.dtype in QUANTIZED_DTYPES and tensor.parameter in ("weight", "weight_packed", "qweight")
        if quantized and ignore.all_of(tensor):
            params = _params(tensor)
            yield _finding("AC322", Severity.BLOCKER, Effect.WRONG_OUTPUT, tensor, params, profile)


def _undeclared(facts: CheckpointFacts, profile: QuantProfile) -> Iterator[Finding]:
    """Quantized weights in a checkpoint that declares no quantization."""
    if profile.method is not None:
        return
    for tensor in facts.tensors:
        if tensor.dtype in ("F8_E4M3", "F8_E5M2", "I8") and tensor.parameter == "weight":
            params = _params(tensor)
            yield _finding("AC323", Severity.BLOCKER, Effect.WRONG_OUTPUT, tensor, params, profile)


def _params(tensor: TensorGroup) -> dict[str, str | int]:
    return {"template": tensor.template, "count": tensor.count, "stored": tensor.dtype}


def _finding(
    code: str,
    severity: Severity,
    effect: Effect,
    tensor: TensorGroup,
    params: dict[str, str | int],
    profile: QuantProfile,
) -> Finding:
    declared = profile.evidence or (Evidence(EvidenceKind.CONFIG, "config.json", None, "no quantization_config"),)
    return Finding(
        code, severity, effect, Basis.SOURCE, tensor.template, Message(code, dict(params)),
        (header_evidence(tensor), *declared),
    )  # fmt: skip
