"""The parser tree, the dispatch, and how a run ends."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence

from ascend_compat.cli import check, estimate, exit_codes, explain, matrix, output, report, rules

_COMMANDS = (report, check, estimate, matrix, explain, rules)
_EPILOG = """\
exit codes: 0 nothing at or above --fail-on; 1 findings at or above it; 2 usage; 3 the input can't be analysed
"""


def run() -> int:
    """The command of a process of its own: nothing is collected in a process that answers once and ends."""
    gc.disable()
    code = main()
    gc.freeze()  # the interpreter's last collection would look at every object there is
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; bad input gives one line on stderr, never a traceback."""
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed help or a usage error
        return stop.code if isinstance(stop.code, int) else exit_codes.USAGE
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        output.drop_stdout()
        return exit_codes.BROKEN_PIPE
    except Exception as error:
        return _failed(args, error)
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command; importing it pulls in nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="ascend-compat",
        description="Will this checkpoint run on that vllm-ascend release on those Ascend NPUs?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


class _Version(argparse.Action):
    """``--version`` that looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("ascend-compat")
        except PackageNotFoundError:
            found = "unknown (not installed)"
        sys.stdout.write(f"ascend-compat {found}\n")
        parser.exit()


def _failed(args: argparse.Namespace, error: Exception) -> int:
    """One line for an expected failure and for a defect; ``--verbose`` adds the trace of a defect."""
    from ascend_compat.errors import AscendCompatError

    if isinstance(error, AscendCompatError):
        output.complain(str(error), error.hint)
        return error.exit_code
    if args.verbose:
        import traceback

        traceback.print_exception(error)
    output.complain(f"internal error: {type(error).__name__}: {error}", "--verbose shows where; please report it")
    return exit_codes.NOT_ANALYSED
