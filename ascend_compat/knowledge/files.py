"""The files of a checkpoint as the code of a release would read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ascend_compat.core.facts import CheckpointFacts

_EXPERT = re.compile(r"\.experts\.(\d+)\.")


def checkpoint_files(facts: CheckpointFacts) -> dict[str, Any]:
    """Parsed JSON files by name; of files whose content is not kept, an empty object."""
    files: dict[str, Any] = {name: {} for name in facts.files if name.endswith(".json")}
    files["config.json"] = dict(facts.config)
    if facts.quant_description is not None:
        files["quant_model_description.json"] = _condensed(facts.quant_description)
    if facts.hf_quant_config is not None:
        files["hf_quant_config.json"] = dict(facts.hf_quant_config)
    return files


def _condensed(description: Mapping[str, Any]) -> dict[str, Any]:
    """A ModelSlim description without the experts that say what expert 0 of their layer says.

    Releases look up expert 0 and ask for any key under a prefix: the answers stay the same, 130,000 keys become 1,500.
    """
    out: dict[str, Any] = {}
    for name, value in description.items():
        found = _EXPERT.search(name) if isinstance(name, str) else None
        if found and found[1] != "0":
            first = f"{name[: found.start()]}.experts.0.{name[found.end() :]}"
            if description.get(first) == value:
                continue
        out[name] = value
    return out
