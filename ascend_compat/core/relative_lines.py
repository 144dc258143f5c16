"""Code of a pack with lines counted from the statement around them: equal code at another place is equal text."""

from __future__ import annotations

from typing import Any

#: Nodes whose second item is a line. Source: the language's table in docs/rules.md.
LINED = frozenset(
    "unknown attr call item slice bin un cmp comp ifexp expr assign aug if for while return raise assert try with "
    "import from pass break continue global nonlocal def class yield".split()
)


def relative(node: Any, base: int = 0) -> Any:
    """Absolute lines to distances from the line around; :func:`absolute` undoes it."""
    return _moved(node, base, -1)


def absolute(node: Any, base: int = 0) -> Any:
    """Distances back to absolute lines."""
    return _moved(node, base, 1)


def _moved(node: Any, base: int, sign: int) -> Any:
    if isinstance(node, dict):
        line = node.get("line", 0)
        inner = line if sign < 0 else line + base
        return {k: line + sign * base if k == "line" else _moved(v, inner, sign) for k, v in node.items()}
    if not isinstance(node, list) or not node or node[0] == "const":
        return node
    if isinstance(node[0], str) and node[0] in LINED and len(node) > 1 and isinstance(node[1], int):
        line = node[1]
        inner = line if sign < 0 else line + base
        return [node[0], line + sign * base, *(_moved(item, inner, sign) for item in node[2:])]
    return [_moved(item, base, sign) for item in node]
