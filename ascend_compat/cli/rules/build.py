"""``rules build``: extract a pack from source trees, wherever they are; nothing of them is executed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ascend_compat.cli import exit_codes, options, output

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_SOURCES = "directory, path@rev of a git checkout, .tar.gz or .whl, or a requirement such as %s"


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("build", help="extract a pack from source trees; nothing of them is executed")
    add_trees(parser, required=True)
    parser.set_defaults(run=run)
    options.add_common(parser, ("text",))


def run(args: argparse.Namespace) -> int:
    """A pack from the trees, to a file or to stdout; what it holds, to stderr."""
    from ascend_compat.cli.rules.show import summary
    from ascend_compat.extract.build import dump_pack

    pack = build(args)
    output.write(dump_pack(pack), args.output)
    output.talk(args, summary(pack, args.verbose).rstrip("\n"))
    return exit_codes.OK


def add_trees(parser: argparse.ArgumentParser, required: bool) -> None:
    """``--vllm-ascend`` and ``--vllm``, and where releases come from."""
    group = parser.add_argument_group("trees")
    engine = "the vllm tree, in the same forms (default: the release that the vllm-ascend tree pins)"
    group.add_argument("--vllm-ascend", metavar="SRC", required=required, help=_SOURCES % "vllm-ascend==0.30.0rc2")
    group.add_argument("--vllm", metavar="SRC", help=engine)
    group.add_argument("--index-url", metavar="URL", help="package index (default: PIP_INDEX_URL, then PyPI)")
    group.add_argument("--offline", action="store_true", help="use releases downloaded before only, no network")


def build(args: argparse.Namespace) -> dict[str, Any]:
    """The pack of the trees that were given, with a progress bar."""
    from ascend_compat.cli.progress import bar
    from ascend_compat.extract.obtain import obtain_pack
    from ascend_compat.extract.origin.index import Access

    with bar(args) as progress:
        access = Access(args.index_url, args.offline, progress)
        return obtain_pack(args.vllm_ascend, args.vllm, access)


def build_text(args: argparse.Namespace) -> str:
    """The pack of the trees that were given, as it is stored."""
    from ascend_compat.extract.build import dump_pack

    return dump_pack(build(args))
