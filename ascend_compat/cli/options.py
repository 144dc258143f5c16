"""Options several commands share, and the launch profile they make."""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ascend_compat.cli import output
from ascend_compat.cli.serve_args import ServeArgs, merged

if TYPE_CHECKING:
    from ascend_compat.core.report import ReportDocument
    from ascend_compat.core.target import Calibration, LaunchProfile

_DEFAULT_SOC = "A2"
#: Suffixes of sizes by their power of a thousand or of 1024; none is power 0.
_POWERS = " kmgt"
#: The first number that the engine's 64-bit integers do not hold.
_TOO_LARGE = 2**63
#: Options that are fields of a launch profile by the same name.
_PROFILE = (
    "tp", "dp", "pp", "pcp", "dcp", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "quantization", "dtype",
    "gpu_memory_utilization", "speculative", "additional_config", "enforce_eager", "enable_prefix_caching",
    "kv_cache_memory_bytes",
)  # fmt: skip


def add_common(parser: argparse.ArgumentParser, formats: tuple[str, ...], directory: bool = False) -> None:
    """Language, format, output and talk; ``formats`` begins with the default."""
    group = parser.add_argument_group("output")
    group.add_argument("--lang", choices=("en", "zh"), default="en", help="language of sentences (default: en)")
    group.add_argument("--format", choices=formats, default=formats[0], help=f"default: {formats[0]}")
    where = "directory for the files" if directory else "write to FILE instead of stdout"
    group.add_argument("-o", "--output", metavar="DIR" if directory else "FILE", help=where)
    group.add_argument("--quiet", "-q", action="store_true", help="no talk on stderr")
    group.add_argument("--verbose", "-v", action="store_true", help="say more on stderr; show the trace of a defect")
    group.add_argument("--no-color", action="store_true", help="plain text; NO_COLOR does the same")
    parser.set_defaults(file_output=not directory)


def add_fail_on(parser: argparse.ArgumentParser) -> None:
    """The threshold of exit code 1; its values are those of ``report.threshold.FAIL_ON``."""
    parser.add_argument(
        "--fail-on",
        choices=("blocker", "warning", "undetermined"),
        default="blocker",
        help="exit with 1 for blockers, also for warnings, or also for what is undetermined (default: blocker)",
    )


def add_target(parser: argparse.ArgumentParser, target: str = "newest pack", soc: str = _DEFAULT_SOC) -> None:
    """What the checkpoint is judged against; ``target`` and ``soc`` say what stands for one that is not given."""
    group = parser.add_argument_group("target")
    group.add_argument(
        "--target",
        metavar="R",
        help=f"release, pack file or vllm-ascend tree: directory, path@rev, archive (default: {target})",
    )
    group.add_argument("--soc", metavar="S", help=f"A2, A3, A5, 310P or an alias such as 910B (default: {soc})")
    group.add_argument("--npu-memory", metavar="GIB", help="memory of one NPU as the runtime sees it, in GiB")
    group.add_argument("--rules", metavar="DIR", help="rules directory (default: the installed rules)")
    group.add_argument("--offline", action="store_true", help="use the local cache only, no network")


