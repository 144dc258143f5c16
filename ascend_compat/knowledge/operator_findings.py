"""Findings of the operator walk: what this checkpoint's code meets that an NPU does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, Finding, Message, Param
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.match import device_of
from ascend_compat.knowledge.places import at, config_evidence
from ascend_compat.knowledge.walked import Use, Walked

#: Kinds that a start without the operator can't survive, and the variant of the message.
ABSENT = {"cuda": "AC221", "package": "AC221.package", "no-native": "AC221.native", "not-built": "AC221.built"}
KERNELS = frozenset({"triton", "triton-plugin"})
SURE = frozenset({*ABSENT, "no-backend", "refused"})
#: What a walk that got into a model meets: one of these kinds, or a layer with such a name.
BODY = frozenset({"backend", "no-backend", "model", "refused", *ABSENT, "triton", "triton-plugin"})
COMPUTING = ("Linear", "Attention", "MoE", "Conv", "MLP", "Mixer")
#: Names that a message lists.
LISTED = 4
PLUGIN = "vllm_ascend."


def walk(
    pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, target: Target
) -> tuple[list[Use], Walked] | None:
    """What the walk met for a checkpoint; ``None`` for a pack without the section or a checkpoint without a name."""
    section = pack.get("operators")
    if not section or not profile.architecture or profile.architecture not in pack.get("architectures", {}):
        return None
    walked = Walked(section, device_of(pack, target.soc)[0].lstrip("_"))
    walked.at = pack["architectures"][profile.architecture].get("at")
    return (walked.uses(profile.architecture, facts.config), walked) if walked.bit else None


def operator_findings(
    pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, target: Target, launch: LaunchProfile
) -> Iterator[Finding]:
    """Findings AC221 to AC228 of a checkpoint on a target."""
    found = walk(pack, facts, profile, target)
    if found is None:
        return
    uses, walked = found
    certain = [use for use in uses if use.certain]
    for use in certain:
        if use.kind in ABSENT:
            yield _blocker(ABSENT[use.kind], use, target, operator=_short(use.name))
        elif use.kind == "no-backend":
            yield _blocker("AC222", use, target, asked=use.name)
        elif use.kind == "refused":
            yield _blocker("AC224", use, target, exception=use.name, text=use.note)
    kernels = [use for use in certain if use.kind in KERNELS]
    if walked.has_triton:
        unshown = [use for use in uses if use.kind == "triton" and not adopted(use)]
        shown = [use for use in unshown if use.certain]
        yield from _kernels("AC225", shown or [use for use in unshown if use.by_config], target)
    else:
        yield from _kernels("AC223", kernels, target)
    yield from _complex([use for use in certain if use.kind == "dtype"], target)
    if launch.ep:
        for use in certain:
            if use.kind == "all-reduce":
                yield _finding("AC228", Severity.WARNING, Effect.WRONG_OUTPUT, use, _params(use, target))
    yield from _open(uses, target)
    if hollow(uses):
        walked.unwalked.append(str(profile.architecture))
    yield from _unwalked(walked, target)


def hollow(uses: list[Use]) -> bool:
    """Whether a walk met no layer that computes: it did not get into the model, and says nothing."""
    return not any(use.kind in BODY or any(part in use.name for part in COMPUTING) for use in uses)


def adopted(use: Use) -> bool:
    """Whether the plugin's own code launches a kernel of vLLM: what it calls on purpose is no open question.

    The function that calls into the kernel's package is looked at, not the whole way.
    """
    home = use.name.partition(":")[0].rpartition(".")[0]
    outside = [name for _, name in use.steps if not name.startswith(home)]
    return bool(outside) and outside[-1].startswith(PLUGIN)


def _blocker(variant: str, use: Use, target: Target, **params: Param) -> Finding:
    return _finding(
        variant, Severity.BLOCKER, Effect.FAILS_AT_STARTUP, use, {**_params(use, target), **params}
    )  # fmt: skip


def _finding(variant: str, severity: Severity, effect: Effect, use: Use, params: dict[str, Param]) -> Finding:
    return Finding(
        variant[:5], severity, effect, Basis.SOURCE, _short(use.name), Message(variant, params), _evidence(use), None,
        tuple(name for _, name in use.steps),
    )  # fmt: skip


def _params(use: Use, target: Target) -> dict[str, Param]:
    return {"soc": target.soc.name, "release": target.vllm_ascend, "caller": _caller(use)}


def _caller(use: Use) -> str:
    """The last function on the way that belongs to a model, else the last one."""
    names = [name for _, name in use.steps]
    models = [name for name in names if ".models." in name]
    return _short((models or names or [use.name])[-1])


def _evidence(use: Use) -> tuple[Evidence, ...]:
    """Where it is met, the calls that lead there backwards, and the settings that decide."""
    out = [at(use.at, use.note or use.name)]
    out.extend(at(place, f"calls {name.rpartition(':')[2]}") for place, name in reversed(use.steps) if place)
    if use.by_at:
        out.append(at(use.by_at, use.by))
    out.extend(config_evidence(text) for text in use.decided if len(text) < 200)
    return tuple(dict.fromkeys(out))


def _kernels(code: str, kernels: list[Use], target: Target) -> Iterator[Finding]:
    """Triton kernels as one finding: a run that compiles one meets all of them."""
    if not kernels:
        return
    first = kernels[0]
    names = list(dict.fromkeys(_short(use.name) for use in kernels))
    listed = ", ".join(names[:LISTED]) + (" ..." if len(names) > LISTED else "")
    blocks, hangs = code == "AC223", not first.certain
    params = {**_params(first, target), "kernels": listed, "count": len(names)}
    variant = f"{code}.open" if hangs else code
    if hangs:
        params["guard"] = first.open[0]
    evidence = tuple(dict.fromkeys(e for use in kernels[:LISTED] for e in _evidence(use)))
    yield Finding(
        code, Severity.BLOCKER if blocks else Severity.WARNING,
        Effect.FAILS_AT_STARTUP if blocks else Effect.FAILS_AT_REQUEST, Basis.SOURCE, names[0],
        Message(variant, params), evidence, None, tuple(name for _, name in first.steps), undetermined=hangs,
    )  # fmt: skip


def _complex(uses: list[Use], target: Target) -> Iterator[Finding]:
    if uses:
        names = ", ".join(dict.fromkeys(use.name for use in uses))
        yield _finding(
            "AC226", Severity.WARNING, Effect.FAILS_AT_REQUEST, uses[0], {**_params(uses[0], target), "names": names}
        )


def _open(uses: list[Use], target: Target) -> Iterator[Finding]:
    """What an NPU does not have, behind a test that neither config.json nor the source decides."""
    failing = [use for use in uses if use.kind in SURE and not use.certain]
    by_guard: dict[str, list[Use]] = {}
    for use in failing:
        by_guard.setdefault(use.open[0] if use.open else "", []).append(use)
    for guard, group in sorted(by_guard.items()):
        first = group[0]
        names = ", ".join(list(dict.fromkeys(_short(use.name) for use in group))[:LISTED])
        params: dict[str, Param] = {**_params(first, target), "operator": names, "guard": guard}
        yield Finding(
            "AC227", Severity.WARNING, Effect.FAILS_AT_REQUEST, Basis.SOURCE, _short(first.name),
            Message("AC227", params), _evidence(first), None, tuple(name for _, name in first.steps),
            undetermined=True,
        )  # fmt: skip


def _unwalked(walked: Walked, target: Target) -> Iterator[Finding]:
    for name in dict.fromkeys(walked.unwalked):
        params: dict[str, Param] = {"name": name, "release": target.vllm_ascend}
        yield Finding(
            "AC227", Severity.WARNING, Effect.NONE, Basis.SOURCE, name, Message("AC227.unwalked", params),
            (config_evidence("architectures", name),), undetermined=True,
        )  # fmt: skip


def _short(fqn: str) -> str:
    if fqn.startswith(("torch.", "_C")):
        return fqn
    return fqn.rpartition(":")[2].rpartition(".")[2]
