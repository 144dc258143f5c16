"""What a pack holds, in counts a reader wants: one line per section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Where one stands in for several: how many are named of what could not be followed.
FIRST = 5
_FUNCTIONS = frozenset({"def", "lambda"})


def statistics(pack: Mapping[str, Any]) -> list[tuple[str, str]]:
    """``(section, what is in it)`` for every section of a pack, in its order; a damaged section gives its size only."""
    return [(name, _line(name, value)) for name, value in pack.items() if name != "unfollowed"]


def unfollowed(pack: Mapping[str, Any], every: bool) -> list[str]:
    """What could not be followed: a head line, then all of it or the first few."""
    rows = pack.get("unfollowed")
    rows = [str(row) for row in rows] if isinstance(rows, list) else []
    if not rows:
        return ["everything was followed"]
    shown = rows if every else rows[:FIRST]
    more = [f"and {len(rows) - len(shown)} more (--verbose lists them)"] if len(shown) < len(rows) else []
    return [f"{len(rows)} not followed:", *(f"  {line}" for line in (*shown, *more))]


def _line(name: str, value: Any) -> str:
    if not isinstance(value, (dict, list)):
        return str(value)
    describe = _DETAILS.get(name)
    try:
        detail = describe(value) if describe else ""
    except (AttributeError, KeyError, TypeError, IndexError):
        detail = ""
    if name == "release" and detail:
        return detail
    return f"{len(value)} entries{f': {detail}' if detail else ''}"


def _release(release: dict[str, Any]) -> str:
    read = f" (read from {release['vllm_source']})" if "vllm_source" in release else ""
    return f"vllm-ascend {release['vllm_ascend']}, vllm {release['vllm']}{read}"


def _by(field: str) -> Callable[[Any], str]:
    """Counts by the value of a field, the most frequent first."""

    def describe(section: Any) -> str:
        return _counts(Counter(str(entry[field]) for entry in _entries(section) if field in entry))

    return describe


def _custom_ops(section: dict[str, Any]) -> str:
    entries = list(_entries(section))
    limited = sum("soc" in entry for entry in entries)
    guarded = sum("guard" in entry for entry in entries)
    return f"{len(entries)} replacements, {limited} for some SoCs, {guarded} under an open condition"


def _patches(section: list[Any]) -> str:
    guarded, limited = (sum(name in row for row in section) for name in ("guard", "soc"))
    return f"{guarded} under a condition, {limited} for some SoCs"


def _models(section: dict[str, Any]) -> str:
    return f"{sum(len(entry.get('children', {})) for entry in section.values())} attributes that are modules"


def _layers(section: dict[str, Any]) -> str:
    return f"{sum('custom_op' in entry for entry in section.values())} replaceable"


def _keys(section: dict[str, Any]) -> str:
    return f"{sum(len(entry.get('keys', {})) for entry in section.values())} more inside sections"


def _environment(section: dict[str, Any]) -> str:
    known = sum("default" in entry for entry in section.values())
    return f"{_by('owner')(section)}; {known} with a default"


def _versions(section: dict[str, Any]) -> str:
    return ", ".join(f"{name} {entry['value']}" for name, entry in section.items())


def _code(section: dict[str, Any]) -> str:
    """Translated functions, what the language can't say, and classes by the decorator that registers them."""
    found: Counter[str] = Counter()
    registered: Counter[str] = Counter()
    for module, entry in section.items():
        for node in _nodes(entry["body"]):
            found[node[0]] += 1
            for call in node[5] if node[0] == "class" and len(node) > 5 else ():
                if call[0] == "call":
                    registered[f"{call[2][-1]} in {'.'.join(module.split('.')[:2])}"] += 1
    functions = sum(found[kind] for kind in _FUNCTIONS)
    line = f"{functions} functions, {found['class']} classes, {found['unknown']} unknown nodes"
    return line + (f"; {_counts(registered)}" if registered else "")


def _nodes(value: Any) -> Iterator[list[Any]]:
    """Nodes of the expression language: lists whose first item is their name."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            # ``["const", value]`` is a value of the tree, whatever it looks like.
            if item and isinstance(item[0], str):
                yield item
            if not (len(item) == 2 and item[0] == "const"):
                pending.extend(item)


def _entries(section: Any) -> Iterator[Mapping[str, Any]]:
    for entry in section.values() if isinstance(section, dict) else section:
        yield from entry if isinstance(entry, list) else [entry]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counter.most_common())


_DETAILS: dict[str, Callable[[Any], str]] = {
    "release": _release,
    "versions": _versions,
    "architectures": _by("kind"),
    "model_classes": _models,
    "layer_classes": _layers,
    "custom_ops": _custom_ops,
    "patches": _patches,
    "code": _code,
    "environment": _environment,
    "additional_config": _keys,
    "documented": _by("status"),
}
