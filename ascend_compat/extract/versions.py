"""The version matrix of a tree: what its Dockerfile, requirements and package metadata pin."""

from __future__ import annotations

import re
from typing import Any

from ascend_compat.extract.tree import Trees

#: Name in the pack, file, pattern with one group. The first file that matches counts.
SOURCES = (
    ("vllm_ascend", "PKG-INFO", r"^Version:\s*(\S+)"),
    ("vllm_ascend", "vllm_ascend/_version.py", r"^__version__\s*=.*?['\"]([^'\"]+)['\"]"),
    ("vllm", "Dockerfile", r"^ARG VLLM_TAG=v?(\S+)"),
    ("vllm", ".github/vllm-release-tag.commit", r"^v?(\d+\.\d+\.\d+\S*)"),
    ("cann", "Dockerfile", r"^FROM \S*cann:(\d[^-\s]*(?:\.rc\d+)?)"),
    ("cann", "Dockerfile", r"^ARG CANN_VERSION=\"?([^\"\s]+)"),
    ("torch", "requirements.txt", r"^torch==(\S+)"),
    ("torch_npu", "requirements.txt", r"^torch[-_]npu==(\S+)"),
    ("triton_ascend", "requirements.txt", r"^triton[-_]ascend==(\S+)"),
    ("transformers", "requirements.txt", r"^transformers([<>=!~]=?\S+)"),
    ("python", "PKG-INFO", r"^Requires-Python:\s*(\S+)"),
    ("python", "setup.py", r"python_requires=['\"]([^'\"]+)['\"]"),
)


def extract_versions(trees: Trees) -> dict[str, Any]:
    """``{name: {value, at}}``; a name no file pins is absent."""
    out: dict[str, Any] = {}
    for name, file, pattern in SOURCES:
        text = trees.read(file) if name not in out else None
        for number, line in enumerate((text or "").splitlines(), start=1):
            found = re.match(pattern, line.strip())
            if found:
                out[name] = {"value": found[1], "at": f"{file}:{number}"}
                break
    for name in sorted({name for name, _, _ in SOURCES} - set(out)):
        trees.unfollowed.append(f"version of {name}: no file pins it")
    return dict(sorted(out.items()))
