"""What changes in the launch command: flags, environment variables, additional-config keys, engine defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ascend_compat.core.change import Group, Item, Side
from ascend_compat.knowledge.compare_tables import Entry, Pair, Section, changed, from_to, group, note, only, place

PLUGIN = "vllm_ascend"


def compare_launch(pair: Pair) -> list[Group]:
    """Groups of the topic ``launch``."""
    return [*_flags(pair), *_environment(pair), *_additional(pair), *_defaults(pair)]


def _flags(pair: Pair) -> list[Group]:
    found = pair.sections("flags")
    if found is None:
        return []
    a, b = found
    return [
        *group("launch.flags.removed", _paired(only(Side.A, a, b))),
        *group("launch.flags.added", _paired(only(Side.B, b, a))),
    ]


def _paired(items: list[Item]) -> Iterator[Item]:
    """``--x`` and ``--no-x`` with the same fate as one item."""
    names = {item.subject for item in items}
    for item in items:
        negated = f"--no-{item.subject[2:]}"
        if item.subject.startswith("--no-") and f"--{item.subject[5:]}" in names:
            continue
        yield Item(f"{item.subject} / {negated}", item.places) if negated in names else item


def _environment(pair: Pair) -> list[Group]:
    """Variables of the plugin apart from those of the engine: the reader looks for the first."""
    found = pair.sections("environment")
    if found is None:
        return []
    a, b = found
    out: list[Group] = []
    for owner, of_owner in (("plugin", True), ("engine", False)):
        old, new = _owned(a, of_owner), _owned(b, of_owner)
        out += group(f"launch.environment.{owner}.removed", only(Side.A, old, b))
        out += group(f"launch.environment.{owner}.added", only(Side.B, new, a))
        out += group(f"launch.environment.{owner}.default", changed(old, new, "default", from_to))
    return out


def _owned(section: Section, plugin: bool) -> dict[str, Entry]:
    return {name: entry for name, entry in section.items() if (entry.get("owner") == PLUGIN) is plugin}


def _additional(pair: Pair) -> list[Group]:
    """Keys by their path; a key that is gone and stands under the same name elsewhere has moved."""
    found = pair.sections("additional_config")
    if found is None:
        return []
    a, b = _paths(found[0]), _paths(found[1])
    moves = _moves(a, b)
    moved = [
        Item(
            path,
            (*place(Side.A, a[path]), *(spot for target in targets for spot in place(Side.B, b[target]))),
            note("moved_kept" if path in b else "moved", path=", ".join(targets)),
        )
        for path, targets in moves.items()
    ]
    arrived = {target for targets in moves.values() for target in targets}
    return [
        *group("launch.additional.moved", moved),
        *group("launch.additional.removed", _sections([i for i in only(Side.A, a, b) if i.subject not in moves])),
        *group("launch.additional.added", _sections([i for i in only(Side.B, b, a) if i.subject not in arrived])),
        *group("launch.additional.default", changed(a, b, "default", from_to)),
    ]


def _moves(a: Section, b: Section) -> dict[str, list[str]]:
    """Keys that are gone to the keys of the same name they became.

    A top-level key moves into any section that has its name, and back out of one. From section to section only a name
    that has company counts: one ``enabled`` says nothing about another. A top-level key that stays and gets a twin in a
    section is on its way there.
    """
    gone = [path for path in sorted(a) if path not in b and not _opens(path, a)]
    out: dict[str, list[str]] = {}
    for path in gone:
        section, _, leaf = path.rpartition(".")
        same = [other for other in sorted(b) if other.rpartition(".")[2] == leaf and not _opens(other, b)]
        if section:
            same = [t for t in same if t not in a and _together(gone, b, section, t.rpartition(".")[0])]
        if same:
            out[path] = same
    for path in sorted(b):
        section, _, leaf = path.rpartition(".")
        if section and path not in a and leaf in a and leaf in b and not _opens(leaf, b):
            out.setdefault(leaf, []).append(path)
    return out


def _together(gone: list[str], b: Section, old: str, new: str) -> bool:
    """Whether a key came out to the top level, or two keys of one section went to the same other one."""
    return not new or sum(1 for path in gone if path.startswith(f"{old}.") and f"{new}.{path[len(old) + 1 :]}" in b) > 1


def _paths(section: Section) -> dict[str, Entry]:
    """``{"eplb_config": ..., "eplb_config.dynamic_eplb": ...}``."""
    out: dict[str, Entry] = {}
    for key, entry in section.items():
        out[key] = entry
        out.update({f"{key}.{inner}": value for inner, value in entry.get("keys", {}).items()})
    return out


def _opens(path: str, paths: Section) -> bool:
    """Whether a path is a section with keys of its own: it does not move, its keys do."""
    return any(other.startswith(f"{path}.") for other in paths)


def _sections(items: list[Item]) -> Iterator[Item]:
    """A whole section with its keys as one item."""
    whole = {item.subject for item in items}
    for item in items:
        if item.subject.partition(".")[0] in whole - {item.subject}:
            continue
        keys = sorted(path.rpartition(".")[2] for path in whole if path.startswith(f"{item.subject}."))
        yield Item(item.subject, item.places, note("keys", keys=", ".join(keys))) if keys else item


def _defaults(pair: Pair) -> list[Group]:
    found = pair.sections("defaults")
    if found is None:
        return []

    def hashable(section: dict[str, Any]) -> dict[str, Any]:
        return {name: entry for name, entry in section.items() if not isinstance(entry.get("value"), (dict, list))}

    return group("launch.defaults.changed", changed(hashable(found[0]), hashable(found[1]), "value", from_to))