def add_launch(parser: argparse.ArgumentParser) -> None:
    """How the server would be launched; what is not given is searched or left to the release."""
    group = parser.add_argument_group("launch profile")
    for name in ("tp", "dp", "pp"):
        group.add_argument(f"--{name}", type=_positive, metavar="N", help=f"{name.upper()} size (default: searched)")
    for name in ("pcp", "dcp"):
        group.add_argument(f"--{name}", type=_positive, metavar="N", help=f"{name.upper()} size (default: 1)")
    group.add_argument("--ep", action=argparse.BooleanOptionalAction, help="expert parallel (default: searched)")
    group.add_argument("--max-model-len", type=_length, metavar="N", help="tokens, or auto for the longest that fits")
    group.add_argument("--max-num-seqs", type=_positive, metavar="N")
    group.add_argument("--max-num-batched-tokens", type=human_readable, metavar="N")
    group.add_argument("--gpu-memory-utilization", type=_share, metavar="X", help="share of device memory, 0 to 1")
    group.add_argument(
        "--kv-cache-memory-bytes", type=human_readable, metavar="N", help="bytes for the KV cache of a rank"
    )
    group.add_argument("--quantization", metavar="NAME", help="as for vllm serve (default: auto-detected)")
    group.add_argument("--dtype", metavar="NAME", help="as for vllm serve")
    group.add_argument("--speculative", type=_json_object, metavar="JSON", help="as --speculative-config of vllm serve")
    group.add_argument("--mtp", type=_positive, metavar="N", help="speculate N tokens with the model's own MTP layer")
    group.add_argument("--additional-config", type=_json_object, metavar="JSON", help="as for vllm serve")
    group.add_argument(
        "--env", type=_variable, action="append", default=[], metavar="NAME=VALUE", help="environment of the server"
    )
    group.add_argument(
        "--serve-args", action=ServeArgs, metavar="COMMAND", help="a vllm serve command or its flags, in quotes"
    )
    group.add_argument("--calibrate", metavar="FILE", help="start-up log of this launch; its figures replace estimates")
    group.add_argument("--enforce-eager", action="store_true", help="no graphs")
    group.add_argument("--enable-prefix-caching", action=argparse.BooleanOptionalAction)


def profile(args: argparse.Namespace) -> LaunchProfile:
    """The launch profile the options describe; raises ``UsageError`` for options that contradict each other."""
    from ascend_compat.core.target import LaunchProfile
    from ascend_compat.errors import UsageError

    given, flags, environment = merged(args)
    if given.get("mtp") is not None:
        if given.get("speculative") is not None:
            raise UsageError("--mtp and --speculative both choose a draft", "give one of them")
        given["speculative"] = {"method": "mtp", "num_speculative_tokens": given["mtp"]}
    fields: dict[str, Any] = {field: given[field] for field in _PROFILE if field in given}
    fields["ep"] = args.ep if args.ep is not None else given.get("ep")
    if args.enable_prefix_caching is not None:
        fields["enable_prefix_caching"] = args.enable_prefix_caching
    return LaunchProfile(
        **fields,
        environment=environment or None,
        flags=flags or None,
        calibration=_calibration(args.calibrate),
    )


def run_analysis(args: argparse.Namespace, **changes: Any) -> ReportDocument:
    """``analyze`` with the options of the command; ``changes`` replace single arguments."""
    from ascend_compat import api

    given: dict[str, Any] = {
        "target": args.target,
        "soc": args.soc or _DEFAULT_SOC,
        "npu_memory": args.npu_memory,
        "profile": profile(args),
        "rules": args.rules,
        "offline": args.offline,
        **changes,
    }
    if args.verbose:
        output.talk(args, f"ascend-compat: {args.model} on {given['target'] or 'the newest pack'}, {given['soc']}")
    return api.analyze(args.model, **given)


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value < _TOO_LARGE:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number above 0 in 64 bits")
    return value


def _calibration(path: str | None) -> Calibration | None:
    from ascend_compat.memory.calibrate import read_log

    return None if path is None else read_log(path)


def _length(text: str) -> int:
    from ascend_compat.core.target import LONGEST

    return LONGEST if text.strip().lower() in ("auto", str(LONGEST)) else human_readable(text)


def human_readable(text: str) -> int:
    """A whole number, or one with a suffix as vLLM reads them: ``32k`` is 32,000 and ``32K`` 32,768.

    Source: V 0.23.0 vllm/utils/argparse_utils.py:29; decimals go with decimal suffixes alone.
    """
    number, suffix = text.strip()[:-1], text.strip()[-1:]
    power = _POWERS.find(suffix.lower())
    decimal = suffix.islower()
    digits = number.replace(".", "", 1) if decimal else number
    if power < 1 or not digits.isdecimal() or len(digits) > len(str(_TOO_LARGE)):
        return _positive(text)
    return _positive(str(int(Fraction(number) * (1000 if decimal else 1024) ** power)))


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most 1")
    return value


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return value
