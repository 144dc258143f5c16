"""``rules build``: extract a pack from two source trees; nothing of them is executed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("build", help="extract a pack from two source trees; nothing of them is executed")
    add_trees(parser, required=True)
    parser.set_defaults(run=run)
    options.add_common(parser, ("text",))


def run(args: argparse.Namespace) -> int:
    """A pack from the trees, to a file or to stdout."""
    output.write(build_text(args), args.output)
    return exit_codes.OK


def add_trees(parser: argparse.ArgumentParser, required: bool) -> None:
    """``--vllm-ascend`` and ``--vllm``."""
    parser.add_argument("--vllm-ascend", metavar="SRC", required=required, help="vllm-ascend source tree")
    parser.add_argument("--vllm", metavar="SRC", required=required, help="the vllm source tree it is paired with")


def build_text(args: argparse.Namespace) -> str:
    """The pack of the trees that were given, as it is stored."""
    from ascend_compat.errors import TreeError

    for tree in (args.vllm_ascend, args.vllm):
        if not Path(tree).is_dir():
            raise TreeError(f"{tree} is not a directory", "unpack the sdist or give a checkout")
    from ascend_compat.extract.build import build_pack, dump_pack

    return dump_pack(build_pack(Path(args.vllm_ascend), Path(args.vllm)))
