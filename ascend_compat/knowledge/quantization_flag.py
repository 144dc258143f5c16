"""``--quantization`` that is missing where the release needs it, or given for float weights (AC314)."""

from __future__ import annotations

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.places import at, config_evidence

#: The method of ModelSlim checkpoints. Source: vllm-ascend 0.18.0 utils.py, ``ASCEND_QUANTIZATION_METHOD``.
MODELSLIM = "ascend"
DESCRIPTION = "quant_model_description.json"


def flag_findings(
    facts: CheckpointFacts, profile: ModelProfile, match: Match, target: Target, launch: LaunchProfile
) -> tuple[Finding, ...]:
    """At most one finding: the replay of the start decides, the files of the checkpoint say which way round it is."""
    startup, asked = match.startup, launch.quantization
    params: dict[str, Param] = {"release": target.vllm_ascend, "method": asked or MODELSLIM, "file": DESCRIPTION}
    declared = profile.quantization.method
    if asked is None and facts.quant_description is not None and startup.method is None and startup.trouble is None:
        described = Evidence(EvidenceKind.CONFIG, DESCRIPTION, None, f"{len(facts.quant_description)} entries")
        evidence = (described, config_evidence("quantization_config", "absent"))
        return (_finding("missing", params, evidence),)
    if asked is not None and declared is None and startup.trouble is not None and startup.trouble.kind:
        evidence = (config_evidence("quantization_config", "absent"), at(startup.trouble.at, startup.trouble.kind))
        return (_finding("superfluous", params, evidence),)
    return ()


def _finding(variant: str, params: dict[str, Param], evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        "AC314", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, "--quantization",
        Message(f"AC314.{variant}", params), evidence, Message(f"AC314.{variant}.remedy", params), conditional=True,
    )  # fmt: skip
