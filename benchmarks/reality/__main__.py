"""Holds the tool against reported outcomes and writes their page: ``python benchmarks/reality [--table fresh]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Command line; exit code 1 when a silent green or a false alarm is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", choices=("reports", "fresh"), default="reports",
        help="reports: the shared rows, docs/reality.md; fresh: the rows of fresh.toml, docs/reality-fresh.md",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, help="the page to write, instead of that of the table")
    parser.add_argument(
        "--rows", nargs="*", default=(), help="only rows whose id holds one of these; prints, writes nothing"
    )
    parser.add_argument("--keep", type=Path, help="a file of answers: read where it is, written again with what is new")
    arguments = parser.parse_args()
    sys.path[1:1] = [str(HERE.parent), str(HERE.parents[1] / "fixtures")]
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    from page import fresh_page, page
    from run import run
    from table import fresh, rows

    pages = HERE.parents[1] / "docs"
    table, make, output = (
        (fresh, fresh_page, pages / "reality-fresh.md")
        if arguments.table == "fresh"
        else (rows, page, pages / "reality.md")
    )
    return run(table(), make, arguments.output or output, tuple(arguments.rows), arguments.keep)


if __name__ == "__main__":
    raise SystemExit(main())
