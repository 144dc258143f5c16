"""Where output goes: data to stdout or a file opened late, talk to stderr."""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

_FILE_WIDTH = 100
_WIDEST = 140


def write(text: str, path: str | None) -> None:
    """Data to ``path``, or to stdout for ``None`` and ``-``; a file is opened only now that its content exists.

    A file that ends in ``.gz`` is compressed, the same text to the same bytes.

    Raises ``UsageError`` when it can't be written, ``BrokenPipeError`` when the reader of stdout has gone.
    """
    try:
        if path is None or path == "-":
            _put(sys.stdout, text)
            sys.stdout.flush()
            return
        content = text.encode("utf-8", errors="backslashreplace")
        Path(path).write_bytes(gzip.compress(content, mtime=0) if path.endswith(".gz") else content)
    except BrokenPipeError:
        raise
    except OSError as error:
        from ascend_compat.errors import UsageError

        raise UsageError(f"can't write {path or 'to stdout'}: {error.strerror}", "choose another -o FILE") from error


def talk(args: argparse.Namespace, text: str) -> None:
    """A line for the person at the terminal; nothing with ``--quiet``."""
    if not args.quiet:
        _put(sys.stderr, text + "\n")


def complain(message: str, hint: str = "") -> None:
    """An error as one line on stderr."""
    from ascend_compat.report.escape import visible

    line = " ".join(message.split())
    _put(sys.stderr, visible(f"ascend-compat: error: {line}{f' ({hint})' if hint else ''}") + "\n")


def color(args: argparse.Namespace) -> bool:
    """Whether to style the text: a terminal, no ``--no-color``, no ``NO_COLOR``, no ``-o``."""
    if args.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or _to_file(args):
        return False
    return sys.stdout.isatty()


def width(args: argparse.Namespace) -> int:
    """Columns of the page: the terminal's (or ``COLUMNS``), at most 140; 100 for a file or a pipe."""
    if _to_file(args) or not (sys.stdout.isatty() or os.environ.get("COLUMNS")):
        return _FILE_WIDTH
    return min(shutil.get_terminal_size().columns, _WIDEST)


def drop_stdout() -> None:
    """After a broken pipe: let the interpreter flush into nothing instead of complaining at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _to_file(args: argparse.Namespace) -> bool:
    return getattr(args, "file_output", False) and args.output not in (None, "-")


def _put(stream: TextIO, text: str) -> None:
    """Write what the stream's encoding can hold, the rest spelled out."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
