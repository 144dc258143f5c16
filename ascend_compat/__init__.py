"""Static compatibility of checkpoints with vllm-ascend releases on Ascend NPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AscendCompatError", "LaunchProfile", "Report", "Verdict", "__version__", "analyze", "list_targets"]

if TYPE_CHECKING:
    from ascend_compat.api import Report, analyze, list_targets
    from ascend_compat.core.target import LaunchProfile
    from ascend_compat.core.verdict import Verdict
    from ascend_compat.errors import AscendCompatError

_HOMES = {
    "AscendCompatError": "errors",
    "LaunchProfile": "core.target",
    "Report": "api",
    "Verdict": "core.verdict",
    "analyze": "api",
    "list_targets": "api",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when they are first used, so that ``--help`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
