"""Rows about memory: bytes of a rank, where weights go, every layout tried, other precisions."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.core.parts import Text
from ascend_compat.core.report import RankPart, TriedRow
from ascend_compat.report.view import BLANK, Sentence, Table, View, number, plain, size

_TRIED_LIMIT = 48
#: Constraints with a sentence of their own for tables.
_SHORT = ("AC401.budget", "AC401.kv")


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a device's memory as a share of the whole, for a bar; ``share`` lies in 0..1."""

    name: str
    label: str
    bytes: int
    share: float


def rank(view: View) -> Table:
    """Bytes on the worst rank of the layout under study, up to the device's memory."""
    part = view.doc.memory.per_rank
    if part is None:
        return view.table("part per_rank", [])
    graphs = ("graph_inside", "") if part.graph_inside else ("", "graph")
    within = ("weights", "activation", "non_torch", graphs[0], "total", "kv_cache", "budget")
    names = (*within, graphs[1], "unprofiled" if part.unprofiled else "", "device")
    rows = [(plain(view.word(f"memory.{name}")), plain(size(getattr(part, name)))) for name in names if name]
    return view.table("part per_rank", rows)


def longest(view: View) -> Sentence:
    """How long a context one request may have in the layout under study."""
    part = view.doc.memory
    return view.say("memory.longest", tokens=number(part.longest or 0), cards=view.cards(part.layout))


def estimates(view: View) -> Table:
    """The parts that no header states, at best, likely and at worst; the verdict uses the likely value."""
    part = view.doc.memory.per_rank
    rows = [
        (plain(view.word(f"memory.{row.name}")), *(plain(size(value)) for value in (row.low, row.likely, row.high)))
        for row in (part.estimates if part else ())
    ]
    return view.table("part low likely high", rows)


def bar(view: View, part: RankPart) -> list[Slice]:
    """The device's memory in slices whose shares sum to 1 at most; what does not fit is scaled down to the device."""
    held = part.total + max(part.kv_cache, 0)  # a KV size that is given may go beyond the budget
    free = max(part.device - max(part.budget, held), 0)
    counts = [
        ("weights", part.weights),
        ("activation", part.activation),
        ("non_torch", part.non_torch),
        ("graph_inside", part.graph_inside),
        ("kv_cache", max(part.kv_cache, 0)),
        ("outside", free),
    ]
    whole = max(part.device, sum(count for _, count in counts), 1)
    return [Slice(name, view.word(f"memory.{name}"), count, count / whole) for name, count in counts if count > 0]


def capacity(view: View) -> Table:
    """KV pages of one data-parallel rank and what they hold."""
    kv = view.doc.memory.kv
    if kv is None:
        return view.table("part value", [])
    rows = [
        ("bytes_per_token", f"{number(kv.bytes_per_token)} B"),
        ("block_size", number(kv.block_size)),
        ("pages", number(kv.pages)),
        ("pages_per_request", number(kv.pages_per_request)),
        ("max_model_len", number(kv.max_model_len)),
        ("requests", number(kv.requests)),
        ("tokens", number(kv.tokens)),
        ("logged_tokens", number(kv.logged_tokens)),
    ]
    return view.table("part value", [(plain(view.word(f"kv.{name}")), plain(value)) for name, value in rows])


def breakdown(view: View) -> Table:
    """Where the weights of the worst rank go, largest first."""
    items = sorted(view.doc.memory.breakdown, key=lambda row: -row.bytes)
    rows = [
        (plain(_weight(view, row.name)), plain(size(row.bytes)), plain(view.choice("spread", row.spread)))
        for row in items
    ]
    return view.table("weights per_rank spread", rows)


def tried(view: View, limit: int = _TRIED_LIMIT) -> Table:
    """The search: every layout with the first constraint that fails; past ``limit`` one layout per card count."""
    attempts = view.doc.memory.tried
    shown = attempts if len(attempts) <= limit else best_per_count(attempts)
    return view.table("npus layout weights kv_cache fits first_failure", [_attempt(view, row) for row in shown])


def brief(view: View) -> Table:
    """The search in short: per card count the layout that fits, or the one that came closest."""
    rows = [_attempt(view, row) for row in best_per_count(view.doc.memory.tried)]
    return view.table("npus layout weights kv_cache fits first_failure", rows)


def alternatives(view: View) -> Table:
    """The same model in other precisions or on other devices."""
    rows = [
        (
            plain(view.choice("precision", row.precision)),
            plain(f"{row.soc} ({size(row.npu_memory_bytes)})"),
            plain(row.release),
            plain(view.choice("verdict", row.verdict.value)) if row.verdict else BLANK,
            plain(view.cards(row.minimum)),
            view.text(row.note) if row.note else BLANK,
        )
        for row in view.doc.memory.alternatives
    ]
    return view.table("precision devices release verdict minimum note", rows)


def best_per_count(attempts: list[TriedRow]) -> list[TriedRow]:
    """One attempt per card count: the first that fits, else the one with most memory left for KV."""
    best: dict[int, TriedRow] = {}
    for row in attempts:
        held = best.get(row.npus)
        if held is None or (not held.fits and (row.fits or _left(row) > _left(held))):
            best[row.npus] = row
    return [best[npus] for npus in sorted(best)]


def _attempt(view: View, row: TriedRow) -> tuple[Sentence, ...]:
    memory = row.per_rank
    return (
        plain(row.npus),
        plain(view.layout(row.layout)),
        plain(size(memory.weights)) if memory else BLANK,
        plain(size(memory.kv_cache)) if memory else BLANK,
        plain(view.word("yes" if row.fits else "no")),
        _failure(view, row.first_failure) if row.first_failure else BLANK,
    )


def _failure(view: View, text: Text) -> Sentence:
    """A constraint in the words of a table, whose other columns say the rest."""
    return view.say(f"tried.{text.id}", **text.params) if text.id in _SHORT else view.text(text)


def _weight(view: View, name: str) -> str:
    """The name of a piece in words; a prefix such as ``MTP:`` stays before it."""
    prefix, colon, piece = name.rpartition(": ")
    return f"{prefix}{colon}{view.choice('weight', piece)}"


def _left(row: TriedRow) -> int:
    return row.per_rank.kv_cache if row.per_rank else -(1 << 62)
