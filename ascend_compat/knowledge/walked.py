"""What the operator walk says of one checkpoint: each meeting with whether config.json leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ascend_compat.core.class_names import CAUSAL, plain
from ascend_compat.knowledge.guard_values import Unknown, Values, elements, parsed

TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
#: Combinations of elements that are tried for one meeting.
COMBINATIONS = 400
DEPTH = 4
OLD_CHIP, OTHER = "310P", ""
#: The kind of guard that config.json decides.
CONFIG = "C"


@dataclass(frozen=True, slots=True)
class Use:
    """One meeting: what, whether it is certain (``True``) or hangs on what is not known, and the calls that lead to it.

    ``open`` are the texts of guards that decide and are not decided; ``steps`` are ``(path:line, function)``.
    """

    kind: str
    name: str
    at: str
    by: str
    by_at: str
    note: str
    certain: bool
    data: bool
    open: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: Whether something that is open is for config.json to decide.
    by_config: bool = False


class Walked:
    """The section ``operators`` of a pack, asked about one checkpoint on one device type."""

    def __init__(self, section: Mapping[str, Any], soc: str) -> None:
        self.section = section
        # A tree that does not enumerate devices knows the old chip, and every other one under no name.
        known = soc if soc in section["socs"] or soc == OLD_CHIP else OTHER
        self.bit = 1 << section["socs"].index(known) if known in section["socs"] else 0
        self.has_triton = known in section.get("triton", ())
        self.unwalked: list[str] = []
        #: Where the architecture that was asked for is registered.
        self.at: str | None = None

    def uses(self, architecture: str, config: Mapping[str, Any] | None, depth: int = 0) -> list[Use]:
        """Meetings of an architecture and of the language models it makes, certain ones first.

        Without a configuration everything that it would decide stays open.
        """
        if architecture not in self.section["architectures"]:
            self.unwalked.append(architecture)
            return []
        values = Values(config, text_part(config) if config is not None else None)
        found: dict[tuple[str, str, str], Use] = {}
        for number in self.section["architectures"][architecture]:
            use = self._use(self.section["uses"][number], values)
            if use is None:
                continue
            key = (use.kind, use.name, use.by or use.at)
            known = found.get(key)
            if known is None or (not known.certain and (use.certain or len(use.open) < len(known.open))):
                found[key] = use
        nested = [use for use in found.values() if use.kind == "model" and use.certain]
        for use in nested if depth < DEPTH else ():
            for inner in self._nested(use, values, depth):
                found.setdefault((inner.kind, inner.name, inner.by or inner.at), inner)
        return sorted(found.values(), key=lambda u: (not u.certain, u.kind, u.name, u.at))

    def _nested(self, use: Use, values: Values, depth: int) -> list[Use]:
        tree = parsed(use.note or "config")
        try:
            part = values.value(tree) if tree is not None else None
        except Unknown:
            part = None
        if not isinstance(part, Mapping):
            part = None
        name = use.name or (self._language_model(part) if part is not None else "")
        if not name:
            self.unwalked.append(use.note)
            return []
        return self.uses(name, part, depth + 1)

    def _language_model(self, part: Mapping[str, Any]) -> str:
        """The architecture of a part of config.json: the one it names, else the one of its model type."""
        named = part.get("architectures")
        if isinstance(named, Sequence) and named and isinstance(named[0], str):
            return named[0]
        wanted = plain(str(part.get("model_type", ""))) + CAUSAL
        known: dict[str, str] = {plain(name): name for name in self.section["architectures"]}
        return known.get(wanted, str(part.get("model_type") or "?"))

    def _use(self, row: Sequence[Any], values: Values) -> Use | None:
        thing, mask, guards, data, step = row
        if not mask & self.bit:
            return None
        texts = [(*self.section["guards"][abs(g) - 1], g > 0) for g in guards]
        answer, left = holds([(text, kind, wanted) for kind, text, wanted in texts], values)
        if answer is False:
            return None
        decided = tuple(text if wanted else f"not ({text})" for _, text, wanted in texts if text not in left)
        by_config = any(k == CONFIG and (text in left or f"not ({text})" in left) for k, text, _ in texts)
        kind, name, at, by, by_at, note = self.section["things"][thing]
        steps = tuple(self._steps(step))
        return Use(
            kind, name, at, by, by_at, note, answer is True, bool(data), tuple(left), decided, steps, by_config
        )  # fmt: skip

    def _steps(self, step: int) -> Iterator[tuple[str, str]]:
        chain = []
        while step >= 0:
            at, name, step = self.section["steps"][step]
            chain.append((at, name))
        yield from reversed(chain)


def holds(guards: list[tuple[str, str, bool]], values: Values) -> tuple[bool | None, list[str]]:
    """Whether all guards ``(text, kind, wanted)`` can hold together, and the texts of those that nobody decides.

    ``each(x)`` stands for some element of ``x``, the same one in all of them.
    """
    parts = {text: owner for guard, _, _ in guards for text, owner in elements(guard)}
    unknown: list[str] = []
    answers = []
    for bound in _bindings(parts, values):
        values.bound = bound
        answer, left = _all(guards, values)
        if answer:
            values.bound = {}
            return True, []
        answers.append(answer)
        unknown = left if answer is None and (not unknown or len(left) < len(unknown)) else unknown
    values.bound = {}
    return (None, unknown) if None in answers else (False, [])


def _bindings(parts: Mapping[str, Any], values: Values) -> Iterator[dict[str, Any]]:
    choices: list[list[tuple[str, Any]]] = []
    for text, owner in parts.items():
        try:
            found = values.value(owner)
        except Unknown:
            continue
        items = list(found.values()) if isinstance(found, Mapping) else list(found) if _many(found) else []
        unique: list[Any] = []
        for item in items:
            if item not in unique:
                unique.append(item)
        choices.append([(text, item) for item in unique])
    for count, chosen in enumerate(product(*choices)):
        if count >= COMBINATIONS:
            return
        yield dict(chosen)


def _many(found: Any) -> bool:
    return isinstance(found, (list, tuple, str))


def _all(guards: list[tuple[str, str, bool]], values: Values) -> tuple[bool | None, list[str]]:
    left = []
    for text, kind, wanted in guards:
        if kind != CONFIG:
            left.append(text if wanted else f"not ({text})")
            continue
        try:
            if values.test(text) is not wanted:
                return False, []
        except Unknown:
            left.append(text if wanted else f"not ({text})")
    return (None, left) if left else (True, [])


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of config.json that describes the text model."""
    for name in TEXT_PARTS:
        part = config.get(name)
        if isinstance(part, Mapping):
            return text_part(part) if name == "thinker_config" else part
    return config


def asked(config: Any, *architectures: str | None) -> frozenset[str]:
    """Plain names of the architectures that a checkpoint asks for: its own and those of every part of config.json."""
    found = {plain(name) for name in architectures if name}
    if isinstance(config, Mapping):
        named = config.get("architectures")
        found |= {plain(name) for name in named if isinstance(name, str)} if isinstance(named, (list, tuple)) else set()
        kind = plain(str(config.get("model_type", "")))
        found |= {kind + CAUSAL} if kind else set()
        for part in config.values():
            found |= asked(part) if isinstance(part, Mapping) else set()
    return frozenset(found)
