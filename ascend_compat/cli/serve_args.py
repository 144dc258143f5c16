"""A ``vllm serve`` command line as the options of a launch profile; flags without an option are kept by name."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

#: ``vllm serve`` flags, short forms included, with the option that says the same.
_OPTIONS = {
    "--tensor-parallel-size": "tp", "-tp": "tp", "--data-parallel-size": "dp", "-dp": "dp",
    "--pipeline-parallel-size": "pp", "-pp": "pp", "--prefill-context-parallel-size": "pcp", "-pcp": "pcp",
    "--decode-context-parallel-size": "dcp", "-dcp": "dcp", "--max-model-len": "max_model_len",
    "--max-num-seqs": "max_num_seqs", "--max-num-batched-tokens": "max_num_batched_tokens",
    "--gpu-memory-utilization": "gpu_memory_utilization", "--kv-cache-memory-bytes": "kv_cache_memory_bytes",
    "--quantization": "quantization", "-q": "quantization", "--dtype": "dtype",
    "--speculative-config": "speculative", "-sc": "speculative",
    "--additional-config": "additional_config", "-ac": "additional_config",
}  # fmt: skip
_SWITCHES = {
    "--enable-expert-parallel": "ep", "-ep": "ep", "--enforce-eager": "enforce_eager",
    "--enable-prefix-caching": "enable_prefix_caching",
}  # fmt: skip
#: Options whose values are JSON objects, which flags with dots set key by key.
_OBJECTS = ("speculative", "additional_config")
_SERVER = "api_server"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_NUMBER = re.compile(r"-\d+(\.\d+)?$")
_FLAG = "--serve-args"
#: What a command that is written out leaves to its defaults is not searched. Source: V 0.30.0 vllm/config/parallel.py.
_DEFAULTS: dict[str, Any] = {"tp": 1, "dp": 1, "pp": 1, "ep": False}


def parse(text: str, converters: dict[str, Callable[[str], Any]]) -> dict[str, Any]:
    """Options by name, and ``flags`` and ``env`` for the rest; ``converters`` check the values as the options do.

    ``text`` may be a whole command with variables before it, or only its flags; a whole command is judged as it is,
    so that sizes it leaves out are those of the engine. Raises ``ArgumentTypeError``.
    """
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"can't be split into words: {error}") from None
    out: dict[str, Any] = {"flags": {}, "env": []}
    while words and (words[0] in ("export", "env") or _VARIABLE.match(words[0])):
        word = words.pop(0)
        if "=" in word:
            name, _, setting = word.partition("=")
            out["env"].append((name, setting.rstrip(";")))
    for flag, value in _pairs(words):
        _store(out, flag, value, converters)
    return {**(_DEFAULTS if _whole(words) else {}), **out}


def _whole(words: list[str]) -> bool:
    """Whether the words are a command rather than flags of one."""
    return words[:2] == ["vllm", "serve"] or any(word.endswith(_SERVER) for word in words[:3])


def _pairs(words: list[str]) -> Iterator[tuple[str, str | None]]:
    """Flags with their values; ``vllm serve MODEL`` and other words without a flag are passed over."""
    index = 0
    while index < len(words):
        word, index = words[index], index + 1
        if not word.startswith("-") or _NUMBER.match(word):
            continue
        name, equals, value = word.partition("=")
        if name.startswith("--"):  # keys of an object stay as they are
            head, dot, keys = name.partition(".")
            name = head.replace("_", "-") + dot + keys
        if equals:
            yield name, value
        elif index < len(words) and (not words[index].startswith("-") or _NUMBER.match(words[index])):
            yield name, words[index]
            index += 1
        else:
            yield name, None


def _store(out: dict[str, Any], flag: str, value: str | None, converters: dict[str, Callable[[str], Any]]) -> None:
    switched = _SWITCHES.get(flag) or _SWITCHES.get(flag.replace("--no-", "--", 1))
    if switched is not None:
        out[switched] = not flag.startswith("--no-")
        return
    name, dot, path = flag.partition(".")
    if dot and _OPTIONS.get(name) in _OBJECTS and value is not None:
        _nest(out.setdefault(_OPTIONS[name], {}), path, value)
        return
    option = _OPTIONS.get(flag)
    if option is None:
        out["flags"][flag] = value
        return
    if value is None:
        raise argparse.ArgumentTypeError(f"{flag} has no value")
    try:
        out[option] = converters.get(option, str)(value)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{flag}: {error}") from None


def _nest(into: dict[str, Any], path: str, value: str) -> None:
    """``--additional-config.a.b 1`` is ``{"a": {"b": 1}}`` (V 0.23.0 vllm/utils/argparse_utils.py)."""
    *parents, last = path.split(".")
    for key in parents:
        inner = into.setdefault(key, {})
        into = inner if isinstance(inner, dict) else into
    try:
        into[last] = json.loads(value)
    except ValueError:
        into[last] = value


class ServeArgs(argparse.Action):
    """Fills the options the command names; an option given by itself wins, wherever it stands."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: object) -> None:
        converters = {
            action.dest: action.type for action in parser._actions if callable(action.type) and action.dest != "env"
        }
        try:
            found = parse(str(values), converters)
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument {_FLAG}: {error}")
        setattr(namespace, self.dest, found)


def merged(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, str | None], dict[str, str]]:
    """Options, flags and variables of the command line and of ``--serve-args`` together."""
    served: dict[str, Any] = dict(getattr(args, "serve_args", None) or {})
    flags = served.pop("flags", {})
    env = {**dict(served.pop("env", [])), **dict(args.env)}
    own = {name: value for name, value in vars(args).items() if value is not None and value is not False}
    return {**served, **own}, flags, env
