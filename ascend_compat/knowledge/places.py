"""Places as evidence: a line of a source tree, a field of a configuration file."""

from __future__ import annotations

from ascend_compat.core.finding import Evidence, EvidenceKind


def at(place: str | None, detail: str = "") -> Evidence:
    """Evidence in a source tree from ``path:line``."""
    path, _, line = (place or "").rpartition(":")
    if path and line.isdigit():
        return Evidence(EvidenceKind.SOURCE, path, int(line), detail)
    return Evidence(EvidenceKind.SOURCE, place or "vllm_ascend", None, detail)


def config_evidence(path: str, detail: str = "", file: str = "config.json") -> Evidence:
    """Evidence in a configuration file of the checkpoint."""
    return Evidence(EvidenceKind.CONFIG, file, None, f"{path}: {detail}" if detail else path)
