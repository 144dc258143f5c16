"""The scopes of a call, and how control leaves a block."""

from __future__ import annotations

from typing import Any

from ascend_compat.knowledge.evaluate.values import Function, Module


class Return(Exception):
    """Control flow: a function returns."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Break(Exception):
    """Control flow: leave the innermost loop."""


class Continue(Exception):
    """Control flow: next round of the innermost loop."""


class Frame:
    """The scopes of one call, innermost first, over the names of its module."""

    __slots__ = ("function", "globals", "module", "nonlocals", "scopes", "yielded")

    def __init__(self, module: Module, scopes: tuple[dict[str, Any], ...], function: Function | None = None) -> None:
        self.module = module
        self.scopes = scopes
        self.function = function
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        #: What a generator has yielded so far; it runs to its end when it is called.
        self.yielded: list[Any] = []

    def home(self, name: str) -> dict[str, Any]:
        """The scope that an assignment to a name sets."""
        if not (self.globals or self.nonlocals):
            return self.scopes[0]
        if name in self.nonlocals:
            return next((outer for outer in self.scopes[1:] if name in outer), self.scopes[0])
        return self.module.names if name in self.globals else self.scopes[0]
