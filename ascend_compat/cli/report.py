"""``ascend-compat report``: analyse a checkpoint and write every file of the report."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    about = "write ANALYSIS_REPORT.md, RUNBOOK.md, <model>.yaml, report.json and report.html"
    parser = commands.add_parser("report", help=about, description=about)
    parser.add_argument("model", metavar="MODEL", help="directory, org/name, hf:org/name[@rev] or ms:org/name[@rev]")
    options.add_fail_on(parser)
    options.add_common(parser, ("text", "json"), directory=True)
    options.add_target(parser)
    options.add_launch(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files, show the answer on stdout, say on stderr where the files are."""
    from pathlib import Path

    from ascend_compat.report.escape import file_name
    from ascend_compat.report.text import render_text
    from ascend_compat.report.threshold import fails
    from ascend_compat.report.write import write_report

    doc = options.run_analysis(args)
    directory = Path(args.output or f"{file_name(doc.model.name)}-report")
    written = write_report(doc, directory, args.lang)
    if args.format == "json":
        output.write(doc.to_json() + "\n", None)
    elif not args.quiet:
        output.write(render_text(doc, args.lang, width=output.width(args), color=output.color(args)), None)
    names = ", ".join(path.name for path in written)
    output.talk(args, f"ascend-compat: wrote {names} to {directory}")
    return exit_codes.FINDINGS if fails(doc, args.fail_on) else exit_codes.OK
