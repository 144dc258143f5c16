"""What a release's own classes say of a layout, as far as its pack tells."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.finding import Evidence


@dataclass(frozen=True, slots=True)
class Staged:
    """Whether the class ``name`` runs in pipeline stages, and the place of the registry that names it."""

    name: str
    supported: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Classes:
    """``model`` and ``draft`` (the one MTP runs with) are ``None`` where the pack does not say; ``encoder_heads`` is
    the place that divides the heads of a vision encoder by tp."""

    model: Staged | None = None
    draft: Staged | None = None
    encoder_heads: str | None = None
