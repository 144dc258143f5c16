"""Names a family table may use: fields of the configuration with their other spellings, defaults, derived sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ascend_compat.checkpoint.expression import ExpressionError, evaluate, names
from ascend_compat.checkpoint.family import Expression

Level = tuple[str, Mapping[str, Any]]


class Names:
    """What names stand for: ``let`` first, then the configuration (innermost level first), then ``defaults``."""

    def __init__(
        self,
        levels: Sequence[Level],
        let: Mapping[str, Expression],
        defaults: Mapping[str, Expression],
        aliases: Mapping[str, Sequence[str]],
    ) -> None:
        self.levels, self.let, self.defaults, self.aliases = levels, let, defaults, aliases

    def field(self, name: str) -> tuple[str, Any] | None:
        """Path and value of a field that is set on some level, under its own name or another spelling."""
        for path, level in self.levels:
            for spelling in (name, *self.aliases.get(name, ())):
                if level.get(spelling) is not None:
                    return path + spelling, level[spelling]
        return None

    def depending(self, indices: frozenset[str]) -> frozenset[str]:
        """Names whose value depends on one of the indices."""
        found = set(indices)
        tables = {**self.defaults, **self.let}
        grown = True
        while grown:
            more = {name for name, text in tables.items() if name not in found and names(text) & found}
            found |= more
            grown = bool(more)
        return frozenset(found)


class Values(Mapping[str, Any]):
    """Values by name, worked out when asked for. ``read`` holds path and value of every field that was used."""

    def __init__(self, known: Names, fixed: Mapping[str, Any], read: dict[str, Any]) -> None:
        self.names, self.fixed, self.read = known, fixed, read
        self._found: dict[str, Any] = {}
        self._pending: set[str] = set()

    def at(self, **indices: int) -> Values:
        """The same names with indices filled in."""
        return Values(self.names, {**self.fixed, **indices}, self.read)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, ``default`` where it has none. Raises :class:`ExpressionError` for one that can't be."""
        if name in self.fixed:
            return self.fixed[name]
        if name not in self._found:
            if name in self._pending:
                raise ExpressionError(f"{name!r} is defined by itself")
            self._pending.add(name)
            try:
                self._found[name] = self._value(name)
            finally:
                self._pending.discard(name)
        found = self._found[name]
        return default if found is None else found

    def _value(self, name: str) -> Any:
        if name in self.names.let:
            return evaluate(self.names.let[name], self)
        field = self.names.field(name)
        if field is not None:
            self.read[field[0]] = field[1]
            return field[1]
        return evaluate(self.names.defaults[name], self) if name in self.names.defaults else None

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Any:
        return iter({**self.names.defaults, **self.names.let, **self.fixed})

    def __len__(self) -> int:
        return len({**self.names.defaults, **self.names.let, **self.fixed})
