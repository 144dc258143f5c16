"""Changes of the launch that may remove a blocker: read off the findings, tried by judging."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import floor
from typing import Any

from ascend_compat.answer.judge import Judgement, Refusal
from ascend_compat.core.finding import Finding
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import MOE

#: Fields of a launch profile and the flags that set them.
FLAGS = {
    "quantization": "--quantization",
    "dtype": "--dtype",
    "max_model_len": "--max-model-len",
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "gpu_memory_utilization": "--gpu-memory-utilization",
    "kv_cache_memory_bytes": "--kv-cache-memory-bytes",
    "speculative": "--speculative-config",
    "additional_config": "--additional-config",
}
#: Switches: the flag for on and the one for off.
SWITCHES = {
    "enforce_eager": ("--enforce-eager", "--no-enforce-eager"),
    "enable_prefix_caching": ("--enable-prefix-caching", "--no-enable-prefix-caching"),
}
#: Parts of the context the KV cache has room for, the largest first: pages that do not grow with the context and
#: rounding make the whole of it too much at times.
_SHARES = (1.0, 0.9, 0.75, 0.5)
#: Shares of the device worth trying when memory is short; published deployments go up to 0.97.
#: Source: vllm-ascend 0.23.0 docs/source/tutorials/models (GLM5.2.md, Kimi-K3.md).
_UTILIZATION = (0.95, 0.97)
#: Batched tokens of a step worth trying: activations grow with them.
_BATCHED = (2048, 1024)
#: Launch facts of curated conditions and the fields that a change gives back to the release.
_FACTS = {
    "launch.quantization": ("quantization", None),
    "launch.tp": ("tp", None),
    "launch.dp": ("dp", None),
    "launch.pp": ("pp", None),
    "launch.ep": ("ep", False),
    "launch.eager": ("enforce_eager", True),
    "launch.speculative": ("speculative", None),
}


def flag_changes(
    found: Judgement | Refusal, launch: LaunchProfile, described: bool, rules: Rules, everything: bool
) -> Iterator[LaunchProfile]:
    """Launch profiles worth judging, the dtype last: it changes what is computed.

    ``described`` says whether the checkpoint brings a ModelSlim description; ``everything`` also tries every method
    of the platform against a declared one.
    """
    blockers = [finding for finding in found.findings if finding.severity is Severity.BLOCKER]
    if any(finding.code.startswith("AC3") for finding in blockers):
        yield from _methods(found.match, launch, everything or (described and found.match.startup.method is None))
    whens = {defect.id: defect.when for defect in rules.defects.defect}
    for finding in blockers:
        if finding.code.startswith("AC6") and finding.subject in whens:
            yield from _named(whens[finding.subject], launch)
        yield from _sizes(finding, found, launch)
        yield from _left_out(finding, launch)
        yield from _experts(finding, found.match, launch)
    for finding in blockers:
        wanted = finding.remedy.params.get("dtype") if finding.remedy else None
        if isinstance(wanted, str) and wanted != launch.dtype:
            yield replace(launch, dtype=wanted)


def _sizes(finding: Finding, found: Judgement | Refusal, launch: LaunchProfile) -> Iterator[LaunchProfile]:
    """What a blocker of the memory plan asks for, cut down to what it says there is."""
    limit, kind = finding.message.params.get("limit"), finding.message.id
    if kind == "AC412.length" and isinstance(limit, int):
        yield replace(launch, max_model_len=limit)
    elif kind == "AC413.speculative" and launch.speculative:
        yield replace(launch, speculative={**launch.speculative, "num_speculative_tokens": limit})
    elif kind in ("AC413.mtp_stages", "AC413.draft_stages", "AC413.prefill_speculative"):
        yield replace(launch, speculative=None)
    elif kind == "AC410.vision":
        yield replace(launch, flags={**(launch.flags or {}), "--mm-encoder-tp-mode": "data"})
    elif kind in ("AC412.hybrid_block", "AC412.block"):
        yield replace(launch, flags={k: v for k, v in (launch.flags or {}).items() if k != "--block-size"})
    elif kind == "AC411.none":
        yield replace(launch, ep=False)
    elif kind == "AC411.unplaced":
        kept = {k: v for k, v in (launch.additional_config or {}).items() if k != "init_redundancy_expert"}
        yield replace(launch, additional_config=kept)
    elif kind == "AC401.device":
        yield replace(launch, kv_cache_memory_bytes=None)
    yield from _room(kind, found, launch)
    studied = found.plan.studied if isinstance(found, Judgement) else None
    if kind == "AC401.kv" and studied is not None and studied.kv is not None and studied.kv.pages_per_request:
        room = studied.kv.max_model_len * studied.kv.pages // studied.kv.pages_per_request
        for share in _SHARES:
            tokens = int(room * share) // studied.kv.block_size * studied.kv.block_size
            if tokens:
                yield replace(launch, max_model_len=tokens)


def _experts(finding: Finding, match: Match, launch: LaunchProfile) -> Iterator[LaunchProfile]:
    """Whole experts on a rank, where splitting them is what fails."""
    moe = {group.prefix for group in match.groups if group.layer_type == MOE}
    split = finding.code == "AC415" or finding.message.id == "AC411.intermediate"
    if not launch.ep and (split or (finding.code == "AC303" and finding.subject in moe)):
        yield replace(launch, ep=True)


def _room(kind: str, found: Judgement | Refusal, launch: LaunchProfile) -> Iterator[LaunchProfile]:
    """More of the device for the server, or less for what start-up leaves outside the budget; then smaller steps."""
    studied = found.plan.studied if isinstance(found, Judgement) else None
    if studied is None or studied.rank is None or launch.kv_cache_memory_bytes is not None:
        return
    rank = studied.rank
    share = floor(rank.budget / rank.device * 100 + 0.5) / 100
    if kind in ("AC401.budget", "AC401.kv"):
        for wanted in (s for s in _UTILIZATION if s > share):
            yield replace(launch, gpu_memory_utilization=wanted)
        for tokens in _BATCHED:
            yield replace(launch, max_num_batched_tokens=tokens)
            yield replace(launch, max_num_batched_tokens=tokens, gpu_memory_utilization=_UTILIZATION[-1])
    elif kind == "AC401.tail":
        yield replace(
            launch, gpu_memory_utilization=floor((1 - (rank.graph + rank.unprofiled) / rank.device) * 100) / 100
        )
    elif kind == "AC401.copies" and studied.kv is not None:
        room = (rank.device - rank.total - rank.graph - rank.unprofiled) / studied.kv.copies
        if room > 0:
            yield replace(launch, gpu_memory_utilization=floor((rank.total + room) / rank.device * 100) / 100)


def _left_out(finding: Finding, launch: LaunchProfile) -> Iterator[LaunchProfile]:
    """The launch without the flag that a finding about the launch itself names."""
    params = finding.message.params
    if finding.code == "AC501" or params.get("flag") == FLAGS["speculative"]:
        yield replace(launch, speculative=None)
    named = [name for name in (params.get("name"), params.get("flag")) if name in (launch.flags or {})]
    if finding.code.startswith("AC7") and named:
        yield replace(launch, flags={k: v for k, v in (launch.flags or {}).items() if k not in named} or None)


def _methods(match: Match, launch: LaunchProfile, everything: bool) -> Iterator[LaunchProfile]:
    """The quantization flag left out, then every other method the platform accepts."""
    if launch.quantization is not None:
        yield replace(launch, quantization=None)
    if everything or launch.quantization is not None:
        for name in match.startup.supported:
            if name not in (launch.quantization, match.startup.method):
                yield replace(launch, quantization=name)


def _named(when: Any, launch: LaunchProfile) -> Iterator[LaunchProfile]:
    """Each launch fact of a condition undone: what was given is left out, what ``not`` asks for is added."""
    if not isinstance(when, Mapping):
        return
    for key, test in when.items():
        if key in ("any", "all"):
            for part in test if isinstance(test, list) else ():
                yield from _named(part, launch)
        elif key == "not":
            wanted = test.get("launch.flag") if isinstance(test, Mapping) else None
            if isinstance(wanted, str):
                name, given, value = wanted.partition("=")
                yield replace(launch, flags={**(launch.flags or {}), name: value if given else None})
        elif key in _FACTS:
            field, released = _FACTS[key]
            if getattr(launch, field) != released:
                yield _with(launch, field, released)
        else:
            yield from _dropped(key, test, launch)


def _dropped(key: str, test: Any, launch: LaunchProfile) -> Iterator[LaunchProfile]:
    """A flag, variable or additional-config key of the condition taken out of what was given."""
    field = {
        "launch.flag": "flags",
        "launch.environment": "environment",
        "launch.additional_config": "additional_config",
    }.get(key)
    given = getattr(launch, field) if field else None
    if field is None or not given:
        return
    text = test.get("like", "") if isinstance(test, Mapping) else test
    for named in text if isinstance(text, list) else [text]:
        name = str(named).partition("=")[0].rstrip("*")
        name = name.partition(".")[0] if field == "additional_config" else name
        if name in given:
            yield _with(launch, field, {k: v for k, v in given.items() if k != name} or None)


def _with(launch: LaunchProfile, field: str, value: Any) -> LaunchProfile:
    changes: dict[str, Any] = {field: value}
    return replace(launch, **changes)


def flags_between(asked: LaunchProfile, found: LaunchProfile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to add to the command and what to leave out of it; the layout is told by its cards."""
    add: list[str] = []
    leave: list[str] = []
    for field, flag in FLAGS.items():
        old, new = getattr(asked, field), getattr(found, field)
        if old != new:
            (leave if new is None else add).append(flag if new is None else f"{flag} {_value(new)}")
    for field, (on, off) in SWITCHES.items():
        if getattr(asked, field) != getattr(found, field):
            add.append(on if getattr(found, field) else off)
    if found.ep and not asked.ep:
        add.append("--enable-expert-parallel")
    if asked.ep and found.ep is False:
        leave.append("--enable-expert-parallel")
    old_flags, new_flags = asked.flags or {}, found.flags or {}
    add += [f"{k} {v}" if v is not None else k for k, v in new_flags.items() if (k, v) not in old_flags.items()]
    leave += [k for k in old_flags if k not in new_flags]
    leave += [k for k in asked.environment or {} if k not in (found.environment or {})]
    return tuple(add), tuple(leave)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)
