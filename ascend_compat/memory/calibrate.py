"""A user's own start-up log: the lines that state memory, and how far they are from the estimate of the same layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ascend_compat.core.plan import Layout
from ascend_compat.core.target import Calibration
from ascend_compat.core.units import GIB, MIB
from ascend_compat.errors import UsageError
from ascend_compat.memory.case import Case, Factors
from ascend_compat.memory.overhead import INSIDE, overheads
from ascend_compat.memory.pieces import Piece
from ascend_compat.memory.weights import stage_weights

_NUMBER = r"(-?\d+(?:\.\d+)?)"
#: Fields and the sentences of the engine that state them, in GiB (the engine writes GB and means GiB).
_PATTERNS: Mapping[str, tuple[str, ...]] = {
    "weights": (
        rf"[Ll]oading model weights took {_NUMBER} ?GB",
        rf"[Mm]odel loading took {_NUMBER} ?GiB",
        rf"{_NUMBER} ?GiB for weights?\b",
    ),
    "activation": (rf"{_NUMBER} ?GiB for peak activation", rf"torch peak memory increase takes {_NUMBER} ?GiB"),
    "non_torch": (rf"{_NUMBER} ?GiB for non-torch", rf"non-torch(?: forward increase)? memory takes {_NUMBER} ?GiB"),
    "graph": (
        rf"[Gg]raph capturing finished in .*?took {_NUMBER} ?GiB",
        rf"{_NUMBER} ?GiB for NPU ?[Gg]raph memory",
    ),
    "kv_cache": (rf"Available KV cache memory: {_NUMBER} ?GiB", rf"Current KV cache memory: {_NUMBER} ?GiB"),
    "device": (rf"Free memory on device \([\d.]+/{_NUMBER} ?GiB\)",),
}
#: Sentences of older releases that state bytes.
_IN_BYTES: Mapping[str, str] = {
    "kv_cache": r"Available memory: (-?\d+), total memory",
    "device": r"Available memory: -?\d+, total memory: (\d+)",
}
_LARGEST_LOG = 64 * MIB


def read_log(path: str) -> Calibration:
    """What a log file states; the largest value of a field, as every rank writes its own line.

    Raises :class:`UsageError` for a file that can't be read or states nothing about memory.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST_LOG).decode("utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", "give the engine's start-up log") from None
    found = parse_log(text, Path(path).name)
    if found == Calibration(found.source):
        hint = "it needs lines such as 'Loading model weights took 27.5376 GB' or 'Available KV cache memory: 9.6 GiB'"
        raise UsageError(f"{path} says nothing about memory", hint)
    return found


def parse_log(text: str, source: str) -> Calibration:
    """The memory a log states, in bytes; of several ranks the fewest bytes of KV cache and the most of the rest."""
    values: dict[str, int] = {}
    for name, patterns in _PATTERNS.items():
        sizes = [int(float(match) * GIB) for pattern in patterns for match in re.findall(pattern, text)]
        if name in _IN_BYTES:
            sizes += [int(match) for match in re.findall(_IN_BYTES[name], text)]
        if sizes:
            values[name] = min(sizes) if name == "kv_cache" else max(sizes)
    return Calibration(source, **values)


def calibrate(case: Case, pieces: Sequence[Piece], layout: Layout) -> Case:
    """The case with the device memory and the factors that make the estimate of ``layout`` equal the log.

    A log without an activation line states it indirectly: budget - KV cache - weights - non-torch.
    """
    known = case.launch.calibration
    if known is None:
        return case
    if known.device:
        soc = replace(case.target.soc, memory_bytes=known.device)
        case = replace(case, target=replace(case.target, soc=soc))
    computed = max(sum(item.bytes for item in stage_weights(case, pieces, layout, stage)) for stage in range(layout.pp))
    parts = overheads(case, pieces, layout)
    weights = known.weights or computed
    activation = known.activation
    if activation is None and known.kv_cache is not None:
        other = known.non_torch if known.non_torch is not None else parts.non_torch.likely
        graphs = parts.graph.likely if parts.graph.name == INSIDE else 0
        activation = max(0, case.budget - known.kv_cache - weights - other - graphs)
    return replace(case, factors=Factors(
        known.source,
        weights / computed if computed else 1.0,
        None if activation is None else activation / max(1, parts.activation.likely),
        None if known.non_torch is None else known.non_torch - parts.non_torch.likely,
        known.graph,
    ))  # fmt: skip
