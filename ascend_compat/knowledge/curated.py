"""Schemas of the curated rule files of this layer, and every problem of a directory of them at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, Field, field_validator, model_validator

from ascend_compat.core.rulefile import Entry, Rule, RuleFile, Said, examine, tables
from ascend_compat.core.toml_places import Loc
from ascend_compat.core.verdict import Effect, Severity
from ascend_compat.errors import RuleError
from ascend_compat.knowledge.conditions import is_interval, mistakes
from ascend_compat.knowledge.fact_names import known
from ascend_compat.location import rule_bytes


class ExternalValue(Entry):
    """A value of a library outside the trees: one value, or the members of an enumeration."""

    name: Said
    value: str | int | bool | None = None
    members: dict[str, str] | None = None


class Present(Entry):
    """A library outside the trees whose attributes are taken to exist: the release pins the version it needs."""

    prefix: Said


class Uninstalled(Entry):
    """A library that no release needs or installs: importing it fails."""

    module: Said


class Allowed(Entry):
    """A cast that keeps the value; ``role`` limits it to parameters of that name."""

    stored: list[str]
    allocated: list[str]
    role: str | None = None
    why: Said

    def concerns(self, parameter: str) -> bool:
        """Whether the rule is for a parameter: any, the one of its role, or that of a fused half (``w13_...``)."""
        return self.role is None or parameter == self.role or parameter.endswith(f"_{self.role}")


class Same(Entry):
    """safetensors dtypes with the torch dtype that holds exactly the same values."""

    dtypes: dict[str, str]


class Casts(Rule):
    """``same`` maps safetensors dtypes to torch's; ``allowed`` lists the casts that keep the value."""

    same: Same
    allowed: list[Allowed]

    def keeps(self, stored: str, allocated: str, parameter: str) -> bool:
        """Whether copying a stored tensor into an allocated one keeps its values."""
        if self.same.dtypes.get(stored) == allocated:
            return True
        return any(
            stored in rule.stored and allocated in rule.allocated and rule.concerns(parameter) for rule in self.allowed
        )


class AbsentDtype(Entry):
    """dtypes that device types can't compute with; ``instead`` is the ``--dtype`` that avoids one.

    ``effect`` ``none`` means that nobody has shown them to work there or to fail.
    """

    dtypes: list[str]
    device_types: list[str]
    effect: Effect
    instead: str | None = None


