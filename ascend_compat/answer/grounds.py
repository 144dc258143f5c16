"""The fields of the configuration that a refused layout rests on, as the first evidence of its finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ascend_compat.core.finding import Finding
from ascend_compat.core.profile import ModelProfile

#: Messages about a layout, by id or code, and the answer of the profile they divide or compare.
_ANSWERS: Mapping[str, str] = {
    "AC410.heads": "attention", "AC410.kv_heads": "attention", "AC410.state_heads": "attention",
    "AC410.vocabulary": "vocab_size", "AC410.intermediate": "mlp", "AC411": "moe", "AC412.length": "max_positions",
    "AC413.latent_heads": "attention", "AC413.conv_width": "attention", "AC413.stages": "layers", "AC415": "moe",
}  # fmt: skip


def grounded(finding: Finding, profile: ModelProfile) -> Finding:
    """The finding with the fields it is about; any other finding as it is."""
    answer = _ANSWERS.get(finding.message.id) or _ANSWERS.get(finding.code)
    fields = dict(profile.sources).get(answer or "", ())
    rest = tuple(item for item in finding.evidence if item not in fields)
    return replace(finding, evidence=(*fields, *rest)) if fields else finding
