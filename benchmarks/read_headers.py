"""Times the checkpoint reader against bare byte reading: ``python benchmarks/read_headers.py DIR [ROUNDS]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.source.local import LocalSource


def bare(directory: Path) -> int:
    """Read the length and the header text of every shard, and the index; parse nothing. Returns bytes read."""
    total = 0
    for path in sorted(directory.glob("*.safetensors")):
        with path.open("rb") as file:
            total += len(file.read(int.from_bytes(file.read(8), "little")))
    for path in directory.glob("*.json"):
        total += len(path.read_bytes())
    return total


def best(work: Callable[[], object], rounds: int) -> float:
    """Shortest time of ``rounds`` runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Print both times and their ratio."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    directory = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    facts = read_checkpoint(LocalSource(str(directory), directory))
    floor = best(lambda: bare(directory), rounds)
    reader = best(lambda: read_checkpoint(LocalSource(str(directory), directory)), rounds)
    print(f"{facts.tensor_count} tensors in {facts.shards} shards, {bare(directory):,} bytes of headers and JSON")
    print(f"bare reading {floor * 1000:.1f} ms, read_checkpoint {reader * 1000:.1f} ms, ratio {reader / floor:.0f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
