"""The closed answers of a report: verdict, severity, effect, basis, prediction."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """An enumeration of words that print as themselves."""

    def __str__(self) -> str:
        return str(self.value)


class Verdict(Word):
    """Will the checkpoint run on the target (DESIGN.md section 3)."""

    COMPATIBLE = "compatible"
    CONDITIONAL = "conditional"
    INCOMPATIBLE = "incompatible"
    UNDETERMINED = "undetermined"


class Severity(Word):
    """How much a finding weighs; compare with :attr:`rank`."""

    BLOCKER = "blocker"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for blocker."""
        return ("info", "warning", "blocker").index(self.value)


class Effect(Word):
    """What a user sees when the finding is true."""

    FAILS_AT_STARTUP = "fails-at-startup"
    FAILS_AT_REQUEST = "fails-at-request"
    WRONG_OUTPUT = "wrong-output"
    OUT_OF_MEMORY = "out-of-memory"
    DEGRADED = "degraded"
    NONE = "none"


class Basis(Word):
    """How a finding is known: read in source, claimed in documents, or concluded."""

    SOURCE = "source"
    DOCUMENTED = "documented"
    INFERRED = "inferred"


class Prediction(Word):
    """What a validation gate (dummy or real weights) will show."""

    PASS = "pass"
    FAIL = "fail"
    WRONG_OUTPUT = "wrong-output"
    UNDETERMINED = "undetermined"
