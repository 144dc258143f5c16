"""Lists of module names as quantization configs write them: exact names, ``re:`` patterns, globs, parts of names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

#: Patterns come from a checkpoint: one that could take for ever on some name is refused, not run.
_PATTERN_LIMIT = 500
_NAME_LIMIT = 300
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d*,\d*\}")
_MOST_UNBOUNDED = 5
_MOST_OPTIONAL = 12


def safe_pattern(text: str) -> re.Pattern[str] | None:
    """A regular expression that ends on any name; ``None`` for one that is not valid or could take for ever."""
    many = len(_UNBOUNDED.findall(text)) > _MOST_UNBOUNDED or text.count("?") > _MOST_OPTIONAL
    if len(text) > _PATTERN_LIMIT or many or _REPEATED_GROUP.search(text):
        return None
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return None


class NameList:
    """Module names, asked about concrete modules (``model.layers.3.mlp.gate``).

    ``loose`` lists (fp8, AWQ, ModelOpt and others) also name a part of the path, as whole components, or use ``*``;
    strict ones (compressed-tensors) only hold whole names and ``re:`` patterns. ``refused`` holds patterns that are not
    valid or not safe to run: questions about them have no answer.
    Source: vLLM 0.18.0, compressed_tensors/utils.py ``check_equal_or_regex_match``; transformers
    ``should_convert_module``; ModelOpt ``exclude_modules`` (fnmatch).
    """

    def __init__(self, entries: Iterable[str], loose: bool = False) -> None:
        self.loose = loose
        self.entries = tuple(entries)
        self.exact: set[str] = set()
        self.starts: tuple[str, ...] = ()
        self.patterns: list[re.Pattern[str]] = []
        self.refused: list[str] = []
        for entry in self.entries:
            self._add(entry)

    @classmethod
    def of_names(cls, names: Iterable[str]) -> NameList:
        """A strict list of whole names, none of which is read as a pattern."""
        out = cls(())
        out.exact = set(names)
        out.entries = tuple(sorted(out.exact))
        return out

    def _add(self, entry: str) -> None:
        if entry.startswith("re:"):
            self._pattern(entry[3:], entry)
        elif self.loose and entry.endswith("*") and not set(entry[:-1]) & set("*?["):
            self.starts = (*self.starts, entry[:-1])
        elif self.loose and set(entry) & set("*?["):
            # The module itself and what lies below it: ``mlp.gate`` is not the beginning of ``mlp.gate_proj``.
            self.patterns.extend(re.compile(translate(text)) for text in (entry, f"{entry}.*"))
        elif entry:
            self.exact.add(entry.removesuffix(".weight"))

    def _pattern(self, text: str, entry: str) -> None:
        pattern = safe_pattern(text)
        if pattern is None:
            self.refused.append(entry)
        else:
            self.patterns.append(pattern)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def holds(self, module: str) -> bool:
        """Whether the list names this module."""
        name = module[:_NAME_LIMIT]
        if name in self.exact or (self.loose and self._part(name)):
            return True
        return bool(self.starts and name.startswith(self.starts)) or any(p.match(name) for p in self.patterns)

    def _part(self, name: str) -> bool:
        """Whether a run of whole components of the name is listed: ``lm_head``, ``mlp.gate``, ``visual``."""
        if not self.exact:
            return False
        parts = name.split(".")
        ends = range(len(parts), 0, -1)
        return any(".".join(parts[start:end]) in self.exact for end in ends for start in range(end))
