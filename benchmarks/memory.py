"""Holds the memory estimator against published rows: ``python benchmarks/memory.py [PART...]``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from published import RULES, NoModel, gib, judged, memory_rules, model, models, rows
from published_figures import FIGURES, Figure
from published_negatives import negatives as worded

from ascend_compat.classify.configured import configured
from ascend_compat.core.plan import Attempt, MemoryPlan
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.units import GIB
from ascend_compat.memory.plan import make_plan
from ascend_compat.memory.soc import resolve_soc

_SOLID = ("explicit", "OOM observed")
_PRECISE = 0.03
#: Kinds of minimum rows that state no count that was run.
_NO_MINIMUM = ("cannot", "not-recommended", "recommended", "claimed-unverified")
#: How the notes of a row begin that another line of its own page speaks against.
_CONTRADICTS = "contradicts"
#: The published table of GLM-4.5 on other devices: cards of 80 and 141 GB to run at all, and with 128K of context.
_GLM45: tuple[tuple[str, str, int, int, int, int], ...] = (
    ("zai-org/GLM-4.5", "bf16", 16, 8, 32, 16),
    ("zai-org/GLM-4.5", "w8a8", 8, 4, 16, 8),
    ("zai-org/GLM-4.5-Air", "bf16", 4, 2, 8, 4),
    ("zai-org/GLM-4.5-Air", "w8a8", 2, 1, 4, 2),
)
_GIGABYTES = (80, 141)
_BATCH = 8


@dataclass
class Share:
    """Rows judged as they should be, a line for each that is not, and how many were not judged for what reason."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Rows that were judged."""
        return self.right + len(self.wrong)


def deployments() -> bool:
    """Every mixed row of trust high or medium has to fit."""
    return _print("Published deployments judged to fit as written", deployed())


def deployed() -> Share:
    """The share of published deployments that fit."""
    chosen = [row for row in rows("deployments") if row["trust"] in ("high", "medium") and row["role"] == "mixed"]
    return _share(chosen, lambda attempt: attempt.fits)


def negatives() -> bool:
    """Every layout that is known not to fit has to be refused."""
    return _print("Layouts known not to fit that are refused", refused())


def refused() -> Share:
    """The share of layouts known not to fit that do not."""
    return _share(worded(_SOLID), lambda attempt: not attempt.fits)


def _share(chosen: Iterable[Mapping[str, Any]], good: Callable[[Attempt], bool]) -> Share:
    share = Share()
    for row in chosen:
        try:
            plan = judged(row)
        except NoModel as error:
            share.skipped[str(error)] += 1
            continue
        if plan.studied is not None and good(plan.studied):
            share.right += 1
        else:
            share.wrong.append(_reason(row, plan))
    return share


def _print(title: str, share: Share) -> bool:
    print(f"\n{title}: {share.right} of {share.total} ({share.right / max(1, share.total):.1%})")
    for line in share.wrong:
        print(f"  - {line}")
    for reason, count in share.skipped.items():
        print(f"  not judged: {count} rows, {reason}")
    return not share.wrong


def _reason(row: Mapping[str, Any], plan: MemoryPlan) -> str:
    studied = plan.studied
    sizes = f"TP{row['tp']} DP{row['dp']} {row['soc']}"
    head = f"{row['id']}: {row['base_model']} {row['precision']} {sizes}"
    if studied is None:
        return f"{head}: not judged"
    rank = studied.rank
    failure = studied.first_failure.id if studied.first_failure else "fits"
    parts = "" if rank is None else (
        f" (weights {gib(rank.weights)}, activation {gib(rank.activation)}, non-torch {gib(rank.non_torch)}, "
        f"KV {gib(rank.kv_cache)} of a budget of {gib(rank.budget)} GiB)"
    )  # fmt: skip
    if not row.get("max_model_len") and plan.longest:
        parts += f"; the row states no length, {plan.longest:,} tokens fit"
    return f"{head}: {failure}{parts}"


