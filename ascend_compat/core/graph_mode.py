"""Which graphs a launch asks for, by the options of ``vllm serve``."""

from __future__ import annotations

from collections.abc import Mapping

from ascend_compat.core.json_flag import read_json
from ascend_compat.core.target import LaunchProfile

FLAG = "--compilation-config"
NONE = "NONE"
_KEY = "cudagraph_mode"
_NO_JSON = object()


def graph_mode(launch: LaunchProfile) -> tuple[str, ...] | None:
    """``cudagraph_mode`` in capitals, ``NONE`` for eager execution; empty when not given, ``None`` for no JSON.

    ``--compilation-config.cudagraph_mode X`` says the same as the key of the object.
    """
    if launch.enforce_eager:
        return (NONE,)
    flags = launch.flags or {}
    dotted = flags.get(f"{FLAG}.{_KEY}")
    if dotted is not None:
        return (dotted.upper(),)
    given = flags.get(FLAG)
    if given is None:
        return ()
    found = read_json(given, _NO_JSON)
    if found is _NO_JSON:
        return None
    mode = found.get(_KEY) if isinstance(found, Mapping) else None
    return (mode.upper(),) if isinstance(mode, str) else ()


def captures(launch: LaunchProfile) -> bool:
    """Whether graphs are captured: they are unless the launch says otherwise."""
    return graph_mode(launch) != (NONE,)
