"""Names in the launch that the release does not know: flags, parsers, variables, configuration keys (AC701-AC705)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message
from ascend_compat.core.json_flag import read_json
from ascend_compat.core.target import LaunchProfile, Target
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.knobs import Readers, dotted_keys, knows_flag, knows_key, refused_key
from ascend_compat.knowledge.places import at

#: Flags that name a parser: the section of a pack that lists those of the release, and the flag that adds others.
PARSER_FLAGS: Mapping[str, tuple[str, str]] = {
    "--tool-call-parser": ("tool_parsers", "--tool-parser-plugin"),
    "--reasoning-parser": ("reasoning_parsers", "--reasoning-parser-plugin"),
}
SPECULATIVE = "--speculative-config"


def name_findings(
    pack: Mapping[str, Any], launch: LaunchProfile, readers: Readers, target: Target
) -> tuple[Finding, ...]:
    """One finding for each name; nothing where the pack does not say what is known."""
    names = _Names(pack, launch, readers, target.vllm_ascend)
    return (*names.flags(), *names.parsers(), *names.configuration(), *names.variables(), *names.additional())


class _Names:
    def __init__(self, pack: Mapping[str, Any], launch: LaunchProfile, readers: Readers, release: str) -> None:
        self.pack, self.launch, self.readers, self.release = pack, launch, readers, release
        self.given = dict(launch.flags or {})

    def flags(self) -> Iterator[Finding]:
        known: Mapping[str, Any] = self.pack.get("flags") or {}
        for flag in self.given if known else ():
            name = flag.partition(".")[0] if flag.startswith("--") else flag
            if not knows_flag(known, name):
                yield self._refused("AC701", flag, known, known, "vllm serve")

    def parsers(self) -> Iterator[Finding]:
        for flag, (section, plugin) in PARSER_FLAGS.items():
            value, known = self.given.get(flag), self.pack.get(section) or {}
            if known and value and plugin not in self.given and value not in known:
                yield self._refused("AC702", value, known, known, flag)

    def configuration(self) -> Iterator[Finding]:
        """Keys of configurations that are given as JSON; a key of a class that is not known is left out."""
        flags: Mapping[str, Any] = self.pack.get("flags") or {}
        classes: Mapping[str, Any] = self.pack.get("config_keys") or {}
        given: dict[str, Any] = {flag: read_json(value) for flag, value in self.given.items()}
        given[SPECULATIVE] = self.launch.speculative or given.get(SPECULATIVE)
        for flag, value in given.items():
            entry = flags.get(flag, {})
            owner = flags.get(entry.get("of", flag), {}).get("config")
            for key in _dotted(value) if isinstance(value, Mapping) and owner else ():
                if refused_key(classes, owner, key.split(".")) is not None:
                    known = classes[owner]["keys"]
                    yield self._refused("AC705", key, known, [classes[owner]], flag)

    def variables(self) -> Iterator[Finding]:
        known: Mapping[str, Any] = self.pack.get("environment") or {}
        for name in self.launch.environment or {} if known else ():
            if name not in known and not self.readers.reads(name):
                yield self._unread("AC703", name, known, "rules/curated/environment.toml", "")

    def additional(self) -> Iterator[Finding]:
        known: Mapping[str, Any] = self.pack.get("additional_config") or {}
        for key in _dotted(self.launch.additional_config or {}) if known else ():
            if not knows_key(known, key.split(".")):
                last = key.rpartition(".")[2]
                same = [path for path in dotted_keys(known) if path.rpartition(".")[2] == last]
                place = next(iter(known.values())).get("at", "additional-config")
                others = [path for path in dotted_keys(known) if not key.startswith(f"{path}.")]
                yield self._unread("AC704", key, others, place, next(iter(same), ""))

    def _refused(self, code: str, name: str, known: Iterable[str], table: Any, flag: str) -> Finding:
        """A name the command refuses: nothing starts, and leaving it out removes that."""
        close, rows = _close(name, known), list(table.values()) if isinstance(table, Mapping) else list(table)
        shown = table.get(close, rows[0]) if isinstance(table, Mapping) and rows else rows[0]
        params = {"name": name, "flag": flag, "release": self.release, "instead": close or "-"}
        variant = f"{code}.close" if close else code
        return Finding(
            code, Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, name, Message(variant, params),
            (at(shown.get("at") if isinstance(shown, Mapping) else None, close or f"{len(rows)} known"),),
            Message(f"{code}.remedy", params), conditional=True,
        )  # fmt: skip

    def _unread(self, code: str, name: str, known: Iterable[str], place: str, same: str) -> Finding:
        """A name nobody reads: the server starts without what was meant."""
        close = same or _close(name, known)
        params = {"name": name, "release": self.release, "instead": close or "-"}
        kind = EvidenceKind.RULE if place.startswith("rules/") else EvidenceKind.SOURCE
        evidence = Evidence(kind, place) if kind is EvidenceKind.RULE else at(place, close or "the keys that are read")
        return Finding(
            code, Severity.WARNING, Effect.DEGRADED, Basis.SOURCE, name,
            Message(f"{code}.close" if close else code, params), (evidence,),
        )  # fmt: skip


def _close(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, list(known), 1, 0.8)), "")


def _dotted(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key with its sections; a section that is empty or not an object is a key of its own."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
