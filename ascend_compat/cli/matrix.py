"""``ascend-compat matrix``: every packed release x every SoC, and the first release that runs the model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ascend_compat.report.matrix import Cell


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    about = "every packed release x every SoC: verdict and first blocker"
    parser = commands.add_parser("matrix", help=about, description=f"{about}; exit code 1 when none runs the model")
    parser.add_argument("model", metavar="MODEL", help="directory, org/name, hf:org/name[@rev] or ms:org/name[@rev]")
    options.add_common(parser, ("text", "json", "markdown"))
    options.add_target(parser)
    options.add_launch(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``--target`` and ``--soc`` narrow the matrix to one row or column."""
    from ascend_compat.report.matrix import first, render_json, render_matrix_markdown, render_matrix_text

    cells = [_cell(args, release, soc) for release in _releases(args) for soc in _socs(args)]
    if args.format == "json":
        text = render_json(args.model, cells)
    elif args.format == "markdown":
        text = render_matrix_markdown(args.model, cells, args.lang)
    else:
        text = render_matrix_text(args.model, cells, args.lang, output.width(args), output.color(args))
    output.write(text, args.output)
    return exit_codes.OK if first(cells) else exit_codes.FINDINGS


def _cell(args: argparse.Namespace, release: str, soc: str) -> Cell:
    """One analysis; a SoC or release that can't be judged is a cell of its own, a bad model ends the command."""
    from ascend_compat.errors import RuleError, UsageError
    from ascend_compat.report.matrix import cell, unjudged

    if args.verbose:
        output.talk(args, f"ascend-compat: {release} on {soc}")
    try:
        return cell(options.run_analysis(args, target=release, soc=soc), release, soc, args.lang)
    except (RuleError, UsageError) as error:
        return unjudged(release, soc, str(error))


def _releases(args: argparse.Namespace) -> list[str]:
    if args.target is not None:
        return [args.target]
    from ascend_compat.errors import RuleError
    from ascend_compat.knowledge.load import Rules
    from ascend_compat.location import rules_directory

    rules = Rules(rules_directory(args.rules))
    releases = rules.releases()
    if not releases:
        raise RuleError(f"no packs under {rules.directory / 'packs'}", "build one: ascend-compat rules build")
    return releases


def _socs(args: argparse.Namespace) -> list[str]:
    if args.soc is not None:
        return [args.soc]
    from ascend_compat.location import rules_directory
    from ascend_compat.memory.soc import load_soc_rules

    return [row.name for row in load_soc_rules(rules_directory(args.rules) / "curated")]
