"""Which decision functions of the plugin say something else, whatever lines they stand on now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ascend_compat.core.change import Group, Item, Place, Side
from ascend_compat.knowledge.compare_tables import Pair, group

#: Nodes whose second item is not a line (``docs/rules.md`` lists the language).
_UNLINED = frozenset({"const", "name", "and", "or", "list", "tuple", "set", "dict", "text", "lambda", "walrus", "star"})


def compare_code(pair: Pair) -> list[Group]:
    """Functions of the plugin that stand in both packs under one name and whose translation differs."""
    found = pair.sections("code")
    if found is None:
        return []
    a, b = (dict(_functions(section)) for section in found)
    return group(
        "decisions.changed",
        (
            Item(name.partition(":")[2], (Place(Side.A, a[name][0]), Place(Side.B, b[name][0])))
            for name in sorted(set(a) & set(b))
            if a[name][1] != b[name][1]
        ),
    )


def _functions(code: dict[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """``module:Class.function`` with its place and its body without lines."""
    for module, part in code.items():
        if module.partition(".")[0] == "vllm_ascend":
            for name, spec in _definitions(part["body"], ""):
                yield f"{module}:{name}", (f"{part['path']}:{spec['line']}", _unlined(spec))


def _definitions(body: list[Any], owner: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for node in body:
        if node[0] == "def":
            yield f"{owner}{node[2]}", node[3]
        elif node[0] == "class":
            yield from _definitions(node[4], f"{owner}{node[2]}.")


def _unlined(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _unlined(value) for key, value in node.items() if key != "line"}
    if not isinstance(node, list):
        return node
    lined = len(node) > 1 and isinstance(node[0], str) and node[0] not in _UNLINED and isinstance(node[1], int)
    return [_unlined(item) for index, item in enumerate(node) if not (lined and index == 1)]
