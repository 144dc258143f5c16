"""The support matrix a release documents: a claim, kept beside what the source says."""

from __future__ import annotations

import re
from typing import Any

from ascend_compat.extract.tree import Trees

FILE = "docs/source/user_guide/support_matrix/supported_models.md"
STATUS = {"✅": "supported", "🔵": "experimental", "❌": "unsupported", "🟡": "untested"}


def extract_documented(trees: Trees) -> dict[str, Any]:
    """``{model name: {status, at}}`` from the first two columns of every table row."""
    out: dict[str, Any] = {}
    for number, line in enumerate((trees.read(FILE) or "").splitlines(), start=1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|") or len(cells) < 2:
            continue
        status = next((word for mark, word in STATUS.items() if mark in cells[1]), None)
        name = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cells[0])
        if status and name:
            out.setdefault(name, {"status": status, "at": f"{FILE}:{number}"})
    return dict(sorted(out.items()))