@dataclass
class Minimums:
    """Published minimum card counts: how many are the computed ones, lines for those above and below."""

    equal: int = 0
    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Rows that were judged."""
        return self.equal + len(self.above) + len(self.below)


def minimums() -> bool:
    """Never above a published minimum that bounds a card count; how often equal."""
    found = counted()
    sides = f"{len(found.below)} below, {len(found.above)} above"
    print(f"\nMinimum cards: {found.equal} of {found.total} equal, {sides} the published one")
    for line in found.above:
        print(f"  - above: {line}")
    for line in found.below:
        print(f"  - below: {line}")
    for reason, count in found.skipped.items():
        print(f"  not judged: {count} rows, {reason}")
    return not found.above


def counted() -> Minimums:
    """The published minimums that bound a card count against the computed ones."""
    out = Minimums()
    for row in rows("minimums"):
        if row["kind"] in _NO_MINIMUM or not row["npus"]:
            continue
        if str(row.get("notes") or "").startswith(_CONTRADICTS):
            out.skipped[f"{row['id']}: {row['notes']}"] += 1
            continue
        try:
            if row["granularity"] != "card" and not _large(row):
                continue
            plan = judged({**row, "max_model_len": 4096}, max_num_seqs=16)
        except NoModel as error:
            out.skipped[str(error)] += 1
            continue
        found = plan.minimum.npus if plan.minimum else None
        line = f"{row['id']}: {row['base_model']} {row['precision']} {row['soc']}: {found}, published {row['npus']}"
        if found == row["npus"]:
            out.equal += 1
        elif found is not None and found < row["npus"]:
            out.below.append(line)
        else:
            out.above.append(f"{line}; {_why(plan, row['npus'])}")
    return out


def _why(plan: MemoryPlan, npus: int) -> str:
    """What refuses the first layout of a card count."""
    attempt = next((attempt for attempt in plan.tried if attempt.layout.npus == npus), None)
    rank = attempt.rank if attempt else None
    if attempt is None or attempt.first_failure is None or rank is None:
        return "not tried"
    return f"{attempt.first_failure.id}, weights {gib(rank.weights)} of a budget of {gib(rank.budget)} GiB"


def _large(row: Mapping[str, Any]) -> bool:
    facts, _ = model(row["base_model"], "bf16")
    return facts.checkpoint_bytes > 400e9


def measured() -> bool:
    """Logged figures against computed ones; an explanation stands beside each that differs by more than 3 %."""
    print(f"\n{'logged figure':58} {'logged':>10} {'computed':>10} {'error':>8}")
    good = True
    for figure in FIGURES:
        computed = value_of(figure)
        error = computed / figure.logged - 1
        note = figure.note if abs(error) > _PRECISE else ""
        good = good and (abs(error) <= _PRECISE or bool(note))
        digits = 0 if figure.what in ("kv_tokens", "block") else 4
        print(f"{figure.title:58} {figure.logged:>10.{digits}f} {computed:>10.{digits}f} {error:>+8.2%}  {note}")
    return good


def value_of(figure: Figure) -> float:
    """The computed value of a logged figure."""
    return figure.value(lambda changes: judged({**figure.row, **changes}))


def reference() -> bool:
    """The published card counts of GLM-4.5 on other devices: MTP on, batch of 8; at 128K all of the batch in cache."""
    print(f"\n{'GLM-4.5 on other devices':28} {'80 GB':>14} {'141 GB':>14} {'80 GB, 128K':>14} {'141 GB, 128K':>14}")
    same = True
    for name, precision, *counts in _GLM45:
        cells = []
        for n, wanted in enumerate(counts):
            found = _smallest(name, precision, _GIGABYTES[n % 2], long=n > 1)
            same = same and found == wanted
            cells.append(f"{found} ({wanted})")
        print(f"{name.rpartition('/')[2]:18} {precision:9} " + " ".join(f"{cell:>14}" for cell in cells))
    print("computed (published)")
    return same


def _smallest(name: str, precision: str, gigabytes: int, long: bool) -> int | None:
    """The smallest count of devices with a layout that fits; ``long`` asks for the whole batch at 131,072 tokens."""
    soc = resolve_soc("generic", gigabytes * 1e9 / GIB, RULES)
    facts, profile = model(name, precision)
    spot = Target("0.30.0rc2", "0.30.0", soc, "published")
    flags = {"--kv-cache-dtype": "fp8"} if precision != "bf16" else {}
    for npus in (1, 2, 4, 8, 16, 32, 64):
        for tp in (1, 2, 4, 8):
            launch = LaunchProfile(
                tp=tp, dp=npus // tp, max_model_len=131072 if long else 8192, max_num_seqs=_BATCH, flags=flags,
                max_num_batched_tokens=8192, gpu_memory_utilization=0.9,
                speculative={"method": "mtp", "num_speculative_tokens": 3},
            )  # fmt: skip
            studied = make_plan(facts, profile, spot, launch, memory_rules(), {}).studied if npus >= tp else None
            if (
                studied
                and studied.fits
                and studied.kv
                and studied.kv.requests * (npus // tp) >= (_BATCH if long else 1)
            ):
                return npus
    return None


def tables() -> bool:
    """The closed-form tables of the rows hold the elements of the tables computed from the same configuration.

    Families whose computed table is only inferred are left out.
    """
    print(f"\n{'elements of a model in BF16':44} {'here':>18} {'computed table':>18} {'error':>8}")
    same = True
    for name in sorted(models()):
        facts, _ = model(name, "bf16")
        other = configured(replace(facts, tensors=(), has_weights=False))
        if other.table is None or other.table.level == "inferred" or not other.tensors:
            continue
        here, there = (sum(prod(g.shape) * g.count for g in part.tensors) for part in (facts, other))
        error = here / there - 1
        same = same and abs(error) <= _PRECISE
        print(f"{name:44} {here:>18,} {there:>18,} {error:>+8.2%}")
    return same


PARTS: Mapping[str, Callable[[], bool]] = {
    "measured": measured,
    "deployments": deployments,
    "negatives": negatives,
    "minimums": minimums,
    "reference": reference,
    "tables": tables,
}


def main() -> int:
    """Print the chosen parts, all of them without arguments; exit code 1 when a part has misses."""
    names = sys.argv[1:] or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(__doc__, f"PARTS: {', '.join(PARTS)}", file=sys.stderr, sep="\n")
        return 2
    good = [PARTS[name]() for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
