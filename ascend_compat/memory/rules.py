"""The curated rules of the memory estimator: constants, release switches, sharding and storage tables."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ascend_compat.core.target import Target
from ascend_compat.errors import RuleError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Level = Literal["verified", "documented", "inferred"]
Shard = Literal[
    "skip", "replicated", "column", "row", "vocab", "kv", "fused_qkv", "expert", "expert_column", "expert_row",
    "shared_column", "shared_row", "latent_column",
]  # fmt: skip
MODULES_FILE = "memory_modules.toml"


class Rule(BaseModel):
    """Base of every rule: unknown keys are an error, so that a typing mistake is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Constant(Rule):
    """A number with its origin."""

    value: int | float
    source: str
    level: Level


class Interval(Rule):
    """Releases and devices a rule holds for; compared without pre-release suffix (0.18.0rc1 counts as 0.18.0)."""

    vllm: str | None = None
    vllm_ascend: str | None = None
    device: str | None = None

    @field_validator("vllm", "vllm_ascend")
    @classmethod
    def _specifier(cls, text: str | None) -> str | None:
        try:
            SpecifierSet(text or "")
        except InvalidSpecifier as error:
            raise ValueError(f"not a version interval: {text}") from error
        return text

    def holds(self, target: Target) -> bool:
        """Whether ``target`` lies in the interval; a version that can't be read counts as the newest."""
        if self.device is not None and self.device != target.soc.device_type:
            return False
        own = target.vllm_ascend
        return _inside(self.vllm, target.vllm or own) and _inside(self.vllm_ascend, own)


class Switch(Interval, Constant):
    """A constant that depends on the release or the device."""


class ModuleRule(Rule):
    """How the tensors whose template matches ``pattern`` are spread over the ranks."""

    name: str
    pattern: str
    shard: Shard
    source: str
    unless: str | None = None
    router: bool = False
    latent_query: bool = False
    dtype_bytes: int | None = None

    @field_validator("pattern", "unless")
    @classmethod
    def _regex(cls, text: str | None) -> str | None:
        try:
            re.compile(text or "")
        except re.error as error:
            raise ValueError(f"not a pattern: {text}") from error
        return text

    def matches(self, template: str) -> bool:
        """Whether a tensor template belongs to the rule."""
        if re.search(self.pattern, template) is None:
            return False
        return self.unless is None or re.search(self.unless, template) is None


class RouterRule(Interval):
    """Bytes per element of the replicated router gate of a family."""

    bytes: int
    source: str
    level: Level
    model_types: tuple[str, ...] = ()
    attention: tuple[str, ...] = ()


class SchemeRule(Rule):
    """Resident bytes of a quantized weight: ``weight_bits`` per element plus bytes per row, column and group."""

    name: str
    bits: int
    weight_bits: int
    source: str
    level: Level
    dynamic: bool | None = None
    expert: bool | None = None
    weight_only: bool | None = None
    per_out: int = 0
    per_in: int = 0
    group_bytes: int = 0
    gate_up_per_out: int = 0


class StorageRules(Rule):
    """Stored dtypes that stay float, auxiliary parameters that a scheme accounts for, and the schemes."""

    float_dtypes: tuple[str, ...]
    auxiliary: tuple[str, ...]
    schemes: tuple[SchemeRule, ...]


class Places(Rule):
    """Patterns that say where a tensor lives under pipeline parallelism; none of them means the last stage."""

    draft: tuple[str, ...]
    tower: tuple[str, ...]
    layer: tuple[str, ...]
    first: tuple[str, ...]


class MemoryRules(Rule):
    """Everything curated that the estimator reads."""

    constants: dict[str, Constant]
    switches: dict[str, tuple[Switch, ...]]
    modules: tuple[ModuleRule, ...]
    places: Places
    routers: tuple[RouterRule, ...]
    storage: StorageRules
    path: str = Field(default="rules/curated/memory.toml")

    def number(self, name: str) -> float:
        """A constant by name; :class:`RuleError` when the rule files lack it."""
        if name not in self.constants:
            raise RuleError(f"{self.path} lacks the constant {name!r}", "restore the rule file of this version")
        return float(self.constants[name].value)

    def integer(self, name: str) -> int:
        """A whole constant by name."""
        return int(self.number(name))

    def switch(self, name: str, target: Target) -> Switch:
        """The first entry of a switch that holds for ``target``; :class:`RuleError` when none does."""
        for entry in self.switches.get(name, ()):
            if entry.holds(target):
                return entry
        raise RuleError(f"{self.path} has no {name!r} for vllm-ascend {target.vllm_ascend}", "add an entry to it")


def _inside(specifier: str | None, version: str | None) -> bool:
    if specifier is None:
        return True
    try:
        release = Version(Version(version or "").base_version)
    except InvalidVersion:
        return not specifier.lstrip().startswith("<")
    return release in SpecifierSet(specifier)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a mapping; :class:`RuleError` when it is missing or malformed."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RuleError(f"{path.name} can't be read: {error}", "check the rules directory") from error
    return data


def load_memory_rules(path: Path) -> MemoryRules:
    """Rules from ``memory.toml`` and ``memory_modules.toml`` beside it; ``path`` is the file or its directory.

    Raises :class:`RuleError` for a missing, malformed or incomplete file.
    """
    main = path / "memory.toml" if path.is_dir() else path
    data = {**read_toml(main), **read_toml(main.with_name(MODULES_FILE))}
    try:
        return MemoryRules.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RuleError(f"{main.name}: {place}: {first['msg']}", "correct the rule file") from error
