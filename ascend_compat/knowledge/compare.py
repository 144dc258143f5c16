"""What changes for users between two releases: two packs in, groups of changes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.core.change import Comparison, Group, Item, Packed, Side
from ascend_compat.core.finding import Message
from ascend_compat.knowledge.compare_code import compare_code
from ascend_compat.knowledge.compare_formats import compare_formats
from ascend_compat.knowledge.compare_launch import PLUGIN, compare_launch
from ascend_compat.knowledge.compare_tables import (
    Entry,
    Pack,
    Pair,
    both,
    changed,
    from_to,
    group,
    note,
    only,
    place,
)


def compare(a: Pack, b: Pack, devices: Mapping[str, str], values: Mapping[str, Any]) -> Comparison:
    """Everything that changes from ``a`` to ``b``, in the order a reader meets it.

    ``devices`` maps SoC names to the device types that releases build with, ``values`` are the curated externals: the
    start of both releases is replayed with them. The order of the result depends on the packs alone. Packs of one
    digest do not differ.
    """
    if a.get("digest") and a.get("digest") == b.get("digest"):
        return Comparison(_packed(a), _packed(b), (), ())
    pair = Pair(a, b)
    groups = [
        *_versions(pair),
        *_models(pair),
        *compare_formats(pair, devices, values),
        *_operators(pair),
        *compare_launch(pair),
        *_names(pair, "tool_parsers", "parsers.tool"),
        *_names(pair, "reasoning_parsers", "parsers.reasoning"),
        *_documented(pair),
        *compare_code(pair),
    ]
    return Comparison(_packed(a), _packed(b), tuple(groups), tuple(pair.gaps))


def _packed(pack: Pack) -> Packed:
    release = pack.get("release", {})
    return Packed(str(release.get("vllm_ascend") or "?"), release.get("vllm"), str(pack.get("digest", "")))


def _versions(pair: Pair) -> list[Group]:
    """What to install; a version that one tree does not state is not a version that is gone."""
    found = pair.sections("versions")
    if found is None:
        return []
    a, b = ({name: entry for name, entry in part.items() if name != PLUGIN} for part in found)

    def stated(name: str, entry: Entry) -> Message:
        return note("stated", value=str(entry.get("value")))

    return [
        *group("versions.changed", changed(a, b, "value", from_to)),
        *group("versions.only_a", only(Side.A, a, b, stated)),
        *group("versions.only_b", only(Side.B, b, a, stated)),
    ]


def _models(pair: Pair) -> list[Group]:
    found = pair.sections("architectures")
    if found is None:
        return []
    a, b = found
    gone = pair.b.get("removed_architectures") or {}
    spelled = {name.casefold(): name for name in b}

    def lost(name: str, entry: Entry) -> Message | None:
        if name.casefold() in spelled:
            return note("respelled", name=spelled[name.casefold()])
        return note("last", last=str(gone[name].get("last"))) if name in gone else None

    def gained(name: str, entry: Entry) -> Message:
        return note("own", kind=str(entry.get("kind"))) if _own(entry) else note("kind", kind=str(entry.get("kind")))

    def switched(to: bool) -> list[Item]:
        return [
            Item(
                name, (*place(Side.A, old), *place(Side.B, new)), note("class", name=str((new if to else old)["class"]))
            )
            for name, old, new in both(a, b)
            if _own(old) is not to and _own(new) is to
        ]

    return [
        *group("models.removed", only(Side.A, a, b, lost)),
        *group("models.added", only(Side.B, b, a, gained)),
        *group("models.own", switched(True)),
        *group("models.not_own", switched(False)),
    ]


def _own(entry: Entry) -> bool:
    """Whether the plugin runs an architecture with a class of its own."""
    return str(entry.get("module", "")).partition(".")[0] == PLUGIN


def _operators(pair: Pair) -> list[Group]:
    out: list[Group] = []
    found = pair.sections("custom_ops")
    if found is not None:
        a, b = ({name: _merged(entries) for name, entries in part.items() if entries} for part in found)

        def by(name: str, entry: Entry) -> Message:
            return note("class", name=entry["class"])

        out += group("operators.lost", only(Side.A, a, b, by))
        out += group("operators.replaced", only(Side.B, b, a, by))
    backends = pair.sections("attention_backends")
    if backends is not None:
        old, new = (_backends(part) for part in backends)
        out += group("operators.backends.removed", only(Side.A, old, new, _chosen))
        out += group("operators.backends.added", only(Side.B, new, old, _chosen))
    return out


def _merged(entries: list[Entry]) -> Entry:
    """The classes that replace one operator (per SoC there may be another), at the line of the first."""
    names = dict.fromkeys(str(entry.get("class", "")).rpartition(":")[2] for entry in entries)
    return {"at": entries[0].get("at"), "class": ", ".join(names)}


def _backends(rows: list[Entry]) -> dict[str, Entry]:
    """Backends by class name; the first line that selects each."""
    out: dict[str, Entry] = {}
    for row in rows:
        out.setdefault(str(row.get("backend", "")).rpartition(".")[2], row)
    return out


def _chosen(name: str, entry: Entry) -> Message | None:
    """Which properties of a model select a backend."""
    key = entry.get("key") or {}
    named = [word for word in sorted(key) if key[word]]
    return note("chosen", properties=", ".join(named)) if named else None


def _names(pair: Pair, section: str, kind: str) -> list[Group]:
    """A section that is no more than names."""
    found = pair.sections(section)
    if found is None:
        return []
    a, b = found
    return [*group(f"{kind}.removed", only(Side.A, a, b)), *group(f"{kind}.added", only(Side.B, b, a))]


def _documented(pair: Pair) -> list[Group]:
    """The support matrix that each release prints about itself."""
    found = pair.sections("documented")
    if found is None:
        return []
    a, b = _same_names(*found)

    def status(name: str, entry: Entry) -> Message:
        return note("status", status=str(entry.get("status")))

    def other(old: str, new: str) -> Message:
        return note("status_changed", old_status=old, new_status=new)

    return [
        *group("documented.status", changed(a, b, "status", other)),
        *group("documented.removed", only(Side.A, a, b, status)),
        *group("documented.added", only(Side.B, b, a, status)),
    ]


def _same_names(a: Mapping[str, Entry], b: Mapping[str, Entry]) -> tuple[Mapping[str, Entry], Mapping[str, Entry]]:
    """Rows that people wrote, matched without regard to case: ``LLama`` and ``Llama`` are one model."""
    known = {name.casefold(): name for name in b}
    return {known.get(name.casefold(), name): entry for name, entry in a.items()}, b
