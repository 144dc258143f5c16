"""Reports the view tests render."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ascend_compat.core.report import ReportDocument


def _documents() -> ModuleType:
    """The builders of ``documents.py``, loaded by path: the folder is no package."""
    if "report_documents" not in sys.modules:
        spec = importlib.util.spec_from_file_location("report_documents", Path(__file__).parent / "documents.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["report_documents"] = module
        spec.loader.exec_module(module)
    return sys.modules["report_documents"]


@pytest.fixture
def build() -> ModuleType:
    """The builders themselves, for reports of a test's own."""
    return _documents()


@pytest.fixture
def fp8() -> ReportDocument:
    """GLM-4.7-FP8 on A2: incompatible, wrong output."""
    return _documents().incompatible()


@pytest.fixture
def w8a8() -> ReportDocument:
    """GLM-4.7 W8A8 on A2: compatible, two nodes in the launch plan."""
    return _documents().compatible()


@pytest.fixture
def bare() -> ReportDocument:
    """A report of a configuration without weights: nearly everything is unknown."""
    return _documents().bare()


@pytest.fixture
def hostile() -> ReportDocument:
    """A report whose names come from a checkpoint that attacks its reader."""
    return _documents().hostile()
