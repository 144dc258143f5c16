"""Trees of a few files for the extractor's tests, and the real ones where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ascend_compat.extract.tree import Trees

DEVICES = """
from enum import Enum
class AscendDeviceType(Enum):
    A2 = 0
    A3 = 1
    _310P = 2
    A5 = 3
def get_ascend_device_type():
    return None
def is_310p():
    return get_ascend_device_type() == AscendDeviceType._310P
"""


def make_trees(root: Path, files: dict[str, str]) -> Trees:
    """Trees with exactly these files; every folder above one is a package. ``files`` maps paths to text."""
    written = {"ascend/vllm_ascend/__init__.py": "", "engine/vllm/__init__.py": ""}
    for name, content in files.items():
        top = "ascend" if name.startswith("vllm_ascend/") else "engine" if name.startswith("vllm/") else ""
        path = Path(top) / name
        if path.suffix == ".py":
            for parent in path.parents:
                if len(parent.parts) > 1:
                    written.setdefault((parent / "__init__.py").as_posix(), "")
        written[path.as_posix()] = content
    for name, content in written.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Trees(root / "ascend", root / "engine")


def real_trees(vllm_ascend: str, vllm: str) -> Trees:
    """The trees of a release under ``$ASCEND_COMPAT_TREES``; skips the test where they are not there."""
    home = os.environ.get("ASCEND_COMPAT_TREES")
    if not home:
        pytest.skip("ASCEND_COMPAT_TREES is not set: the trees of real releases were not read")
    roots = Path(home) / f"vllm_ascend-{vllm_ascend}", Path(home) / f"vllm-{vllm}"
    if not all(root.is_dir() for root in roots):
        pytest.skip(f"{home} has no trees of vllm-ascend {vllm_ascend} and vllm {vllm}")
    return Trees(*roots)
