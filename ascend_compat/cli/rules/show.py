"""``rules list`` and ``rules show``: which releases are packed, and what a pack holds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ascend_compat.cli import exit_codes, options, output
from ascend_compat.cli.rules.packs import add_rules, open_pack, open_rules

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both verbs."""
    listed = verbs.add_parser("list", help="packed releases, oldest first")
    listed.set_defaults(run=run_list)
    add_rules(listed)
    options.add_common(listed, ("text",))
    shown = verbs.add_parser("show", help="what a pack holds, and what could not be followed")
    shown.add_argument("release", metavar="RELEASE|FILE")
    shown.set_defaults(run=run_show)
    add_rules(shown)
    options.add_common(shown, ("text", "json"))


def run_list(args: argparse.Namespace) -> int:
    """One release and its file per line."""
    rules = open_rules(args)
    lines = [f"{release}\t{rules.file(release)}" for release in rules.releases()]
    output.write("".join(f"{line}\n" for line in lines), args.output)
    return exit_codes.OK


def run_show(args: argparse.Namespace) -> int:
    """What a pack holds in counts, or the pack itself as JSON."""
    import json

    pack = open_pack(args, args.release)
    as_json = args.format == "json"
    text = json.dumps(pack, ensure_ascii=False, indent=2) + "\n" if as_json else summary(pack, args.verbose)
    output.write(text, args.output)
    return exit_codes.OK


def summary(pack: dict[str, Any], every: bool) -> str:
    """One line per section, then what could not be followed: the first few, or ``every`` one."""
    from ascend_compat.extract.statistics import statistics, unfollowed
    from ascend_compat.report.escape import visible

    lines = (f"{name:<24} {line}" for name, line in statistics(pack))
    return "".join(f"{visible(line)}\n" for line in (*lines, *unfollowed(pack, every)))
