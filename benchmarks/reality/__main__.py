"""Holds the tool against reported outcomes and writes docs/reality.md: ``python benchmarks/reality [-o FILE]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Command line; exit code 1 when a silent green or a false alarm is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=HERE.parents[1] / "docs" / "reality.md")
    parser.add_argument("--rows", nargs="*", default=(), help="only rows whose id holds one of these, printed")
    parser.add_argument("--keep", type=Path, help="a file of answers: read where it is, written again with what is new")
    arguments = parser.parse_args()
    sys.path[1:1] = [str(HERE.parent), str(HERE.parents[1] / "fixtures")]
    from run import run

    return run(arguments.output, tuple(arguments.rows), arguments.keep)


if __name__ == "__main__":
    raise SystemExit(main())
