"""Questions about the tensor table: what layers a name pattern has, how many bytes, which shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind

INDEX = "model.safetensors.index.json"


def matching(groups: Iterable[TensorGroup], pattern: str) -> list[TensorGroup]:
    """Groups whose template matches a regular expression somewhere."""
    compiled = re.compile(pattern)
    return [group for group in groups if compiled.search(group.template)]


def layers_of(groups: Iterable[TensorGroup]) -> tuple[int, ...]:
    """All layer indices of some groups, sorted."""
    return tuple(sorted({layer for group in groups for layer in group.layers}))


def header_evidence(group: TensorGroup) -> Evidence:
    """A tensor template as evidence."""
    return Evidence(
        EvidenceKind.HEADER, INDEX, None, f"{group.template}: {group.dtype} {list(group.shape)} x {group.count}"
    )
