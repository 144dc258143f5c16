"""Every command and every snippet that the documents show is run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```(bash|python)\n(.*?)```", re.DOTALL)
#: Steps of the set-up commands that .ci/run executes as they stand.
SETUP = ("python3 -m venv", ". .venv", "pip install", "pytest", "python fixtures/build.py")


def commands() -> list[str]:
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        for language, body in BLOCK.findall(document.read_text(encoding="utf-8")):
            for line in body.splitlines() if language == "bash" else ():
                for step in line.split("&&"):
                    if step.strip() and not step.strip().startswith(SETUP):
                        found[step.strip()] = None
    return list(found)


def snippets() -> list[str]:
    texts = [d.read_text(encoding="utf-8") for d in DOCUMENTS]
    return list({body: None for text in texts for language, body in BLOCK.findall(text) if language == "python"})


@pytest.fixture(scope="module")
def workplace(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("docs")
    (place / "build").mkdir()
    (place / "build" / "GLM-4.7-FP8").symlink_to(checkpoint("glm-4.7-fp8"))
    return place


def run(argv: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("command", commands())
def test_a_shown_command_works(command: str, workplace: Path) -> None:
    words = shlex.split(command)
    assert words[0] == "ascend-compat", f"{command!r} is shown and no test knows how to run it"
    done = run([sys.executable, "-m", "ascend_compat", *words[1:]], workplace)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout


@pytest.mark.parametrize("snippet", snippets())
def test_a_shown_snippet_works(snippet: str, workplace: Path) -> None:
    done = run([sys.executable, "-c", snippet], workplace)
    assert done.returncode == 0, done.stderr
    assert "incompatible" in done.stdout


def test_both_readmes_show_the_same_commands() -> None:
    def shown(path: Path) -> list[str]:
        lines = "\n".join(b for lang, b in BLOCK.findall(path.read_text(encoding="utf-8")) if lang == "bash")
        return lines.replace(" --lang zh", "").splitlines()

    assert shown(ROOT / "README.md") == shown(ROOT / "README.zh.md")
