"""Damage of a checkpoint as findings: weight and effect of every AC1xx code in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.verdict import Basis, Effect, Severity


class Weight(NamedTuple):
    """How much a problem weighs; ``undetermined`` where it hides a fact instead of showing damage."""

    severity: Severity
    effect: Effect
    undetermined: bool = False


_STARTUP = Weight(Severity.BLOCKER, Effect.FAILS_AT_STARTUP)
_HARMLESS = Weight(Severity.INFO, Effect.NONE)

#: By message id, else by code. vLLM reads shards with safetensors, so what its parser refuses fails at startup.
_WEIGHTS = {
    "AC101": _STARTUP,
    "AC101.unfinished": Weight(Severity.WARNING, Effect.WRONG_OUTPUT),
    "AC101.partial": Weight(Severity.WARNING, Effect.NONE),
    "AC102": _STARTUP,
    "AC103": _STARTUP,
    "AC103.neighbour": Weight(Severity.WARNING, Effect.FAILS_AT_STARTUP),
    "AC104": _STARTUP,
    "AC105": _STARTUP,
    "AC105.uncached": Weight(Severity.WARNING, Effect.NONE, undetermined=True),
    "AC106": Weight(Severity.WARNING, Effect.NONE),
    "AC106.copy": _HARMLESS,
    "AC107": Weight(Severity.WARNING, Effect.WRONG_OUTPUT),
    "AC108.absent": _STARTUP,
    "AC108.moved": Weight(Severity.WARNING, Effect.NONE),
    "AC108.unlisted": Weight(Severity.WARNING, Effect.NONE),
    "AC109": _STARTUP,
    "AC110": _HARMLESS,
    "AC111": Weight(Severity.WARNING, Effect.NONE),
    "AC112.only": Weight(Severity.WARNING, Effect.NONE, undetermined=True),
    "AC112.beside": _HARMLESS,
    "AC113": _STARTUP,
    "AC113.generation": Weight(Severity.WARNING, Effect.DEGRADED),
    "AC114": _STARTUP,
    "AC114.name": _HARMLESS,
    "AC115": Weight(Severity.WARNING, Effect.NONE),
    "AC115.none": _HARMLESS,
}


def problem(message_id: str, path: str, **params: Param) -> Finding:
    """A finding about the file ``path``; its remedy is the message ``<code>.remedy``, with the file as parameter."""
    code = message_id.partition(".")[0]
    weight = _WEIGHTS.get(message_id) or _WEIGHTS[code]
    kind = EvidenceKind.CONFIG if path.endswith(".json") else EvidenceKind.HEADER
    return Finding(
        code=code,
        severity=weight.severity,
        effect=weight.effect,
        basis=Basis.SOURCE,
        subject=path,
        message=Message(message_id, {"file": path, **params}),
        evidence=(Evidence(kind, path),),
        remedy=None if weight.severity is Severity.INFO else Message(f"{code}.remedy", {"file": path}),
        undetermined=weight.undetermined,
    )


#: Problems that leave parameters without weights.
_UNFILLED = ("AC105.missing", "AC105.numbered", "AC108.absent", "AC109.escape")


def unfilled_unnoticed(problems: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same problems for a quantized checkpoint, where absent tensors give wrong output instead of an error.

    vLLM looks for parameters that nothing filled only where there is no quantization (0.18.0 and 0.23.0
    ``vllm/model_executor/model_loader/default_loader.py``, the check after ``load_weights``).
    """
    return tuple(
        replace(found, effect=Effect.WRONG_OUTPUT) if found.message.id in _UNFILLED else found for found in problems
    )
