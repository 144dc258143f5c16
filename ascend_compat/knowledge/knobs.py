"""Names that a release's tutorials use, looked up in what the release reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ascend_compat.knowledge.curated import Reader

ADDITIONAL = "--additional-config"
#: Names the tables of a pack hold under their own section.
PARSERS = (("tool_parsers", "tool parser"), ("reasoning_parsers", "reasoning parser"))


class Unread(NamedTuple):
    """One name nobody reads: what kind of name it is, where it is used (``path:line`` each), and why it counts.

    ``reason`` is ``unread`` (no code reads it), ``unknown`` (the command refuses it) or ``fixed`` (it exists, and can't
    be given). ``instead`` is a key of the same name that is read in another place.
    """

    kind: str
    name: str
    where: tuple[str, ...]
    reason: Literal["unread", "unknown", "fixed"]
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads variables besides the engine and the plugin."""

    readers: tuple[Reader, ...]

    def reads(self, name: str) -> bool:
        """Whether a variable belongs to other software."""
        return any(name in reader.names or name.startswith(reader.prefixes) for reader in self.readers)


def unread_knobs(pack: Mapping[str, Any], readers: Readers) -> list[Unread]:
    """Flags, variables, keys and parsers of the tutorials that the release does not know, by kind and name.

    A name counts only where the pack says what is known: a free-form section, a pack without the table, and a variable
    of other software are left out.
    """
    tutorials = pack.get("tutorials") or {}
    found = [
        *_flags(pack, tutorials),
        *_variables(pack, tutorials, readers),
        *_additional(pack, tutorials),
        *_configuration(pack, tutorials),
        *_parsers(pack, tutorials),
    ]
    return sorted(found)


def _places(pack: Mapping[str, Any], uses: str) -> tuple[str, ...]:
    pages = pack["tutorials"]["pages"]
    return tuple(f"{pages[int(page)]['path']}:{line}" for page, _, line in (use.partition(":") for use in uses.split()))


def _flags(pack: Mapping[str, Any], tutorials: Mapping[str, Any]) -> Iterator[Unread]:
    known = pack.get("flags") or {}
    for flag, uses in tutorials.get("flags", {}).items():
        if known and not knows_flag(known, flag):
            yield Unread("flag", flag, _places(pack, uses), "unknown")


def knows_flag(known: Mapping[str, Any], flag: str) -> bool:
    """Whether the command takes a flag: as it is, as the start of one, or a short one with its value attached."""
    if flag in known:
        return True
    if flag.startswith("--"):
        # argparse completes what is not ambiguous.
        return any(name.startswith(flag) for name in known)
    return any(flag.startswith(name) for name in known if not name.startswith("--"))


def _variables(pack: Mapping[str, Any], tutorials: Mapping[str, Any], readers: Readers) -> Iterator[Unread]:
    known = pack.get("environment") or {}
    for name, uses in tutorials.get("env", {}).items():
        if known and name not in known and not readers.reads(name):
            yield Unread("variable", name, _places(pack, uses), "unread")


def _additional(pack: Mapping[str, Any], tutorials: Mapping[str, Any]) -> Iterator[Unread]:
    known = pack.get("additional_config") or {}
    for key, uses in tutorials.get("keys", {}).get(ADDITIONAL, {}).items():
        if known and not knows_key(known, key.split(".")):
            last = key.rpartition(".")[2]
            instead = next((path for path in dotted_keys(known) if path.rpartition(".")[2] == last), "")
            yield Unread("additional-config key", key, _places(pack, uses), "unread", instead)


def dotted_keys(known: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of an additional-config table with its sections, in order."""
    for name, entry in known.items():
        yield f"{prefix}{name}"
        yield from dotted_keys(entry.get("keys", {}), f"{prefix}{name}.")


def knows_key(known: Mapping[str, Any], parts: list[str]) -> bool:
    """Whether a key is read; below a section whose keys are not known, everything may be."""
    for index, part in enumerate(parts):
        entry = known.get(part)
        if entry is None:
            # A key below an unread section is reported with the section.
            return index < len(parts) - 1
        known = entry.get("keys", {})
        if not known or entry.get("open"):
            return True
    return True


def _configuration(pack: Mapping[str, Any], tutorials: Mapping[str, Any]) -> Iterator[Unread]:
    classes = pack.get("config_keys") or {}
    flags = pack.get("flags") or {}
    for flag, keys in tutorials.get("keys", {}).items():
        entry = flags.get(flags.get(flag, {}).get("of", flag), {})
        for key, uses in keys.items():
            reason = refused_key(classes, entry.get("config"), key.split("."))
            if reason is not None:
                yield Unread(f"{flag} key", key, _places(pack, uses), reason)


def refused_key(classes: Mapping[str, Any], name: str | None, parts: list[str]) -> Literal["unknown", "fixed"] | None:
    """Why a configuration class refuses a dotted key, ``None`` when it takes it or that is not known."""
    for index, part in enumerate(parts):
        fields = classes.get(name or "")
        if fields is None:
            return None
        if part in fields.get("fixed", ()):
            # An object in a section need not be made of its class: ``draft_model_config`` of V 0.30.0 is not validated.
            return "fixed" if index == 0 else None
        if part not in fields["keys"]:
            return "unknown" if index == len(parts) - 1 else None
        name = fields.get("sections", {}).get(part)
    return None


def _parsers(pack: Mapping[str, Any], tutorials: Mapping[str, Any]) -> Iterator[Unread]:
    for section, kind in PARSERS:
        known = pack.get(section) or {}
        for name, uses in tutorials.get(section, {}).items():
            if known and name not in known:
                yield Unread(kind, name, _places(pack, uses), "unknown")
