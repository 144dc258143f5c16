"""Environment variables as the code of a release reads them at a launch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWNERS = ("vllm.envs", "vllm_ascend.envs")


def variables(pack: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Variables under the names the code reads them by: as ``given``, else at their literal defaults.

    A given text becomes what the default is: the tables of both trees read numbers and switches with ``int``.
    """
    out: dict[str, Any] = {}
    for name, entry in pack.get("environment", {}).items():
        text, default = given.get(name), entry.get("default")
        if isinstance(default, (dict, list)) or (text is None and "default" not in entry):
            continue
        out.update(dict.fromkeys((f"{owner}.{name}" for owner in OWNERS), _read(text, default)))
    return out


def _read(text: str | None, default: Any) -> Any:
    """What a table of variables makes of a text; the default where there is none, or none of its kind."""
    if text is None:
        return default
    if isinstance(default, bool):
        return text.strip().lower() in ("1", "true")
    if isinstance(default, int):
        return int(text) if text.strip().lstrip("-").isdigit() else default
    return text
