"""The shortest way to a yes: other flags, cards, release, precision or SoC, each judged before it is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ascend_compat.answer.changes import flags_between
from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.answer.search import AS_IS, Search, Weights, works
from ascend_compat.answer.shared import Shared
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.plan import Layout
from ascend_compat.core.target import LaunchProfile, Soc
from ascend_compat.core.verdict import Severity, Verdict
from ascend_compat.knowledge.gates import verdict_of
from ascend_compat.knowledge.variants import float_variant, modelslim_variant

#: What a remedy asks of the user and what that weighs: change the command, use more cards, install another release,
#: fetch or make other weights, use other hardware. A later one weighs more than all before it together.
EFFORT = {"flag": 1, "dtype": 2, "cards": 4, "release": 8, "precision": 16, "soc": 32}
#: Changes that a change of the command may come with; two of them are a combination.
GREAT = ("release", "precision", "soc")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A changed question and its judgement.

    ``flags`` and ``without`` are what the command gains and loses; ``changes`` names the efforts with what they lead
    to; ``since`` is the first packed release that answers yes on this SoC with these weights, ``None`` where the
    release is the asked one.
    """

    precision: str
    judgement: Judgement
    changes: frozenset[tuple[str, str]]
    flags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    since: str | None = None

    @property
    def works(self) -> bool:
        """Whether the judgement is a yes with a known layout."""
        return works(self.judgement)

    @property
    def kind(self) -> str:
        """The one great change, ``combination`` for several, else the change of the command that weighs most."""
        asked = {name for name, _ in self.changes}
        great = [name for name in GREAT if name in asked]
        if len(great) > 1:
            return "combination"
        return great[0] if great else max(asked, key=EFFORT.__getitem__, default="cards")

    def asks(self, effort: str) -> bool:
        """Whether an effort is among the changes."""
        return any(name == effort for name, _ in self.changes)

    @property
    def layout(self) -> Layout | None:
        """The layout it runs on: the one the launch names, else the smallest."""
        plan = self.judgement.plan
        return (
            plan.studied.layout
            if plan.studied and _free(self.judgement.launch) != self.judgement.launch
            else plan.minimum
        )

    @property
    def npus(self) -> int:
        """Cards of the layout; more than any when there is none."""
        return self.layout.npus if self.layout else 1 << 30

    @property
    def cost(self) -> tuple[int, int]:
        """Effort, then cards."""
        return (sum({EFFORT[name] for name, _ in self.changes}), self.npus)


def candidates(base: Judgement, shared: Shared, socs: list[Soc]) -> list[Candidate]:
    """Other weights on the asked target, working or not; for a target that is no yes, also the best of every kind.

    ``socs`` are the devices to consider. Two kinds at once are tried only when neither alone leads to a yes.
    Deterministic: the same question gives the same list. Tensors that are absent or guessed are a yes nowhere.
    """
    if base.facts.guessed:
        return []
    search = Search(base, shared)
    variants = _variants(search)
    out = [_precision(search, weights) for weights in variants]
    if base.verdict is Verdict.COMPATIBLE:
        return out
    given = Weights(AS_IS, base.facts, base.profile)
    if given.sound:
        found = list(_launches(search, given))
        out += [*found, *_targets(search, given, socs, staying=bool(found))]
    at_home = [candidate for candidate in out if candidate.works and not candidate.asks("soc")]
    if not at_home:
        out += _elsewhere(search, variants, [base.target.soc])
    if not any(candidate.works for candidate in out):
        out += _elsewhere(search, variants, socs)
    return out


