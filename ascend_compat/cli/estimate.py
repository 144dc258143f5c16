"""``ascend-compat estimate``: bytes per rank, KV capacity and the smallest card count."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    about = "memory of a layout, or the smallest layout that fits"
    parser = commands.add_parser("estimate", help=about, description=f"{about}; exit code 1 when it does not fit")
    parser.add_argument("model", metavar="MODEL", help="directory, org/name, hf:org/name[@rev] or ms:org/name[@rev]")
    options.add_common(parser, ("text", "json"))
    options.add_target(parser)
    options.add_launch(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Only the memory part of the analysis decides the exit code here."""
    from ascend_compat.report.text import render_estimate

    doc = options.run_analysis(args)
    if args.format == "json":
        parts = doc.model_dump(mode="json", include={"schema_version", "model", "target", "memory"})
        text = json.dumps(parts, ensure_ascii=False, indent=2) + "\n"
    else:
        text = render_estimate(doc, args.lang, width=output.width(args), color=output.color(args))
    output.write(text, args.output)
    return exit_codes.FINDINGS if doc.memory.fits is False else exit_codes.OK
