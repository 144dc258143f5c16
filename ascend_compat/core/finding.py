"""Findings and their evidence: a finding without evidence can't be constructed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ascend_compat.core.verdict import Basis, Effect, Severity, Word

Param = str | int | float | bool | None


class EvidenceKind(Word):
    """Where a statement comes from."""

    SOURCE = "source"
    CONFIG = "config"
    HEADER = "header"
    RULE = "rule"
    DOC = "doc"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One place a reader can open to check a statement.

    ``path`` is relative to the source tree, the checkpoint or ``rules/``; ``line`` counts from 1.
    """

    kind: EvidenceKind
    path: str
    line: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line is not None else self.path


@dataclass(frozen=True, slots=True)
class Message:
    """A message id with typed parameters; the language is chosen by the ``report`` layer."""

    id: str
    params: Mapping[str, Param] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about the checkpoint on the target.

    ``message.id`` starts with ``code`` (``AC301`` or ``AC301.variant``). ``undetermined`` marks a finding that says
    a fact is missing or a code path can't be followed; ``conditional`` marks a blocker that a flag, a variable or
    another card count removes, named by ``remedy``. ``path`` lists node ids of the rule graph, checkpoint first.
    """

    code: str
    severity: Severity
    effect: Effect
    basis: Basis
    subject: str
    message: Message
    evidence: tuple[Evidence, ...]
    remedy: Message | None = None
    path: tuple[str, ...] = ()
    undetermined: bool = False
    conditional: bool = False

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"finding {self.code} on {self.subject!r} has no evidence")
        if not self.message.id.startswith(self.code):
            raise ValueError(f"message id {self.message.id!r} does not belong to finding {self.code}")