class Defect(Entry):
    """A known defect (AC601) or limit (AC602): what hits whom, since when, and what to do, in both languages.

    ``releases`` is a PEP 440 interval over vllm-ascend releases, pre-releases counted, without ``except``; absent, it
    holds for every release that ``when`` picks. ``soc`` names devices of soc.toml; empty means all.
    """

    kind: Literal["defect", "limit"]
    severity: Severity
    effect: Effect
    conditional: bool = False
    releases: str | None = None
    without: tuple[str, ...] = Field(default=(), alias="except")
    soc: tuple[str, ...] = ()
    when: dict[str, Any]
    en: Said
    zh: Said
    remedy_en: Said
    remedy_zh: Said

    @field_validator("releases")
    @classmethod
    def _interval(cls, text: str | None) -> str | None:
        if text is not None and not is_interval(text):
            raise ValueError(f"{text!r} is not an interval such as >=0.18.0rc1,<0.21.0rc1")
        return text

    @field_validator("without")
    @classmethod
    def _releases(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if version(name) is None:
                raise ValueError(f"{name!r} is not a release")
        return names

    @field_validator("zh", "remedy_zh")
    @classmethod
    def _chinese(cls, text: str) -> str:
        if not any("一" <= char <= "鿿" for char in text):
            raise ValueError("not Chinese")
        return text

    @model_validator(mode="after")
    def _weighs(self) -> Defect:
        if self.severity is Severity.BLOCKER and self.level != "verified":
            raise ValueError(f"a blocker needs level verified, not {self.level}")
        if self.severity is Severity.BLOCKER and self.kind == "limit":
            raise ValueError("a limit is a warning or an info, never a blocker")
        if self.conditional and self.severity is not Severity.BLOCKER:
            raise ValueError("only a blocker can be conditional")
        return self

    def covers(self, release: str | None) -> bool | None:
        """Whether the interval holds for a release; ``None`` for a tree that is none (no name, or a build between)."""
        if self.releases is None and not self.without:
            return True
        own = version(release or "")
        if own is None or own.is_devrelease or own.local is not None:
            return None
        if any(own == version(name) for name in self.without):
            return False
        return self.releases is None or own in SpecifierSet(self.releases, prereleases=True)


class Externals(Rule):
    """``externals.toml``."""

    value: list[ExternalValue]
    present: tuple[Present, ...] = ()
    uninstalled: tuple[Uninstalled, ...] = ()


class Hardware(Rule):
    """``hardware.toml``."""

    absent: list[AbsentDtype]


class Reader(Entry):
    """Software outside the trees and the environment variables it reads: whole names, and beginnings of names."""

    software: Said
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


class Variables(Rule):
    """``environment.toml``."""

    reader: tuple[Reader, ...]


class Defects(Rule):
    """``defects.toml``."""

    defect: list[Defect]


class Names(Entry):
    """Names of support matrices and tests as architectures, by an expression; the first that matches counts."""

    architectures: dict[str, list[str]]


class Drafts(Entry):
    """The class that drafts for an architecture whose checkpoint has its own multi-token prediction."""

    architectures: dict[str, str]


class Reported(Entry):
    """An architecture that is reported or reasoned not to run, up to a vllm version."""

    architecture: Said
    until: Said | None = None


class Claims(Rule):
    """``claims.toml``."""

    names: Names
    drafts: Drafts
    report: tuple[Reported, ...] = ()

    def architectures(self, label: str) -> list[str]:
        """Architectures that a name stands for; empty for a name no expression knows."""
        return self.mapped(label) or []

    def mapped(self, label: str) -> list[str] | None:
        """As :meth:`architectures`; ``None`` for a name no expression knows."""
        rows = self.names.architectures.items()
        return next((found for text, found in rows if re.search(text, label, re.I)), None)


#: Files of this layer by name.
FILES: Mapping[str, type[BaseModel]] = {
    "casts.toml": Casts,
    "claims.toml": Claims,
    "defects.toml": Defects,
    "environment.toml": Variables,
    "externals.toml": Externals,
    "hardware.toml": Hardware,
}


def version(name: str) -> Version | None:
    """A release name as a version, ``None`` when it is none."""
    try:
        return Version(name)
    except InvalidVersion:
        return None


def read_file(path: Path, model: type[BaseModel]) -> RuleFile[Any]:
    """A rule file with its problems; :class:`RuleError` only when it can't be opened."""
    return examine(rule_bytes(path), path.name, model, _conditions)


def problems(directory: Path, others: Mapping[str, type[BaseModel]]) -> list[str]:
    """Every problem of the rule files in ``directory`` as ``file:line: what``; ``others`` are files of other layers."""
    models = {**FILES, **others}
    found: list[str] = []
    for name in sorted({path.name for path in directory.glob("*.toml")} | set(models)):
        if name not in models:
            found.append(f"{name}:1: no reader knows this file")
            continue
        try:
            found.extend(read_file(directory / name, models[name]).problems)
        except RuleError as error:
            found.append(f"{name}:1: {error}")
    return sorted([*found, *_devices(directory)], key=_place)


def _place(problem: str) -> tuple[str, int]:
    name, line, _ = problem.split(":", 2)
    return name, int(line)


def _conditions(data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    for loc, entry in tables(data):
        if len(loc) == 2 and loc[0] == "defect" and isinstance(entry.get("when"), dict):
            yield from (((*loc, "when", *inner), what) for inner, what in mistakes(entry["when"], known))


def _devices(directory: Path) -> Iterator[str]:
    """SoCs and device types that soc.toml does not have."""
    table = _rows(directory, "soc.toml", "socs")
    for name, rows, field, column in (
        ("defects.toml", "defect", "soc", "name"),
        ("hardware.toml", "absent", "device_types", "device_type"),
    ):
        there = {entry[column] for _, entry, _ in table if column in entry}
        for index, entry, file in _rows(directory, name, rows):
            for device in entry.get(field) or ():
                if there and device not in there:
                    yield f"{name}:{file.line((rows, index, field))}: {rows}.{index}.{field}: unknown SoC {device!r}"


def _rows(directory: Path, name: str, key: str) -> list[tuple[int, Mapping[str, Any], RuleFile[Any]]]:
    """The entries of a file as far as it can be read."""
    try:
        file = examine(rule_bytes(directory / name), name, _Loose)
    except RuleError:
        return []
    rows = getattr(file.rules, key, None)
    return [(n, row, file) for n, row in enumerate(rows if isinstance(rows, list) else []) if isinstance(row, dict)]


class _Loose(BaseModel, extra="allow"):
    """Any table: a file with problems of its own is still looked through for devices."""
