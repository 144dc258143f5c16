"""``ascend-compat rules``: list, show, build and check rule packs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ascend_compat.knowledge.load import Rules


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    about = "list, show, build or check rule packs"
    verbs = commands.add_parser("rules", help=about, description=about).add_subparsers(metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="packed releases, oldest first")
    listed.set_defaults(run=run_list)
    shown = verbs.add_parser("show", help="what a pack holds")
    shown.add_argument("release", metavar="RELEASE|FILE")
    shown.set_defaults(run=run_show)
    built = verbs.add_parser("build", help="extract a pack from two source trees; nothing of them is executed")
    _add_trees(built, required=True)
    built.set_defaults(run=run_build)
    checked = verbs.add_parser("check", help="read every rule file; with trees, compare a pack with a fresh build")
    checked.add_argument("release", nargs="?", metavar="RELEASE|FILE", help="the pack to compare")
    _add_trees(checked, required=False)
    checked.set_defaults(run=run_check)
    for parser in (listed, shown, built, checked):
        parser.add_argument("--rules", metavar="DIR", help="rules directory (default: the installed rules)")
        options.add_common(parser, ("text", "json") if parser is shown else ("text",))


def run_list(args: argparse.Namespace) -> int:
    """One release and its file per line."""
    rules = _rules(args)
    lines = [f"{release}\t{rules.directory / 'packs' / f'{release}.json'}" for release in rules.releases()]
    output.write("".join(f"{line}\n" for line in lines), args.output)
    return exit_codes.OK


def run_show(args: argparse.Namespace) -> int:
    """The sections of a pack with their sizes, or the pack itself as JSON."""
    import json

    from ascend_compat.report.escape import terminal

    pack = _pack(args)
    if args.format == "json":
        text = json.dumps(pack, ensure_ascii=False, indent=2) + "\n"
    else:
        text = "".join(f"{terminal(name):<28} {terminal(_extent(value))}\n" for name, value in pack.items())
    output.write(text, args.output)
    return exit_codes.OK


def run_build(args: argparse.Namespace) -> int:
    """A pack from the trees, to a file or to stdout."""
    output.write(_build(args), args.output)
    return exit_codes.OK


def run_check(args: argparse.Namespace) -> int:
    """Raise for the first rule file that can't be read; with trees, say whether the pack is what they give."""
    if args.vllm_ascend is not None or args.vllm is not None:
        return _compare(args)
    from ascend_compat.memory.soc import load_soc_rules
    from ascend_compat.report.catalog import LANGUAGES, templates

    rules = _rules(args)
    releases = rules.releases()
    for release in releases:
        rules.pack(release)
    curated = (rules.casts, rules.hardware, rules.externals, load_soc_rules(rules.directory / "curated"))
    messages = sum(len(templates(lang)) for lang in LANGUAGES)
    output.write(f"{len(releases)} packs, {len(curated)} curated files, {messages} messages: readable\n", args.output)
    return exit_codes.OK


def _compare(args: argparse.Namespace) -> int:
    from ascend_compat.errors import UsageError

    if args.vllm_ascend is None or args.vllm is None or args.release is None:
        raise UsageError("a comparison needs a pack and both trees", "rules check R --vllm-ascend SRC --vllm SRC")
    from ascend_compat.extract.build import dump_pack

    same = dump_pack(_pack(args)) == _build(args)
    output.write(f"{args.release}: {'same bytes' if same else 'differs from what the trees give'}\n", args.output)
    return exit_codes.OK if same else exit_codes.FINDINGS


def _build(args: argparse.Namespace) -> str:
    from ascend_compat.errors import TreeError

    for tree in (args.vllm_ascend, args.vllm):
        if not Path(tree).is_dir():
            raise TreeError(f"{tree} is not a directory", "unpack the sdist or give a checkout")
    from ascend_compat.extract.build import build_pack, dump_pack

    return dump_pack(build_pack(Path(args.vllm_ascend), Path(args.vllm)))


def _pack(args: argparse.Namespace) -> dict[str, Any]:
    from ascend_compat.knowledge.load import read_pack

    file = Path(args.release)
    return read_pack(file) if file.suffix == ".json" else _rules(args).pack(args.release)


def _rules(args: argparse.Namespace) -> Rules:
    from ascend_compat.knowledge.load import Rules
    from ascend_compat.location import rules_directory

    return Rules(rules_directory(args.rules))


def _add_trees(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--vllm-ascend", metavar="SRC", required=required, help="vllm-ascend source tree")
    parser.add_argument("--vllm", metavar="SRC", required=required, help="the vllm source tree it is paired with")


def _extent(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"{len(value)} entries"
    return str(value)
