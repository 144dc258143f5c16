"""Where rules live and how they are read: packs of releases and curated TOML files."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, ValidationError

from ascend_compat.errors import RuleError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACK_SCHEMA = 1
_Model = TypeVar("_Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExternalValue(_Strict):
    """A value of a library outside the trees: one value, or the members of an enumeration."""

    name: str
    value: str | int | bool | None = None
    members: dict[str, str] | None = None
    source: str
    seen: str
    level: str


class Allowed(_Strict):
    """A cast that keeps the value; ``role`` limits it to parameters of that name."""

    stored: list[str]
    allocated: list[str]
    role: str | None = None
    why: str
    level: str


class Casts(_Strict):
    """``same`` maps safetensors dtypes to torch's; ``allowed`` lists the casts that keep the value."""

    meta: dict[str, str]
    same: dict[str, str]
    allowed: list[Allowed]

    def keeps(self, stored: str, allocated: str, parameter: str) -> bool:
        """Whether copying a stored tensor into an allocated one keeps its values."""
        if self.same.get(stored) == allocated:
            return True
        return any(
            stored in rule.stored and allocated in rule.allocated and rule.role in (None, parameter)
            for rule in self.allowed
        )


class AbsentDtype(_Strict):
    """dtypes that device types can't compute with; ``instead`` is the ``--dtype`` that avoids one."""

    dtypes: list[str]
    device_types: list[str]
    effect: str
    instead: str | None = None
    source: str
    seen: str
    level: str


class Present(_Strict):
    """A library outside the trees whose attributes are taken to exist: the release pins the version it needs."""

    prefix: str
    source: str
    seen: str
    level: str


class _Externals(_Strict):
    value: list[ExternalValue]
    present: list[Present] = []


class _Hardware(_Strict):
    absent: list[AbsentDtype]


@dataclass(frozen=True)
class Rules:
    """One rules directory."""

    directory: Path

    @cached_property
    def casts(self) -> Casts:
        """``curated/casts.toml``."""
        return _curated(self.directory / "curated" / "casts.toml", Casts)

    @cached_property
    def hardware(self) -> list[AbsentDtype]:
        """``curated/hardware.toml``."""
        return _curated(self.directory / "curated" / "hardware.toml", _Hardware).absent

    @cached_property
    def externals(self) -> dict[str, Any]:
        """``curated/externals.toml`` as dotted names to values."""
        known = _curated(self.directory / "curated" / "externals.toml", _Externals)
        out: dict[str, Any] = {f"{item.prefix}.*": True for item in known.present}
        for item in known.value:
            if item.members is None:
                out[item.name] = item.value
            else:
                out.update({f"{item.name}.{key}": value for key, value in item.members.items()})
        return out

    def releases(self) -> list[str]:
        """Packed releases, oldest first."""
        names = [path.stem for path in (self.directory / "packs").glob("*.json")]
        return sorted(names, key=_order)

    def pack(self, release: str | None) -> dict[str, Any]:
        """The pack of a release (``0.18.0rc1`` or ``vllm-ascend==0.18.0rc1``); the newest one for ``None``."""
        known = self.releases()
        if not known:
            raise RuleError(f"no packs under {self.directory / 'packs'}", "reinstall, or build one: rules build")
        if release is None:
            return read_pack(self.directory / "packs" / f"{known[-1]}.json")
        wanted = release.strip().removeprefix("vllm-ascend").lstrip("=@ ").removeprefix("v")
        match = next((name for name in known if _same(name, wanted)), None)
        if match is None:
            raise UsageError(f"no pack for release {release!r}", f"known releases: {', '.join(known)}")
        return read_pack(self.directory / "packs" / f"{match}.json")


def read_pack(path: Path) -> dict[str, Any]:
    """A pack file; raises :class:`RuleError` when it is damaged or of another schema."""
    try:
        pack = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RuleError(f"{path}: not a readable pack ({error})", "build it anew: ascend-compat rules build") from None
    if not isinstance(pack, dict) or pack.get("schema") != PACK_SCHEMA:
        raise RuleError(f"{path}: not a pack of schema {PACK_SCHEMA}", "build it anew: ascend-compat rules build")
    return pack


def _curated(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RuleError(f"{path}: {error}", "curated rules are TOML; see docs/rules.md") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RuleError(f"{path}: {problems}", "see docs/rules.md for the fields of a rule") from None


def _order(name: str) -> Version:
    try:
        return Version(name)
    except InvalidVersion:
        return Version("0")


def _same(name: str, wanted: str) -> bool:
    try:
        return Version(name) == Version(wanted)
    except InvalidVersion:
        return name == wanted
