"""The smallest card count: every layout of every size in order, until one fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ascend_compat.core.plan import Attempt, Layout
from ascend_compat.memory.attempt import judge
from ascend_compat.memory.case import Case, cdiv
from ascend_compat.memory.pieces import Piece

#: Sizes of a published layout of the family: tp, dp and pp.
Published = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """What the search saw: ``tried`` in order up to the answer; ``best`` is ``None`` when no size fits."""

    best: Attempt | None
    recommended: Layout | None
    tried: tuple[Attempt, ...]


def make_layout(
    case: Case, tp: int, dp: int, pp: int, ep: bool, pcp: int | None = None, dcp: int | None = None
) -> Layout:
    """A layout with its card and node counts; context parallel sizes are those of the launch profile."""
    pcp, dcp = pcp or case.launch.pcp or 1, dcp or case.launch.dcp or 1
    npus = tp * dp * pp * pcp
    return Layout(npus, cdiv(npus, case.target.soc.npus_per_node), tp, dp, pp, ep, pcp, dcp)


def layouts(case: Case, npus: int, published: Sequence[Published] = ()) -> list[Layout]:
    """Layouts of ``npus`` cards, the preferred first: those upstream publishes for the family, then tp inside a node,
    then dp (experts only), then pipeline stages."""
    found = list(_layouts(case, npus))
    order = {sizes: n for n, sizes in reversed(list(enumerate(published)))}
    return sorted(found, key=lambda layout: order.get((layout.tp, layout.dp, layout.pp), len(order)))


def _layouts(case: Case, npus: int) -> Iterator[Layout]:
    """A dense model gains nothing from dp, every replica being whole. Expert parallelism is on for experts unless the
    launch profile says otherwise; without it experts are split, which is tried where they can't be dealt out."""
    per_node = case.target.soc.npus_per_node
    moe = case.profile.moe is not None
    ranks = npus // (case.launch.pcp or 1)
    pp = 1
    while pp <= ranks:
        tp = 1 << (min(ranks // pp, per_node).bit_length() - 1)
        while tp >= 1:
            dp = ranks // (pp * tp)
            if dp == 1 or (moe and pp == 1):
                for ep in _expert_parallel(case, tp * dp):
                    yield make_layout(case, tp, dp, pp, ep)
            tp //= 2
        pp *= 2


def _expert_parallel(case: Case, world: int) -> tuple[bool, ...]:
    moe = case.profile.moe
    if moe is None or world == 1:
        return (False,)
    if case.launch.ep is not None:
        return (case.launch.ep,)
    return (True,) if moe.routed % world == 0 else (True, False)


def search(case: Case, pieces: Sequence[Piece], published: Sequence[Published] = ()) -> Found:
    """Smallest power of two of cards with a layout that is valid and fits on every rank.

    ``recommended`` is the first layout that also holds the concurrency asked for (``max_num_seqs`` requests, or a
    curated number of them) without more pipeline stages than the smallest, which is taken where no size does.
    """
    wanted = case.launch.max_num_seqs or case.rules.integer("recommended_requests")
    limit = case.rules.integer("search_limit_npus")
    tried: list[Attempt] = []
    best: Attempt | None = None
    npus = 1
    while npus <= limit:
        for layout in layouts(case, npus, published):
            attempt = judge(case, pieces, layout)
            if best is None:
                tried.append(attempt)
            if attempt.fits:
                best = best or attempt
                roomy = attempt.kv is None or attempt.kv.requests >= wanted
                if roomy and layout.pp <= best.layout.pp:
                    return Found(best, layout, tuple(tried))
        if best is None and _hopeless(tried, npus):
            break
        npus *= 2
    return Found(best, best.layout if best else None, tuple(tried))


def _hopeless(tried: Sequence[Attempt], npus: int) -> bool:
    """Whether more cards can't help: every layout of this size is refused for a reason no card count changes."""
    unchanging = {"AC412.length", "AC412.block", "AC413.speculative", "AC414.latent"}
    return all(
        attempt.first_failure is not None and attempt.first_failure.id in unchanging
        for attempt in tried
        if attempt.layout.npus == npus
    )
