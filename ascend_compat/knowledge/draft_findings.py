"""MTP that the launch asks for and the checkpoint or the release does not have (AC501)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.classify.speculative import DECLARED
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.places import at, config_evidence


def draft_findings(
    pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, match: Match, launch: LaunchProfile
) -> tuple[Finding, ...]:
    """At most one finding: nothing is declared, nothing is stored, or the release has no such draft model.

    Without known tensors only the declaration can be missing. A draft model of its own (``model``) is not judged here.
    """
    asked = launch.speculative or {}
    method = asked.get("method")
    if not isinstance(method, str) or "mtp" not in method or asked.get("model"):
        return ()
    mtp, known = profile.mtp, facts.has_weights or bool(facts.tensors)
    flag = at((pack.get("config_keys") or {}).get("SpeculativeConfig", {}).get("at"), f"method = {method!r}")
    if mtp is None or not mtp.declared:
        stored = mtp.tensors if mtp is not None else 0
        fields = config_evidence(" / ".join(DECLARED), "no such field")
        return (_finding("undeclared", {"method": method, "tensors": stored}, (fields, flag)),)
    if known and not mtp.present:
        # Only a float start checks that every weight was filled; the draft's words are verified, so answers stay right.
        effect = Effect.FAILS_AT_STARTUP if match.startup.method is None else Effect.DEGRADED
        absent = Evidence(EvidenceKind.HEADER, "model.safetensors.index.json", None, "no tensor of an MTP layer")
        params: dict[str, Param] = {"method": method, "declared": mtp.declared}
        return (_finding("missing", params, (*mtp.evidence, absent, flag), effect),)
    name = match.draft[0]
    if name is not None and name not in pack.get("architectures", {}):
        return (_finding("unregistered", {"method": method, "architecture": name}, (*mtp.evidence, flag)),)
    return ()


def _finding(
    variant: str, params: Mapping[str, Param], evidence: tuple[Evidence, ...], effect: Effect = Effect.FAILS_AT_STARTUP
) -> Finding:
    return Finding(
        "AC501", Severity.BLOCKER, effect, Basis.SOURCE, "multi-token prediction",
        Message(f"AC501.{variant}", params), evidence, Message("AC501.remedy"), conditional=True,
    )  # fmt: skip
