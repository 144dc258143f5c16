"""Read config.json with the path that was read: nested text configurations, wrong types as absent facts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ascend_compat.classify.class_defaults import default_of
from ascend_compat.core.finding import Evidence, EvidenceKind

T = TypeVar("T")

#: Where the language model's own configuration lives in multimodal checkpoints; they nest.
NESTED = ("text_config", "llm_config", "language_config", "thinker_config", "language_model", "text_model_config",
          "transf_decoder", "config_dict")  # fmt: skip
#: A larger number in config.json is damage, not a size.
LIMIT = 1 << 40


class ConfigView:
    """The configuration of the language model, and the levels around it, the innermost first.

    A value of the wrong type counts as absent; ``unknown`` holds its path with the reason. ``read`` holds the path and
    value of every field that was used, which is what :meth:`evidence` cites; ``defaults`` those of them that no level
    sets and the class of a level does.
    """

    def __init__(self, config: Mapping[str, Any], path: str = "", nested: Sequence[str] = NESTED) -> None:
        self.levels: list[tuple[str, Mapping[str, Any]]] = [(path, config)]
        self.unknown: dict[str, str] = {}
        self.read: dict[str, Any] = {}
        self.defaults: set[str] = set()
        current = config
        for _ in range(len(nested)):
            name = next((n for n in nested if isinstance(current.get(n), Mapping)), None)
            if name is None:
                break
            current, path = current[name], f"{path}{name}."
            self.levels.insert(0, (path, current))

    @property
    def text_path(self) -> str:
        """Path of the innermost text configuration, empty at the top level."""
        return self.levels[0][0].rstrip(".")

    def section(self, *names: str) -> ConfigView | None:
        """The first object of these names on any level, as a view of its own; ``None`` when there is none."""
        for path, level in self.levels:
            for name in names:
                if isinstance(level.get(name), Mapping):
                    return ConfigView(level[name], f"{path}{name}.", ())
        return None

    def integer(self, *names: str) -> int | None:
        """A whole number from 0 to 2**40."""
        return self._first(names, "a whole number of at least 0", _whole)

    def size(self, *names: str) -> int | None:
        """A whole number of at least 1: heads, widths, counts that can't be zero."""
        return self._first(names, "a whole number of at least 1", lambda value: _whole(value) or None)

    def number(self, *names: str) -> float | None:
        """A finite number."""
        return self._first(names, "a number", _finite)

    def text(self, *names: str) -> str | None:
        """A string that is not empty."""
        return self._first(names, "a text", lambda value: value if isinstance(value, str) and value else None)

    def flag(self, *names: str) -> bool | None:
        """A boolean."""
        return self._first(names, "true or false", lambda value: value if isinstance(value, bool) else None)

    def items(self, *names: str) -> list[Any]:
        """A list, empty when absent."""
        return self._first(names, "a list", lambda value: value if isinstance(value, list) else None) or []

    def per_layer(self, layers: int, *names: str) -> list[Any]:
        """A list with an entry for every layer, cut to their number; empty when there is none that long."""
        found = self._first(names, f"a list of {layers} layers", lambda value: _long_enough(value, layers))
        return found[:layers] if found else []

    def has(self, name: str) -> bool:
        """Whether a field is set on any level, whatever its type."""
        return any(level.get(name) is not None for _, level in self.levels)

    def is_true(self, name: str) -> bool:
        """Whether a field is true on some level; a field that also takes other types says nothing else here."""
        for path, level in self.levels:
            if level.get(name) is True:
                self.read[path + name] = True
                return True
        return False

    def is_list(self, name: str) -> bool:
        """Whether the innermost value of a field is a list."""
        return isinstance(next((level[name] for _, level in self.levels if level.get(name) is not None), None), list)

    def evidence(self, *names: str) -> tuple[Evidence, ...]:
        """The fields among these names that were read, with their full path and value."""
        return tuple(
            Evidence(EvidenceKind.CONFIG, "config.json", None, f"{path} = {short(value)}{self._origin(path)}")
            for path, value in self.read.items()
            if path.rpartition(".")[2] in names
        )

    def _origin(self, path: str) -> str:
        return " (default of the class)" if path in self.defaults else ""

    def _first(self, names: Sequence[str], kind: str, accept: Callable[[Any], T | None]) -> T | None:
        """The first accepted value: the innermost level first, on each level the names in their order."""
        for path, level in self.levels:
            for name in names:
                value = level.get(name)
                if value is None:
                    continue
                accepted = accept(value)
                if accepted is not None:
                    self.read[path + name] = value
                    return accepted
                self.unknown[path + name] = f"not {kind}: {short(value)}"
        return self._default(names, accept)

    def _default(self, names: Sequence[str], accept: Callable[[Any], T | None]) -> T | None:
        """The default of a level's own class, for a field that is absent everywhere."""
        for path, level in self.levels:
            for name in names:
                value = None if name in level else default_of(level, name, bool(path))
                accepted = accept(value) if value is not None else None
                if accepted is not None:
                    self.read[path + name] = value
                    self.defaults.add(path + name)
                    return accepted
        return None


def short(value: Any) -> str:
    """A value as text of at most 60 characters. Large containers are not spelled out."""
    if isinstance(value, (list, Mapping)) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested very deeply, or a number of thousands of digits
        return type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LIMIT else None


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > LIMIT:
        return None
    return float(value) if math.isfinite(value) else None


def _long_enough(value: Any, layers: int) -> list[Any] | None:
    return value if isinstance(value, list) and len(value) >= layers > 0 else None
