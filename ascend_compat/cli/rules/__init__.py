"""``ascend-compat rules``: one module per verb."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli.rules import build, check, diff, show

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_VERBS = (show, build, check, diff)


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    about = "list, show, build, check or compare rule packs"
    verbs = commands.add_parser("rules", help=about, description=about).add_subparsers(metavar="VERB", required=True)
    for verb in _VERBS:
        verb.add_parser(verbs)
