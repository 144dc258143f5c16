"""What the two validation gates of a port will show: dummy weights first, then real ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ascend_compat.core.finding import Finding, Message
from ascend_compat.core.verdict import Effect, Prediction, Severity, Verdict

#: Findings that only the values or files of a real checkpoint bring out: dummy weights never meet them.
REAL_WEIGHTS_ONLY = ("AC1", "AC301", "AC305", "AC306", "AC308", "AC314", "AC32", "AC33", "AC34")


@dataclass(frozen=True, slots=True)
class Gate:
    """One validation stage with its prediction."""

    stage: str
    prediction: Prediction
    reason: Message


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """The verdict that findings add up to: a certain blocker outweighs an open question, that one a condition."""
    blockers = [f for f in findings if f.severity is Severity.BLOCKER]
    if any(not f.undetermined and not f.conditional for f in blockers):
        return Verdict.INCOMPATIBLE
    if any(f.undetermined for f in blockers):
        return Verdict.UNDETERMINED
    return Verdict.CONDITIONAL if blockers else Verdict.COMPATIBLE


def gates(findings: tuple[Finding, ...]) -> tuple[Gate, Gate]:
    """Predictions for the dummy-weights and the real-weights gate."""
    blockers = [f for f in findings if f.severity is Severity.BLOCKER]
    dummy = [f for f in blockers if not f.code.startswith(REAL_WEIGHTS_ONLY)]
    return _gate("dummy-weights", dummy), _gate("real-weights", blockers)


def _gate(stage: str, blockers: list[Finding]) -> Gate:
    """The first certain failure decides; a start that fails hides wrong output, an open question hides a pass."""
    certain = [f for f in blockers if not f.undetermined]
    failing = next((f for f in certain if f.effect is not Effect.WRONG_OUTPUT), None)
    wrong = next((f for f in certain if f.effect is Effect.WRONG_OUTPUT), None)
    if failing is not None:
        return Gate(stage, Prediction.FAIL, _reason("fail", failing))
    if wrong is not None:
        return Gate(stage, Prediction.WRONG_OUTPUT, _reason("wrong", wrong))
    if blockers:
        return Gate(stage, Prediction.UNDETERMINED, _reason("undetermined", blockers[0]))
    return Gate(stage, Prediction.PASS, Message(f"gate.{stage}.pass"))


def _reason(kind: str, finding: Finding) -> Message:
    return Message(f"gate.{kind}", {"code": finding.code, "subject": finding.subject})
