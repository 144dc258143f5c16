"""The part of the report about weight names: which tensors are loaded into what, dropped or refused."""

from __future__ import annotations

from pydantic import Field

from ascend_compat.core.parts import Part, Text


class NameRow(Part):
    """Tensors of one name template with one fate; ``templates`` counts those a row of MTP tensors sums up.

    ``into`` is the parameter's template, ``detail`` the exception or what stopped the interpreter, ``at`` the line.
    """

    template: str
    templates: int
    dtype: str
    tensors: int
    result: str
    into: str | None
    at: str | None
    detail: str | None


class NamesPart(Part):
    """The loader of one architecture on the tensors of the checkpoint."""

    architecture: str
    summary: Text
    rows: list[NameRow] = Field(default_factory=list)