def ranked(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates that work, cheapest first, without those that ask for more than another and save no card."""
    working = [candidate for candidate in candidates if candidate.works]
    return sorted(
        (c for c in working if not any(o.changes < c.changes and o.npus <= c.npus for o in working)),
        key=lambda c: c.cost,
    )


def eased(base: Judgement, candidates: list[Candidate]) -> Judgement:
    """The judgement as conditional where another command for the same weights, release and SoC was judged a yes."""
    if base.verdict is not Verdict.INCOMPATIBLE:
        return base
    if not any(c.works and c.changes and not any(c.asks(name) for name in GREAT) for c in candidates):
        return base
    findings = tuple(
        replace(f, conditional=True) if f.severity is Severity.BLOCKER and not f.undetermined else f
        for f in base.findings
    )
    return replace(base, findings=findings, verdict=verdict_of(findings))


def _precision(search: Search, weights: Weights) -> Candidate:
    """Other weights on the asked target: the yes, else the whole judgement of the no."""
    base, launch = search.base, _unquantized(search.base.launch)
    found = search.runs(search.own, base.target.soc, weights, launch) or judge(
        base.pack, search.rules, weights.facts, weights.profile, base.target.soc, launch, search.shared
    )
    return _candidate(search, weights, found)


def _launches(search: Search, given: Weights) -> Iterator[Candidate]:
    """The asked target with another command: the first change of flags, the first of the dtype, the smallest layout.

    The asked layout is kept where a change of flags is enough for it.
    """
    base, soc = search.base, search.base.target.soc
    free = _free(base.launch)
    kinds: set[str] = set()
    for launch in (base.launch, free) if free != base.launch else (free,):
        asked = replace(base, launch=launch)
        for found in search.changed(asked, search.own, soc, given, launch, everything=True):
            candidate = _candidate(search, given, found)
            if candidate.kind not in kinds:
                kinds.add(candidate.kind)
                yield candidate
        if kinds:
            break
    if free != base.launch:
        spread = search.attempt(search.own, soc, given, free)
        if works(spread):
            yield _candidate(search, given, spread)


def _targets(search: Search, given: Weights, socs: list[Soc], staying: bool) -> Iterator[Candidate]:
    """The nearest release that runs the weights; the SoC with the fewest cards; both where neither alone helps.

    ``staying`` says that the asked release runs them with another command: no other release is looked for.
    """
    launch, own = _free(search.base.launch), search.base.target.soc
    others = [soc for soc in socs if soc.name != own.name]
    near = [] if staying else search.near()
    release = next((found for name in near if (found := search.runs(name, own, given, launch))), None)
    if release is not None:
        yield _candidate(search, given, release, search.first(own, given, launch))
    devices = [found for soc in others if (found := search.runs(search.own, soc, given, launch))]
    if devices:
        yield min((_candidate(search, given, found) for found in devices), key=lambda c: c.cost)
    elif release is None and not staying:
        yield from _combined(search, given, near, others, launch)


def _elsewhere(search: Search, variants: list[Weights], socs: list[Soc]) -> Iterator[Candidate]:
    """Other weights on another target, where nothing less leads to a yes."""
    for weights in variants:
        yield from _combined(search, weights, [search.own, *search.near()], socs, _unquantized(search.base.launch))


def _combined(
    search: Search, weights: Weights, releases: list[str], socs: list[Soc], launch: LaunchProfile
) -> Iterator[Candidate]:
    """The first release and SoC that run the weights, the nearest release first."""
    for name in releases:
        for soc in socs:
            found = search.runs(name, soc, weights, launch)
            if found is not None:
                yield _candidate(search, weights, found, search.first(soc, weights, launch))
                return


def _candidate(search: Search, weights: Weights, found: Judgement, since: str | None = None) -> Candidate:
    base = search.base
    flags, without = flags_between(base.launch, found.launch)
    changes = {("dtype" if flag.startswith("--dtype ") else "flag", flag) for flag in flags}
    changes.update(("flag", f"without {flag}") for flag in without)
    if weights.precision != AS_IS:  # their own quantization flag is part of using other weights
        changes = {change for change in changes if "--quantization" not in change[1]}
    named = {"release": found.target.vllm_ascend, "soc": found.target.soc.name, "precision": weights.precision}
    asked = {"release": base.target.vllm_ascend, "soc": base.target.soc.name, "precision": AS_IS}
    changes.update((name, value) for name, value in named.items() if value != asked[name])
    if _free(base.launch) != base.launch and found.launch == _free(found.launch):
        changes.add(("cards", ""))
    startup = found.match.startup
    if weights.precision != AS_IS and startup.auto_detected and startup.method:
        without = tuple(flag for flag in without if flag != "--quantization")
        flags = (*([] if base.launch.quantization == startup.method else [f"--quantization {startup.method}"]), *flags)
    return Candidate(weights.precision, found, frozenset(changes), flags, without, since)


def _variants(search: Search) -> list[Weights]:
    base = search.base
    made: list[tuple[str, CheckpointFacts | None]] = [
        ("bf16", float_variant(base.facts, base.profile)),
        ("modelslim-w8a8", modelslim_variant(base.facts, base.profile, search.tree())),
    ]
    return [
        Weights(name, facts, classify(facts))
        for name, facts in made
        if facts is not None and facts.tensors and _dtypes(facts) != _dtypes(base.facts)
    ]


def _free(launch: LaunchProfile) -> LaunchProfile:
    """The launch profile without a fixed layout: a remedy may need another one."""
    return replace(launch, tp=None, dp=None, pp=None, ep=None)


def _unquantized(launch: LaunchProfile) -> LaunchProfile:
    """The same for other weights: a quantization flag that was given speaks of the given ones."""
    return replace(_free(launch), quantization=None)


def _dtypes(facts: CheckpointFacts) -> tuple[str, ...]:
    """The dtype most bytes are in, and whether a ModelSlim description is there: what tells variants apart."""
    return (next(iter(facts.dtypes), ""), str(facts.quant_description is not None))
