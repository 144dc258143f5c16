"""The matrix of releases and SoCs as a document: pydantic models, data first."""

from __future__ import annotations

from pydantic import Field

from ascend_compat.core.memory_parts import LayoutPart
from ascend_compat.core.parts import Part, Text
from ascend_compat.core.verdict import Verdict

SCHEMA_VERSION = 1


class MatrixCell(Part):
    """One release on one SoC.

    ``blockers`` are the codes of what blocks, each once, the one that ``reason`` tells first; where the start
    ends before weights are loaded, none of loading. ``minimum`` is the smallest layout that holds the weights, whether
    they run or not. A target that could not be judged is undetermined, has no blocker, and says why.
    """

    soc: str
    verdict: Verdict
    blockers: list[str] = Field(default_factory=list)
    reason: Text | None = None
    minimum: LayoutPart | None = None


class MatrixRow(Part):
    """Neighbouring releases, oldest first, that give every SoC the same answer for the same reasons."""

    releases: list[str] = Field(min_length=1)
    cells: list[MatrixCell]


class FirstRow(Part):
    """The first release that runs the model on a SoC, ``None`` when no packed one does.

    ``verdict`` is conditional where none runs it without a condition, ``condition`` the code of that; ``not_in`` are
    later releases that do not run it.
    """

    soc: str
    release: str | None = None
    verdict: Verdict | None = None
    condition: str | None = None
    minimum: LayoutPart | None = None
    not_in: list[str] = Field(default_factory=list)


class MatrixDocument(Part):
    """Every packed release x every SoC."""

    schema_version: int = SCHEMA_VERSION
    tool_version: str
    model: str
    socs: list[str]
    rows: list[MatrixRow]
    first: list[FirstRow]

    @property
    def runs(self) -> bool:
        """Whether any release runs the model on any SoC, be it under a condition."""
        return any(row.release is not None for row in self.first)

    def to_json(self, indent: int | None = 2) -> str:
        """The matrix as JSON text, keys in schema order."""
        return self.model_dump_json(indent=indent)
