"""``ascend-compat explain``: the page of a finding code, or the path that led to a finding of a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ascend_compat.core.report import ReportDocument
    from ascend_compat.report.excerpts import Lines


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    about = "the page of a finding code; with --finding, the path that led to it for a model"
    parser = commands.add_parser("explain", help=about, description=about)
    parser.add_argument("model", metavar="CODE|MODEL", help="AC301, or a model together with --finding")
    parser.add_argument("--finding", metavar="CODE", help="explain this finding of MODEL")
    parser.add_argument(
        "--source",
        metavar="DIR",
        action="append",
        help="show the source lines too: a vllm-ascend or vllm tree of the release, or a folder that holds both "
        "(may be given twice)",
    )
    options.add_common(parser, ("text",))
    options.add_target(parser)
    options.add_launch(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the page, or the finding with its evidence, path and remedies."""
    if args.finding is None:
        if args.source:
            from ascend_compat.errors import UsageError

            raise UsageError("--source shows the lines of a finding", "add --finding CODE and give a model")
        output.write(_page(args.model.upper(), args.lang), args.output)
        return exit_codes.OK
    return _path(args)


def _page(code: str, lang: str) -> str:
    from ascend_compat.errors import UsageError
    from ascend_compat.report.pages import codes, in_language, page

    text = page(code)
    if text is None:
        known = ", ".join(codes()) or "none"
        raise UsageError(f"{code} is not a documented finding code", f"documented: {known}; for a model add --finding")
    return in_language(text, lang)


def _path(args: argparse.Namespace) -> int:
    from ascend_compat.report.text import render_finding

    doc = options.run_analysis(args)
    lines = _lines(args, doc) if args.source else None
    text = render_finding(
        doc, args.finding.upper(), args.lang, width=output.width(args), color=output.color(args), lines=lines
    )
    output.write(text, args.output)
    return exit_codes.OK


def _lines(args: argparse.Namespace, doc: ReportDocument) -> Lines:
    """How to find source lines in the directories that were given; a tree without a version is talked about."""
    from ascend_compat.report.catalog import render
    from ascend_compat.report.escape import visible
    from ascend_compat.source.trees import SourceTrees

    trees = SourceTrees(args.source, {"vllm_ascend": doc.target.vllm_ascend, "vllm": doc.target.vllm})
    for tree in trees.unversioned():
        output.talk(args, visible(render("explain.unversioned", {"tree": str(tree.root)}, args.lang)))
    return trees.excerpt
