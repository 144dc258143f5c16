"""Read config.json with the path that was read: nested text configurations, wrong types as absent facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.core.finding import Evidence, EvidenceKind

#: Where the language model's own configuration lives in multimodal checkpoints, the innermost last.
NESTED = ("text_config", "llm_config", "language_config", "thinker_config", "language_model", "text_model_config")
LIMIT = 1 << 40


class ConfigView:
    """The configuration of the language model, and the top level behind it.

    ``unknown`` collects fields whose value has the wrong type; ``read`` the paths that were used, as evidence.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.top = config
        self.levels: list[tuple[str, Mapping[str, Any]]] = [("", config)]
        self.unknown: dict[str, str] = {}
        self.read: dict[str, Any] = {}
        path, current = "", config
        for _ in range(len(NESTED)):
            name = next((n for n in NESTED if isinstance(current.get(n), Mapping)), None)
            if name is None:
                break
            current = current[name]
            path = f"{path}{name}."
            self.levels.insert(0, (path, current))

    @property
    def text_path(self) -> str:
        """Path of the innermost text configuration, empty at the top level."""
        return self.levels[0][0].rstrip(".")

    def raw(self, *names: str) -> tuple[Any, str]:
        """The first of several fields that is set, innermost level first, with its path; ``(None, "")`` otherwise."""
        for path, level in self.levels:
            for name in names:
                if level.get(name) is not None:
                    self.read[path + name] = level[name]
                    return level[name], path + name
        return None, ""

    def integer(self, *names: str) -> int | None:
        """A whole number of at least 0; lists (per-layer values) and other types count as absent."""
        value, path = self.raw(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LIMIT:
            self.unknown[path] = f"not a whole number: {_short(value)}"
            return None
        return value

    def number(self, *names: str) -> float | None:
        """A finite number."""
        value, path = self.raw(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            self.unknown[path] = f"not a number: {_short(value)}"
            return None
        return float(value)

    def text(self, *names: str) -> str | None:
        """A string."""
        value, path = self.raw(*names)
        if value is not None and not isinstance(value, str):
            self.unknown[path] = f"not a text: {_short(value)}"
            return None
        return value

    def flag(self, *names: str) -> bool | None:
        """A boolean."""
        value, path = self.raw(*names)
        if value is not None and not isinstance(value, bool):
            self.unknown[path] = f"not true or false: {_short(value)}"
            return None
        return value

    def items(self, *names: str) -> list[Any]:
        """A list, empty when absent or of another type."""
        value, path = self.raw(*names)
        if value is not None and not isinstance(value, list):
            self.unknown[path] = f"not a list: {_short(value)}"
            return []
        return value or []

    def mapping(self, *names: str) -> Mapping[str, Any]:
        """An object, empty when absent or of another type."""
        value, _ = self.raw(*names)
        return value if isinstance(value, Mapping) else {}

    def evidence(self, *names: str) -> tuple[Evidence, ...]:
        """The fields that were read, those named or all of them."""
        chosen = {p: v for p, v in self.read.items() if not names or p.rpartition(".")[2] in names}
        return tuple(
            Evidence(EvidenceKind.CONFIG, "config.json", None, f"{path} = {_short(value)}")
            for path, value in chosen.items()
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
