"""``ascend-compat check``: the verdict and the findings, for a terminal or for a pipeline."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ascend_compat.core.report import ReportDocument

FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    about = "say whether a checkpoint runs on a release, and why"
    parser = commands.add_parser("check", help=about, description=about)
    parser.add_argument("model", metavar="MODEL", help="directory, org/name, hf:org/name[@rev] or ms:org/name[@rev]")
    options.add_fail_on(parser)
    options.add_common(parser, FORMATS)
    options.add_target(parser)
    options.add_launch(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Analyse, write one document, and let the exit code say what was found."""
    from ascend_compat.report.threshold import fails

    doc = options.run_analysis(args)
    output.write(render(doc, args), args.output)
    return exit_codes.FINDINGS if fails(doc, args.fail_on) else exit_codes.OK


def render(doc: ReportDocument, args: argparse.Namespace) -> str:
    """The document in the format asked for."""
    if args.format == "json":
        return doc.to_json() + "\n"
    if args.format == "sarif":
        from ascend_compat.report.sarif import render_sarif

        return render_sarif(doc, args.lang)
    if args.format == "junit":
        from ascend_compat.report.junit import render_junit

        return render_junit(doc, args.lang, args.fail_on)
    if args.format == "github":
        from ascend_compat.report.github import render_github

        return render_github(doc, args.lang)
    if args.format == "markdown":
        from ascend_compat.report.markdown import render_markdown

        return render_markdown(doc, args.lang)
    from ascend_compat.report.text import render_text

    return render_text(doc, args.lang, width=output.width(args), color=output.color(args))
