"""A progress bar on stderr, for a person at a terminal only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ascend_compat.extract.progress import silent

if TYPE_CHECKING:
    from ascend_compat.extract.progress import Progress


@contextmanager
def bar(args: argparse.Namespace) -> Iterator[Progress]:
    """What long steps report to; nothing is shown with ``--quiet`` or where stderr is not a terminal."""
    if args.quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True, no_color=args.no_color or None)
    with Bar(*columns, console=console, transient=True) as shown:
        task = shown.add_task("start", total=None)
        yield lambda step, done, total: shown.update(task, description=step, completed=done, total=total)
