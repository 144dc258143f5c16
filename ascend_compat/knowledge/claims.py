"""What is said of a model outside its code: the release's support matrix, its end-to-end tests, reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from ascend_compat.core.class_names import plain
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import Target
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.curated import Claims
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.operator_findings import SURE, walk
from ascend_compat.knowledge.places import at

#: What the hardware column of a support matrix calls a device type; a row without the column is for the others.
HARDWARE = {"A2": r"\bA2\b", "A3": r"\bA3\b", "A5": r"950|\bA5\b", "310P": r"300I|310"}
OLD_CHIP = "310P"
#: Rows of one kind that are given.
LISTED = 3
RUNS = frozenset({"supported", "experimental", "tested"})
FAILS = frozenset({"unsupported", "fails"})


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement: ``kind`` is ``documented``, ``tested`` or ``reported``.

    ``says`` is ``supported``, ``experimental``, ``unsupported``, ``untested``, ``tested`` or ``fails``.
    """

    kind: str
    name: str
    says: str
    evidence: Evidence


def claims(
    pack: Mapping[str, Any], rules: Rules, facts: CheckpointFacts, profile: ModelProfile, target: Target
) -> tuple[Claim, ...]:
    """What is said of a checkpoint's architecture on a device, names that are most like the checkpoint's own first."""
    name, device = profile.architecture, target.soc.device_type.lstrip("_")
    if not name:
        return ()
    known = rules.claims
    own = plain(facts.spec.rstrip("/").rpartition("/")[2])
    documented = (c for label, c in _documented(pack, device) if name in known.architectures(label))
    tested = (c for label, c in _tested(pack, device) if name in known.architectures(label))
    ranked = (sorted(found, key=lambda c: (-_common(plain(c.name), own), c.name)) for found in (documented, tested))
    return (*(claim for found in ranked for claim in found[:LISTED]), *_reported(pack, known, name))


def claim_findings(
    pack: Mapping[str, Any], rules: Rules, facts: CheckpointFacts, profile: ModelProfile, target: Target
) -> Iterator[Finding]:
    """AC229: the walk and what is said contradict each other."""
    met = walk(pack, facts, profile, target)
    if met is None:
        return
    failing = [use for use in met[0] if use.kind in SURE and use.certain]
    said = [c for c in claims(pack, rules, facts, profile, target) if c.says in (RUNS if failing else FAILS)]
    if not said or (not failing and any(use.kind in SURE for use in met[0])):
        return
    variant = "AC229" if failing else "AC229.clean"
    listed = "; ".join(f"{claim.name}: {claim.says}" for claim in said)
    params: dict[str, Param] = {
        "architecture": str(profile.architecture), "release": target.vllm_ascend, "soc": target.soc.name,
        "claims": listed,
    }  # fmt: skip
    if failing:
        params["operators"] = ", ".join(dict.fromkeys(use.name.rpartition(":")[2] for use in failing[:LISTED]))
    yield Finding(
        "AC229", Severity.WARNING if failing else Severity.INFO, Effect.NONE, Basis.DOCUMENTED, said[0].name,
        Message(variant, params), tuple(claim.evidence for claim in said), None,
    )  # fmt: skip


def _documented(pack: Mapping[str, Any], device: str) -> Iterator[tuple[str, Claim]]:
    for label, row in pack.get("documented", {}).items():
        hardware = f"{row.get('hardware') or ''} {label.partition('(')[2]}".strip()
        there = re.search(HARDWARE.get(device, device), hardware) if hardware else device != OLD_CHIP
        if there:
            yield label, Claim("documented", label, str(row["status"]), at(row.get("at")))


def _tested(pack: Mapping[str, Any], device: str) -> Iterator[tuple[str, Claim]]:
    section = pack.get("tested_models", {})
    files = section.get("files", [])
    for name, places in section.get("models", {}).items():
        for place in str(places).split():
            number, _, line = place.partition(":")
            file = files[int(number)]
            if (file.get("soc") or device) == device and (device != OLD_CHIP or file.get("soc")):
                path = f"{section['folders'][file['in']]}/{file['name']}"
                yield name.rpartition("/")[2], Claim("tested", name, "tested", at(f"{path}:{line}"))
                break


def _reported(pack: Mapping[str, Any], known: Claims, architecture: str) -> Iterator[Claim]:
    for row in known.report:
        if row.architecture == architecture and (row.until is None or _before(pack, row.until)):
            yield Claim("reported", row.source, "fails", Evidence(EvidenceKind.RULE, "rules/curated/claims.toml", None,
                                                                  row.source))  # fmt: skip


def _before(pack: Mapping[str, Any], until: str) -> bool:
    try:
        return Version(str(pack["release"]["vllm"])) < Version(until)
    except InvalidVersion:
        return True


def _common(first: str, second: str) -> int:
    """Length of the common beginning."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
