"""Known defects and limits that hit a checkpoint on a target (AC601, AC602)."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.verdict import Basis, Severity
from ascend_compat.knowledge.condition_facts import Facts
from ascend_compat.knowledge.conditions import both, evaluate, facts_of
from ascend_compat.knowledge.curated import Defect
from ascend_compat.knowledge.load import Rules

FILE = "rules/curated/defects.toml"


def defect_findings(rules: Rules, facts: Facts) -> tuple[Finding, ...]:
    """One finding per entry that holds, and an info per entry of which it can't be said."""
    return tuple(_findings(rules, facts))


def _findings(rules: Rules, facts: Facts) -> Iterator[Finding]:
    for index, defect in enumerate(rules.defects.defect):
        truth = holds(defect, facts)
        if truth is not False:
            line = rules.defects_file.line(("defect", index))
            yield _finding(defect, line) if truth else _open(defect, line, facts)


def holds(defect: Defect, facts: Facts) -> bool | None:
    """Whether an entry applies: its devices, its interval and its condition, three-valued."""
    return both(_parts(defect, facts))


def _parts(defect: Defect, facts: Facts) -> Iterator[bool | None]:
    yield not defect.soc or facts.target.soc.name in defect.soc
    yield defect.covers(facts.release)
    yield evaluate(defect.when, facts)


def _finding(defect: Defect, line: int) -> Finding:
    code = "AC601" if defect.kind == "defect" else "AC602"
    return Finding(
        code, defect.severity, defect.effect, _basis(defect), defect.id, Message(code, _params(defect)),
        (_evidence(defect, line),), _remedy(defect), conditional=defect.conditional,
    )  # fmt: skip


def _open(defect: Defect, line: int, facts: Facts) -> Finding:
    """What can't be decided never blocks: it names the facts that are missing."""
    missing = [name for name in facts_of(defect.when) if None in (facts(name) or (None,))]
    if defect.covers(facts.release) is None:
        missing.insert(0, "vllm-ascend")
    params = {**_params(defect), "missing": ", ".join(missing) or None}
    return Finding(
        "AC602", Severity.INFO, defect.effect, Basis.INFERRED, defect.id, Message("AC602.undetermined", params),
        (_evidence(defect, line),), _remedy(defect), undetermined=True,
    )  # fmt: skip


def _basis(defect: Defect) -> Basis:
    return Basis.INFERRED if defect.level == "inferred" else Basis.DOCUMENTED


def _params(defect: Defect) -> dict[str, Param]:
    return {"text": defect.en, "text_zh": defect.zh, "source": defect.source, "seen": defect.seen}


def _remedy(defect: Defect) -> Message:
    return Message("AC601.remedy", {"text": defect.remedy_en, "text_zh": defect.remedy_zh})


def _evidence(defect: Defect, line: int) -> Evidence:
    return Evidence(EvidenceKind.RULE, FILE, line, defect.id)
