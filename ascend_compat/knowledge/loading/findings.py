"""Outcomes of loading as findings, and what they settle of questions that dispatch alone leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.finding import Evidence, Finding, Message, Param
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.loading.results import Loading, Outcome, Result, once
from ascend_compat.knowledge.matched import COMPANIONS, Match
from ascend_compat.knowledge.modules import MOE
from ascend_compat.knowledge.places import at

#: Buffers that models compute; some checkpoints store them. Source: vLLM, ``AutoWeightsLoader``, models/utils.py.
COMPUTED = frozenset({"inv_freq", "cos_cached", "sin_cached", "masked_bias", "rotary_emb"})
#: Findings of dispatch about the fate of a tensor, which running the loader decides.
OPEN, SHAPE = "AC306", "AC308"
LEFT_OPEN = frozenset({OPEN, SHAPE})
MESSAGE_LIMIT = 160


def loading_findings(loading: Loading | None, match: Match, draft: Loading | None = None) -> tuple[Finding, ...]:
    """What raises, what is dropped, what stays empty or is filled in part, and what could not be followed."""
    if loading is None:
        return ()
    main = [item for item in loading.outcomes if not item.draft]
    return (
        *_raising(main, "AC340", Severity.BLOCKER),
        *_left(loading, [item for item in main if _read(item.left, match)]),
        *_dropped([item for item in main if not _read(item.left, match)]),
        *_partial(loading, match),
        *_unknown(main, loading.architecture),
        *_draft(draft),
    )


def settled(findings: Iterable[Finding], loading: Loading | None, match: Match) -> Iterator[Finding]:
    """Findings of dispatch, without those that the loader's run has decided otherwise.

    An unexpected tensor (AC306) is settled by its fate; a shape that does not fit (AC308) stops the start only where
    the loader raises.
    """
    results: dict[str, set[Result]] = {}
    for item in loading.outcomes if loading is not None else ():
        if not item.draft:
            results.setdefault(item.sample.group.template, set()).add(item.result)
    for finding in findings:
        fates = {fate for name in _templates(finding, match) for fate in results.get(name, {Result.UNKNOWN})}
        decided = bool(fates) and Result.UNKNOWN not in fates
        if finding.code == OPEN and decided:
            continue
        if finding.code == SHAPE and decided and fates == {Result.LOADED} and _experts(finding, match):
            continue
        yield finding


def _experts(finding: Finding, match: Match) -> bool:
    """Whether a finding is about experts: their loader is the release's own, that of other layers is not run."""
    example = finding.message.params.get("example")
    return any(group.layer_type == MOE for group in match.groups if group.prefix == example)


def _templates(finding: Finding, match: Match) -> list[str]:
    """Templates of the tensors a finding of dispatch is about."""
    if finding.code not in (OPEN, SHAPE):
        return []
    parameter, example = finding.message.params.get("parameter"), finding.message.params.get("example")
    groups = [group for group in match.groups if group.prefix == example]
    return [part.template for group in groups for part in group.bucket.shards.get(str(parameter), ())]


def _evidence(items: list[Outcome]) -> tuple[Evidence, ...]:
    first = items[0]
    return (at(first.at, first.sample.name), header_evidence(first.sample.group))


