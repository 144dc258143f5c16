"""Which handler catches which exception."""

from __future__ import annotations

#: Exceptions that a handler of their base class catches too. Source: Python's exception hierarchy.
_BASES = {"ModuleNotFoundError": "ImportError", "KeyError": "LookupError", "IndexError": "LookupError",
          "FileNotFoundError": "OSError", "NotImplementedError": "RuntimeError", "ZeroDivisionError": "ArithmeticError",
          "RecursionError": "RuntimeError", "InvalidVersion": "ValueError"}  # fmt: skip


def handles(names: list[str] | None, kind: str) -> bool:
    """Whether a handler that names these exceptions (all for ``None``) catches one of a kind."""
    return names is None or bool({kind, _BASES.get(kind), "Exception", "BaseException"} & set(names))
