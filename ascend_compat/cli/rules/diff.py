"""``rules diff``: what changed for users between two releases."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output
from ascend_compat.cli.rules.packs import add_rules, open_pack, open_rules

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ascend_compat.core.change import Comparison


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    about = "what changed for users between two releases; --verbose shows long lists whole"
    parser = verbs.add_parser("diff", help=about, description=about)
    parser.add_argument("a", metavar="A", help="release or pack file")
    parser.add_argument("b", metavar="B", help="release or pack file")
    add_rules(parser)
    parser.set_defaults(run=run)
    options.add_common(parser, ("text", "json", "markdown"))


def run(args: argparse.Namespace) -> int:
    """The comparison in the format asked for; differences are no failure."""
    from ascend_compat.report.changes import render_changes_json, render_changes_markdown, render_changes_text

    found = _compare(args)
    if args.format == "json":
        text = render_changes_json(found, args.lang)
    elif args.format == "markdown":
        text = render_changes_markdown(found, args.lang)
    else:
        text = render_changes_text(
            found, args.lang, width=output.width(args), color=output.color(args), full=args.verbose
        )
    output.write(text, args.output)
    return exit_codes.OK


def _compare(args: argparse.Namespace) -> Comparison:
    """Both packs, replayed on every SoC that has memory of its own: ``generic`` is no device."""
    from ascend_compat.knowledge.compare import compare
    from ascend_compat.memory.soc import load_soc_rules

    rules = open_rules(args)
    socs = load_soc_rules(rules.directory / "curated")
    devices = {row.name: row.device_type for row in socs if row.memory_bytes is not None}
    return compare(open_pack(args, args.a), open_pack(args, args.b), devices, rules.externals)