def _grouped(items: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Outcomes that one line decides in one way."""
    groups: dict[tuple[str | None, str | None, Result], list[Outcome]] = {}
    for item in items:
        groups.setdefault((item.at, item.exception, item.result), []).append(item)
    yield from groups.values()


def _about(items: list[Outcome], **more: Param) -> dict[str, Param]:
    templates = list(dict.fromkeys(item.sample.group.template for item in items))
    return {
        "tensors": sum(item.count for item in once(items)), "templates": len(templates), "template": templates[0],
        "example": items[0].sample.name, **more,
    }  # fmt: skip


def _raising(items: list[Outcome], code: str, severity: Severity) -> Iterator[Finding]:
    for group in _grouped(item for item in items if item.result is Result.RAISES):
        first = group[0]
        message = Message(code, _about(group, exception=first.exception, message=first.message[:MESSAGE_LIMIT]))
        yield Finding(
            code, severity, Effect.FAILS_AT_STARTUP, Basis.SOURCE, first.sample.group.template, message,
            _evidence(group), path=("checkpoint", f"tensor:{first.sample.group.template}", f"loader:{first.at}"),
        )  # fmt: skip


def _left(loading: Loading, items: list[Outcome]) -> Iterator[Finding]:
    """Dropped although a parameter waits for it: a float model refuses to start, a quantized one runs on garbage."""
    for group in _grouped(item for item in items if item.result is Result.DROPPED):
        first = group[0]
        code = "AC342.strict" if loading.strict else "AC342"
        effect = Effect.FAILS_AT_STARTUP if loading.strict else Effect.WRONG_OUTPUT
        evidence = (*_evidence(group), *((at(loading.strict),) if loading.strict else ()))
        yield Finding(
            "AC342", Severity.BLOCKER, effect, Basis.SOURCE, str(first.left),
            Message(code, _about(group, parameter=first.left)), evidence,
            path=("checkpoint", f"tensor:{first.sample.group.template}", f"parameter:{first.left}"),
        )  # fmt: skip


def _dropped(items: list[Outcome]) -> Iterator[Finding]:
    """Dropped without a parameter that waits: a scale nobody reads is worth a warning, the rest a note."""
    dropped = [item for item in items if item.result is Result.DROPPED and not _computed(item)]
    for scale in (True, False):
        for group in _grouped(item for item in dropped if _companion(item) is scale):
            quiet = "AC341.warned" if all(item.warned for item in group) else "AC341"
            yield Finding(
                "AC341", Severity.WARNING if scale else Severity.INFO, Effect.NONE, Basis.SOURCE,
                group[0].sample.group.template, Message(quiet, _about(group)), _evidence(group),
            )  # fmt: skip


def _computed(item: Outcome) -> bool:
    return bool(COMPUTED & set(item.sample.name.split(".")))


def _companion(item: Outcome) -> bool:
    return item.known and any(part in item.sample.group.parameter for part in COMPANIONS)


def _read(parameter: str | None, match: Match) -> bool:
    """Whether a parameter counts: there is one, and its scheme, where it has one, computes with it."""
    if parameter is None:
        return False
    name = parameter.rpartition(".")[2]
    schemes = [group for group in match.groups if name in group.outcome.params]
    return not schemes or any(group.reads is None or name in group.reads for group in schemes)


def _partial(loading: Loading, match: Match) -> Iterator[Finding]:
    """Parameters that tensors of another shape fill in part: the start succeeds, the rest is what memory held."""
    seen: set[str] = set()
    for part in loading.partial:
        name = part.parameter.rpartition(".")[2]
        if name in seen or not _read(name, match):
            continue
        seen.add(name)
        outcome = next(item for item in loading.outcomes if item.sample == part.sample)
        params: dict[str, Param] = {
            "parameter": part.parameter, "percent": round(100 * part.share), "allocated_shape": str(list(part.shape)),
            "stored_shape": str(list(part.sample.group.shape)), "template": part.sample.group.template,
        }  # fmt: skip
        yield Finding(
            "AC343", Severity.BLOCKER, Effect.WRONG_OUTPUT, Basis.SOURCE, part.parameter, Message("AC343", params),
            (at(outcome.at, part.parameter), *_allocated(name, match), header_evidence(part.sample.group)),
            path=("checkpoint", f"tensor:{part.sample.group.template}", f"parameter:{part.parameter}"),
        )  # fmt: skip


def _allocated(name: str, match: Match) -> tuple[Evidence, ...]:
    """The line that allocates a parameter of the first scheme that has it."""
    found = (group.outcome.params[name] for group in match.groups if name in group.outcome.params)
    return tuple(at(tensor.at, f"shape {list(tensor.shape)}") for tensor in list(found)[:1])


def _unknown(items: list[Outcome], architecture: str) -> Iterator[Finding]:
    """One warning for all that was not followed: a verdict does not hang on it."""
    open_ones = [item for item in items if item.result is Result.UNKNOWN]
    if open_ones:
        first = open_ones[0]
        params = _about(open_ones, reason=first.message[:MESSAGE_LIMIT], architecture=architecture)
        yield Finding(
            "AC344", Severity.WARNING, Effect.NONE, Basis.SOURCE, architecture, Message("AC344", params),
            _evidence(open_ones), undetermined=True,
        )  # fmt: skip


def _draft(draft: Loading | None) -> Iterator[Finding]:
    """What the draft model's loader refuses: it runs only where MTP is asked for."""
    if draft is not None:
        yield from _raising([item for item in draft.outcomes if item.draft], "AC345", Severity.WARNING)
