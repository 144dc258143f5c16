"""``rules check``: read every rule file; with trees, compare a pack with a fresh build."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output
from ascend_compat.cli.rules.build import add_trees, build_text
from ascend_compat.cli.rules.packs import add_rules, open_pack, open_rules

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("check", help="read every rule file; with trees, compare a pack with a fresh build")
    parser.add_argument("release", nargs="?", metavar="RELEASE|FILE", help="the pack to compare")
    add_trees(parser, required=False)
    add_rules(parser)
    parser.set_defaults(run=run)
    options.add_common(parser, ("text",))


def run(args: argparse.Namespace) -> int:
    """Print every problem of the rule files; with trees, say whether the pack is what they give."""
    if args.vllm_ascend is not None or args.vllm is not None:
        return _compare(args)
    from ascend_compat.knowledge.curated import FILES as KNOWLEDGE
    from ascend_compat.knowledge.curated import problems
    from ascend_compat.memory.soc import FILES as MEMORY
    from ascend_compat.report.catalog import LANGUAGES, templates

    rules = open_rules(args)
    releases = rules.releases()
    for release in releases:
        rules.pack(release)
    wrong = problems(rules.directory / "curated", MEMORY)
    if wrong:
        output.write("\n".join(wrong) + "\n", args.output)
        return exit_codes.FINDINGS
    curated = {**KNOWLEDGE, **MEMORY}
    messages = sum(len(templates(lang)) for lang in LANGUAGES)
    output.write(f"{len(releases)} packs, {len(curated)} curated files, {messages} messages: readable\n", args.output)
    return exit_codes.OK


def _compare(args: argparse.Namespace) -> int:
    from ascend_compat.errors import UsageError
    from ascend_compat.extract.build import dump_pack

    if args.vllm_ascend is None or args.vllm is None or args.release is None:
        raise UsageError("a comparison needs a pack and both trees", "rules check R --vllm-ascend SRC --vllm SRC")
    same = dump_pack(open_pack(args, args.release)) == build_text(args)
    output.write(f"{args.release}: {'same bytes' if same else 'differs from what the trees give'}\n", args.output)
    return exit_codes.OK if same else exit_codes.FINDINGS
