"""The memory answer: bytes per rank, KV pages, what fits, and the smallest card count with its proof."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.finding import Evidence, Message


@dataclass(frozen=True, slots=True)
class Layout:
    """How an instance is spread: ``npus == tp * dp * pp * pcp``; decode context parallelism reuses the tp ranks."""

    npus: int
    nodes: int
    tp: int
    dp: int
    pp: int
    ep: bool
    pcp: int = 1
    dcp: int = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A part of the memory that no header states, in bytes; ``origin`` says where the three values come from."""

    name: str
    low: int
    likely: int
    high: int
    origin: str


@dataclass(frozen=True, slots=True)
class RankMemory:
    """Bytes on the worst rank, estimated parts at their likely value.

    ``budget`` is ``gpu_memory_utilization * device memory``; ``kv_cache`` is what is left for KV (negative when weights
    and overheads alone exceed the budget); ``graph`` lies outside the budget, ``graph_inside`` is what a release that
    measures its graphs keeps free for them within it. ``load_peak`` is what the weights take
    while they are loaded, ``unprofiled`` what start-up does not measure beside graphs; ``estimates`` gives the range of
    activation, non-torch and graph memory.
    """

    weights: int
    activation: int
    non_torch: int
    kv_cache: int
    graph: int
    budget: int
    device: int
    load_peak: int = 0
    unprofiled: int = 0
    estimates: tuple[Estimate, ...] = ()
    graph_inside: int = 0

    @property
    def total(self) -> int:
        """Weights, activation, non-torch memory and graphs within: what the budget has to hold before any KV cache."""
        return self.weights + self.activation + self.non_torch + self.graph_inside


@dataclass(frozen=True, slots=True)
class KvPlan:
    """KV capacity of one data-parallel rank.

    ``pages`` is the number of blocks of the release; ``block_size`` their tokens; ``requests`` concurrent requests of
    ``max_model_len``; ``tokens = requests * max_model_len`` depends on it. ``logged_tokens`` is the number the engine
    prints as "GPU KV cache size". ``copies`` is how many times the release allocates what it planned.
    """

    bytes_per_token: int
    block_size: int
    page_bytes: int
    pages: int
    pages_per_request: int
    requests: int
    tokens: int
    max_model_len: int
    logged_tokens: int
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One layout that was tried and the first constraint that fails, ``None`` when it fits."""

    layout: Layout
    fits: bool
    first_failure: Message | None
    rank: RankMemory | None
    kv: KvPlan | None


@dataclass(frozen=True, slots=True)
class WeightItem:
    """One line of the weight breakdown: what it is, bytes on the rank, and how it is spread."""

    name: str
    bytes: int
    spread: str


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """``studied`` is the layout the user named or the minimum; ``tried`` holds every layout in the order of the search;
    ``breakdown`` says where the weights of the studied layout's worst rank go; ``longest`` is the longest context of
    one request in the studied layout, ``None`` when it is not known; ``environment`` holds variables the layout to
    launch needs beyond the defaults; ``fix`` names flags with which the studied layout would fit."""

    studied: Attempt | None
    minimum: Layout | None
    recommended: Layout | None
    tried: tuple[Attempt, ...]
    breakdown: tuple[WeightItem, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[Message, ...] = ()
    longest: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    fix: Message | None = None
