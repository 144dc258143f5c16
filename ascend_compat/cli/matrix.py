"""``ascend-compat matrix``: every packed release x every SoC, and the first release that runs the model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ascend_compat.core.matrix import MatrixDocument


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    about = "every packed release x every SoC: verdict, first blocker, cards"
    parser = commands.add_parser("matrix", help=about, description=f"{about}; exit code 1 when none runs the model")
    parser.add_argument("model", metavar="MODEL", help="directory, org/name, hf:org/name[@rev] or ms:org/name[@rev]")
    options.add_common(parser, ("text", "json", "markdown"))
    options.add_target(parser, "every pack", "every device")
    options.add_launch(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``--target`` and ``--soc`` narrow the matrix to one row or column."""
    from ascend_compat import api
    from ascend_compat.cli.progress import bar

    with bar(args) as progress:
        doc = api.matrix(
            args.model,
            target=args.target,
            soc=args.soc,
            npu_memory=args.npu_memory,
            profile=options.profile(args),
            rules=args.rules,
            offline=args.offline,
            progress=progress,
        )
    output.write(_render(doc, args), args.output)
    return exit_codes.OK if doc.runs else exit_codes.FINDINGS


def _render(doc: MatrixDocument, args: argparse.Namespace) -> str:
    if args.format == "json":
        return doc.to_json() + "\n"
    from ascend_compat.report.matrix import render_matrix_markdown, render_matrix_text

    if args.format == "markdown":
        return render_matrix_markdown(doc, args.lang)
    return render_matrix_text(doc, args.lang, output.width(args), output.color(args))
