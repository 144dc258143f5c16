"""What several test folders share: the fixture checkpoints, built once a run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``checkpoint("glm-4.7-fp8")``: the directory of a fixture checkpoint, as the generator's command builds it."""
    root = tmp_path_factory.mktemp("checkpoints")

    def build(name: str) -> Path:
        target = root / name
        if not target.exists():
            subprocess.run([sys.executable, str(ROOT / "fixtures" / "build.py"), name, str(target)], check=True)
        return target

    return build
