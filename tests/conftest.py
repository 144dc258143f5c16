"""What several test folders share: the fixture checkpoints, built once a run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def build_checkpoint(name: str, target: Path) -> Path:
    """A fixture checkpoint in ``target``. Build it anew to damage it: copying would fill its sparse files."""
    subprocess.run([sys.executable, str(ROOT / "fixtures" / "build.py"), name, str(target)], check=True)
    return target


@pytest.fixture
def damageable(tmp_path: Path) -> Callable[[str], Path]:
    """``damageable("qwen3.5-0.8b")``: a fixture checkpoint of the test's own."""
    return lambda name: build_checkpoint(name, tmp_path / "model")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``checkpoint("glm-4.7-fp8")``: the directory of a fixture checkpoint, as the generator's command builds it."""
    root = tmp_path_factory.mktemp("checkpoints")

    def build(name: str) -> Path:
        target = root / name
        return target if target.exists() else build_checkpoint(name, target)

    return build
