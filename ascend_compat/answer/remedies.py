"""The shortest way to a yes: other precision, release or SoC, each judged by the same stages before it is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ascend_compat.answer.document import layout_part, text
from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.classify.profile import classify
from ascend_compat.core import report as doc
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Message, Param
from ascend_compat.core.target import LaunchProfile, Soc
from ascend_compat.core.verdict import Verdict
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.variants import float_variant, modelslim_variant

#: What a remedy asks of the user, cheapest first: install another release, fetch or make other weights, other hardware.
_COST = {"release": 0, "precision": 1, "soc": 2}
AS_IS = "as-is"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A changed question and its judgement."""

    kind: str
    precision: str
    judgement: Judgement

    @property
    def works(self) -> bool:
        """Whether the judgement is a yes with a known layout."""
        return self.judgement.verdict is Verdict.COMPATIBLE and self.judgement.plan.minimum is not None

    @property
    def cost(self) -> tuple[int, int, int]:
        """Kind of effort, cards, and whether the weights have to be made."""
        minimum = self.judgement.plan.minimum
        return (_COST[self.kind], minimum.npus if minimum else 1 << 30, int(self.precision != AS_IS))


def precisions(base: Judgement, rules: Rules) -> list[Candidate]:
    """The same model as float weights and as ModelSlim W8A8, on the same target; what it already is is left out."""
    variants: list[tuple[str, CheckpointFacts | None]] = [
        ("bf16", float_variant(base.facts, base.profile)),
        ("modelslim-w8a8", modelslim_variant(base.facts, base.profile, base.match.tree)),
    ]
    out: list[Candidate] = []
    for name, facts in variants:
        if facts is None or not facts.has_weights or _dtypes(facts) == _dtypes(base.facts):
            continue
        found = judge(base.pack, rules, facts, classify(facts), base.target.soc, _free(base.launch), probing=True)
        out.append(Candidate("precision", name, found))
    return out


def targets(base: Judgement, rules: Rules, socs: list[Soc]) -> Iterator[Candidate]:
    """The same checkpoint on other releases and SoCs: per SoC the first release that says yes."""
    packs = {release: rules.pack(release) for release in rules.releases()}
    for soc in socs:
        same = soc.name == base.target.soc.name
        for release, pack in packs.items():
            if same and release == base.target.vllm_ascend:
                continue
            found = judge(pack, rules, base.facts, base.profile, soc, _free(base.launch), probing=True)
            candidate = Candidate("release" if same else "soc", AS_IS, found)
            if candidate.works:
                yield candidate
                break


def working(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates that work, cheapest first."""
    return sorted((c for c in candidates if c.works), key=lambda c: c.cost)


def best_action(candidates: list[Candidate]) -> Message | None:
    """What the cheapest way to a yes asks for, ``None`` when no candidate works."""
    best = working(candidates)
    return action(best[0]) if best else None


def remedy_rows(candidates: list[Candidate]) -> list[doc.RemedyRow]:
    """Ranked rows of the candidates that work."""
    return [
        doc.RemedyRow(
            rank=rank,
            action=text(action(candidate)),
            precision=None if candidate.precision == AS_IS else candidate.precision,
            release=candidate.judgement.target.vllm_ascend,
            soc=candidate.judgement.target.soc.name,
            npus=candidate.judgement.plan.minimum.npus if candidate.judgement.plan.minimum else None,
            verified=True,
        )
        for rank, candidate in enumerate(working(candidates), start=1)
    ]


def action(candidate: Candidate) -> Message:
    """What to do, with the cards it takes."""
    found = candidate.judgement
    minimum = found.plan.minimum
    params: dict[str, Param] = {
        "precision": candidate.precision,
        "release": found.target.vllm_ascend,
        "soc": found.target.soc.name,
        "npus": minimum.npus if minimum else None,
        "tp": minimum.tp if minimum else None,
        "dp": minimum.dp if minimum else None,
    }
    return Message(f"remedy.{candidate.precision if candidate.kind == 'precision' else candidate.kind}", params)


def alternative_rows(candidates: list[Candidate]) -> list[doc.AlternativeRow]:
    """Every candidate with its verdict and smallest layout, for the memory section."""
    return [
        doc.AlternativeRow(
            precision=candidate.precision,
            soc=candidate.judgement.target.soc.name,
            npu_memory_bytes=candidate.judgement.target.soc.memory_bytes,
            minimum=layout_part(candidate.judgement.plan.minimum),
            release=candidate.judgement.target.vllm_ascend,
            verdict=candidate.judgement.verdict,
        )
        for candidate in candidates
    ]


def _free(launch: LaunchProfile) -> LaunchProfile:
    """The launch profile without a fixed layout: a remedy may need another one."""
    return replace(launch, tp=None, dp=None, pp=None, ep=None, quantization=None)


def _dtypes(facts: CheckpointFacts) -> tuple[str, ...]:
    """The dtype most bytes are in, and whether a ModelSlim description is there: what tells variants apart."""
    return (next(iter(facts.dtypes), ""), str(facts.quant_description is not None))
