"""The memory answer as part of the report document."""

from __future__ import annotations

from pydantic import Field

from ascend_compat.core.parts import EvidenceRow, Part, Text
from ascend_compat.core.verdict import Verdict


class LayoutPart(Part):
    """``npus == tp * dp * pp * pcp``."""

    npus: int
    nodes: int
    tp: int
    dp: int
    pp: int
    ep: bool
    pcp: int = 1
    dcp: int = 1


class EstimatePart(Part):
    """A part of the memory that no header states: bytes at best, likely and at worst, and where they come from."""

    name: str
    low: int
    likely: int
    high: int
    origin: str


class RankPart(Part):
    """Bytes on the worst rank. ``total`` is what the budget holds before ``kv_cache``, which is what it leaves.

    That is weights, activation, non_torch and, on a release that measures its graphs, ``graph_inside``; ``graph`` lies
    outside.
    """

    weights: int
    kv_cache: int
    activation: int
    non_torch: int
    graph: int
    total: int
    budget: int
    device: int
    load_peak: int = 0
    unprofiled: int = 0
    graph_inside: int = 0
    estimates: list[EstimatePart] = Field(default_factory=list)


class KvPart(Part):
    """KV capacity of one data-parallel rank; ``tokens`` is ``requests * max_model_len`` and depends on it.

    ``logged_tokens`` is what the engine of the release prints as "GPU KV cache size".
    """

    bytes_per_token: int
    block_size: int
    page_bytes: int
    pages: int
    pages_per_request: int
    requests: int
    tokens: int
    max_model_len: int
    logged_tokens: int = 0


class TriedRow(Part):
    """One layout of the search and the first constraint that fails."""

    npus: int
    layout: LayoutPart
    fits: bool
    first_failure: Text | None
    per_rank: RankPart | None = None


class WeightRow(Part):
    """One line of the weight breakdown on the worst rank."""

    name: str
    bytes: int
    spread: str


class AlternativeRow(Part):
    """The same model in another precision or on other devices, and the smallest layout there."""

    precision: str
    soc: str
    npu_memory_bytes: int
    minimum: LayoutPart | None
    release: str | None = None
    verdict: Verdict | None = None
    note: Text | None = None


class MemoryPart(Part):
    """The memory answer for the layout under study and the search for the smallest card count.

    ``reason`` is the first constraint that the layout under study fails, ``fix`` the flags with which it would fit.
    """

    layout: LayoutPart | None
    per_rank: RankPart | None
    kv: KvPart | None
    fits: bool | None
    minimum: LayoutPart | None
    recommended: LayoutPart | None
    tried: list[TriedRow]
    alternatives: list[AlternativeRow] = Field(default_factory=list)
    breakdown: list[WeightRow] = Field(default_factory=list)
    evidence: list[EvidenceRow] = Field(default_factory=list)
    unknown: list[Text] = Field(default_factory=list)
    longest: int | None = None
    reason: Text | None = None
    fix: Text | None = None
