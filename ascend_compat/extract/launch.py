"""A launch command of the engine: its model, its flags, and the keys of its JSON arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.extract.shell import Word

SERVERS = re.compile(r"vllm\.entrypoints\.(?:\w+\.)*api_server")
#: ``organisation/name`` of a hub.
MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FLAG = re.compile(r"-{1,2}[A-Za-z][\w.+-]*")
DEPTH = 4
#: What a launch is summed up as, and the flags that give it.
SUMMARY = {
    "tp": ("--tensor-parallel-size", "-tp"),
    "dp": ("--data-parallel-size", "-dp"),
    "pp": ("--pipeline-parallel-size", "-pp"),
    "pcp": ("--prefill-context-parallel-size", "-pcp"),
    "dcp": ("--decode-context-parallel-size", "-dcp"),
    "ep": ("--enable-expert-parallel", "-ep"),
    "quantization": ("--quantization", "-q"),
    "dtype": ("--dtype",),
    "max_model_len": ("--max-model-len",),
    "tool_parser": ("--tool-call-parser",),
    "reasoning_parser": ("--reasoning-parser",),
}
SWITCHES = frozenset({"ep"})
SIZES = frozenset({"tp", "dp", "pp", "pcp", "dcp", "max_model_len"})


@dataclass(slots=True)
class Launch:
    """One command; lines are those of the page or script."""

    line: int
    model: str = ""
    #: Flag, its first value (``None`` without one) and line, in order.
    flags: list[tuple[str, str | None, int]] = field(default_factory=list)
    #: Flag, dotted key, its value and line.
    keys: list[tuple[str, str, Any, int]] = field(default_factory=list)

    def more(self, words: Sequence[Word]) -> None:
        """Read arguments; what is no flag before the first one is the model."""
        position = 0
        while position < len(words):
            word = words[position]
            position += 1
            name, equals, value = word.text.partition("=")
            if not FLAG.fullmatch(name):
                if not self.model and not self.flags:
                    self.model = word.text
                continue
            given: str | None = value if equals else None
            source: Word | None = word if equals else None
            if not equals and position < len(words) and not FLAG.match(words[position].text):
                source = words[position]
                given = source.text
                position += 1
            self._flag(name, given, word, source)

    def _flag(self, name: str, given: str | None, word: Word, source: Word | None) -> None:
        name, dot, key = name.partition(".")
        name = name.replace("_", "-")
        self.flags.append((name, given, word.line))
        if dot:
            self.keys.append((name, key.replace("-", "_"), given, word.line))
        if name == "--model" and given:
            self.model = given
        if given is not None and source is not None and given.lstrip().startswith("{"):
            self.keys.extend((name, *row) for row in json_keys(given, source))

    def summary(self) -> dict[str, Any]:
        """The values that decide where the model runs: sizes as integers, names as text."""
        out: dict[str, Any] = {}
        for name, flags in SUMMARY.items():
            given = next((row for row in self.flags if row[0] in flags), None)
            value = given[1] if given else None
            if name in SWITCHES:
                out.update({name: True} if given else {})
            elif value is not None and value.isdigit():
                out[name] = int(value)
            elif value is not None and name not in SIZES and re.fullmatch(r"[\w.-]+", value):
                out[name] = value
        method = next((value for flag, key, value, _ in self.keys if key == "method" and "spec" in flag), None)
        if isinstance(method, str):
            out["method"] = method
        return out


def launch_of(words: Sequence[Word]) -> Launch | None:
    """The launch in a command, ``None`` when it launches something else."""
    texts = [word.text for word in words]
    for index, text in enumerate(texts):
        if text == "serve" and index and texts[index - 1].rpartition("/")[2] == "vllm":
            break
        if index and texts[index - 1] == "-m" and SERVERS.fullmatch(text):
            break
    else:
        return None
    return parse(words[index + 1 :], words[index].line)


def parse(words: Sequence[Word], line: int) -> Launch:
    """Flags and their values of an argument list."""
    found = Launch(line)
    found.more(words)
    return found


def json_keys(text: str, source: Word) -> Iterator[tuple[str, Any, int]]:
    """Dotted keys of a JSON argument with their values and lines; nothing for text that can't be read."""
    value = read_json(text)
    if isinstance(value, dict):
        offset = max(source.text.find(text[:1]), 0) if text else 0
        yield from _walk(value, "", source, [offset], 0)


def _walk(
    value: dict[str, Any], prefix: str, source: Word, place: list[int], depth: int
) -> Iterator[tuple[str, Any, int]]:
    for key, inner in value.items():
        at = source.text.find(f'"{key}"', place[0])
        if at >= 0:
            place[0] = at + 1
        yield f"{prefix}{key}", inner, source.lines[at] if 0 <= at < len(source.lines) else source.line
        if isinstance(inner, dict) and depth < DEPTH:
            yield from _walk(inner, f"{prefix}{key}.", source, place, depth + 1)


def read_json(text: str) -> Any:
    """JSON of a script: variables count as numbers, a trailing comma is forgiven; ``None`` when it is not JSON."""
    for candidate in (text, re.sub(r",\s*([}\]])", r"\1", re.sub(r"\$\{?\w+\}?", "0", text))):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    return None


def model_name(text: str) -> str | None:
    """A hub's ``organisation/name``, or the last part of a path; ``None`` for a variable or an example."""
    text = text.strip("'\"").rstrip("/")
    if MODEL_ID.fullmatch(text):
        return text
    last = text.rpartition("/")[2]
    named = re.fullmatch(r"[A-Za-z][\w.-]*\d[\w.-]*", last) and not re.search(r"path|your|xxx|model_?dir", last, re.I)
    return last if named else None
