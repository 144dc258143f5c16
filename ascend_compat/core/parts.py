"""What every part of a report is made of: strict models, sentences, places."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ascend_compat.core.finding import EvidenceKind

Params = dict[str, str | int | float | bool | None]


class Part(BaseModel):
    """Base of every part: unknown fields are an error, so that the schema stays true."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Part):
    """A sentence as id and parameters, with its English rendering in ``text``."""

    id: str
    params: Params = Field(default_factory=dict)
    text: str


class EvidenceRow(Part):
    """A place to look: ``path`` relative to the source tree, the checkpoint or ``rules/``."""

    kind: EvidenceKind
    path: str
    line: int | None = None
    detail: str = ""

    @property
    def place(self) -> str:
        """``path:line``, or the path alone."""
        return self.path if self.line is None else f"{self.path}:{self.line}"
