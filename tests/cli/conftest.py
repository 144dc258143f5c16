"""A command line whose analysis is a hand-built report."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ascend_compat.cli.main import main


def _documents() -> ModuleType:
    if "report_documents" not in sys.modules:
        path = Path(__file__).parents[1] / "report" / "documents.py"
        spec = importlib.util.spec_from_file_location("report_documents", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["report_documents"] = module
        spec.loader.exec_module(module)
    return sys.modules["report_documents"]


@pytest.fixture
def build() -> ModuleType:
    """The builders of the view tests."""
    return _documents()


@pytest.fixture
def analysis(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``analyze`` and ``matrix`` give (``result``, ``matrix``) and what they were called with (``calls``)."""
    state: dict[str, Any] = {"result": _documents().incompatible(), "matrix": _documents().matrix(), "calls": []}

    def analyze(model: str, **given: Any) -> Any:
        state["calls"].append((model, given))
        result = state["result"](given) if callable(state["result"]) else state["result"]
        if isinstance(result, BaseException):
            raise result
        return result

    def matrix(model: str, **given: Any) -> Any:
        state["calls"].append((model, given))
        if isinstance(state["matrix"], BaseException):
            raise state["matrix"]
        return state["matrix"]

    fake = ModuleType("ascend_compat.api")
    fake.analyze = analyze  # type: ignore[attr-defined]  # a module made for this test
    fake.matrix = matrix  # type: ignore[attr-defined]  # likewise
    monkeypatch.setitem(sys.modules, "ascend_compat.api", fake)
    monkeypatch.setattr("ascend_compat.api", fake, raising=False)
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return state


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line; gives exit code, stdout, stderr."""

    def call(*argv: str) -> tuple[int, str, str]:
        code = main(list(argv))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
