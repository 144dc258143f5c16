"""What the verbs share: the rules directory, and a pack by release or file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ascend_compat.knowledge.load import Rules


def add_rules(parser: argparse.ArgumentParser) -> None:
    """``--rules DIR``."""
    parser.add_argument("--rules", metavar="DIR", help="rules directory (default: the installed rules)")


def open_rules(args: argparse.Namespace) -> Rules:
    """The rules directory that was asked for."""
    from ascend_compat.knowledge.load import Rules
    from ascend_compat.location import rules_directory

    return Rules(rules_directory(args.rules))


def open_pack(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """A pack by file name (``.json``, ``.json.gz``) or release."""
    from ascend_compat.core.pack_file import is_pack_name
    from ascend_compat.knowledge.load import read_pack

    file = Path(name)
    return read_pack(file) if is_pack_name(name) else open_rules(args).pack(name)
