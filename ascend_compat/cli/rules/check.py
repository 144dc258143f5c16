"""``rules check``: read every rule file; with a pack, look up what its tutorials use; with trees, build it anew."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output
from ascend_compat.cli.rules.build import add_trees, build_text
from ascend_compat.cli.rules.packs import add_rules, open_pack, open_rules

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_REASONS = {"unread": "no code reads it", "unknown": "the command refuses it", "fixed": "it can't be given"}


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    about = "read every rule file; with a pack, list what its tutorials use and nobody reads; with trees, compare it"
    parser = verbs.add_parser("check", help=about, description=about)
    parser.add_argument("release", nargs="?", metavar="RELEASE|FILE", help="the pack to look at")
    add_trees(parser, required=False)
    add_rules(parser)
    parser.set_defaults(run=run)
    options.add_common(parser, ("text",))


def run(args: argparse.Namespace) -> int:
    """Print every problem of the rule files; or what the command was asked about: a comparison, a release's knobs."""
    if args.vllm_ascend is not None or args.vllm is not None:
        return _compare(args)
    if args.release is not None:
        return _unread(args)
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


def _unread(args: argparse.Namespace) -> int:
    """Flags, variables, keys and parsers that the release's own tutorials use and nobody reads, with their lines."""
    from ascend_compat.knowledge.knobs import Readers, unread_knobs
    from ascend_compat.report.escape import terminal

    pack = open_pack(args, args.release)
    tutorials = pack.get("tutorials")
    if tutorials is None:
        output.write(
            f"{args.release}: the pack holds no tutorials; build it anew: ascend-compat rules build\n", args.output
        )
        return exit_codes.OK
    found = unread_knobs(pack, Readers(open_rules(args).readers))
    lines = [f"{args.release}: {len(tutorials['pages'])} tutorials use {len(found)} names that nobody reads"]
    for knob in found:
        hint = f"; read as {knob.instead}" if knob.instead else ""
        lines.append(f"{knob.kind}  {knob.name}  ({_REASONS[knob.reason]}{hint})")
        lines.extend(f"    {place}" for place in knob.where)
    output.write("".join(f"{terminal(line)}\n" for line in lines), args.output)
    return exit_codes.OK


def _compare(args: argparse.Namespace) -> int:
    from ascend_compat.errors import UsageError
    from ascend_compat.extract.build import dump_pack

    if args.vllm_ascend is None or args.vllm is None or args.release is None:
        raise UsageError("a comparison needs a pack and both trees", "rules check R --vllm-ascend SRC --vllm SRC")
    same = dump_pack(open_pack(args, args.release)) == build_text(args)
    output.write(f"{args.release}: {'same bytes' if same else 'differs from what the trees give'}\n", args.output)
    return exit_codes.OK if same else exit_codes.FINDINGS
