"""The curated rules of the memory estimator: constants, release switches, sharding and storage tables."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import Field, field_validator

from ascend_compat.core.rulefile import Entry, Rule, Sourced, examine
from ascend_compat.core.target import Target
from ascend_compat.errors import RuleError
from ascend_compat.location import rule_bytes

Shard = Literal[
    "skip", "replicated", "column", "row", "vocab", "kv", "fused_qkv", "expert", "expert_column", "expert_row",
    "shared_column", "shared_row", "latent_column", "head_gate",
]  # fmt: skip
MAIN_FILE = "memory.toml"
MODULES_FILE = "memory_modules.toml"
LAYOUTS_FILE = "layouts.toml"


class Constant(Sourced):
    """A number with its origin; its key is its name. An estimate also says how low and how high it may be."""

    value: int | float
    low: int | float | None = None
    high: int | float | None = None


class Interval(Rule):
    """Releases and devices a rule holds for; 0.18.0rc1 counts as 0.18.0 unless the bound names a pre-release."""

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


class Switch(Interval, Constant, Entry):
    """A constant that depends on the release or the device."""


class CheckRule(Interval, Entry):
    """A static check by the id of its message: the releases that make it, and where."""

    check: str


class EncoderRule(Interval, Entry):
    """Files whose encoders stay whole on every rank where tp does not divide their heads, and in which releases."""

    files: tuple[str, ...]


class ModuleRule(Entry):
    """How the tensors whose template matches ``pattern`` are spread over the ranks."""

    name: str
    pattern: str
    shard: Shard
    unless: str | None = None
    router: bool = False
    latent_query: bool = False
    prologue: bool = False
    fine_grained: str | None = None
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


class RouterRule(Interval, Entry):
    """Bytes per element of the replicated router gate of a family."""

    bytes: int
    model_types: tuple[str, ...] = ()
    attention: tuple[str, ...] = ()


class FusedKernel(Interval, Entry):
    """A row of workspace of the fused expert kernel for weights of ``weight_bits``.

    ``row_bytes``: pairs of bytes for every hidden and every intermediate element, of which the larger counts.
    """

    weight_bits: int
    row_bytes: tuple[tuple[int, int], ...]


class SchemeRule(Entry):
    """Resident bytes of a quantized weight: ``weight_bits`` per element plus bytes per row, column and group.

    ``declared`` is a pattern of the scheme's declared name; ``group_size`` a group the scheme fixes itself.
    """

    name: str
    bits: int
    weight_bits: int
    dynamic: bool | None = None
    expert: bool | None = None
    weight_only: bool | None = None
    declared: str | None = None
    group_size: int | None = None
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


class MainFile(Rule):
    """``memory.toml``."""

    constants: dict[str, Constant]
    switches: dict[str, tuple[Switch, ...]]


class ModulesFile(Rule):
    """``memory_modules.toml``."""

    modules: tuple[ModuleRule, ...]
    places: Places
    routers: tuple[RouterRule, ...]
    fused_kernels: tuple[FusedKernel, ...]
    storage: StorageRules


class LayoutsFile(Rule):
    """``layouts.toml``. ``padded_encoders`` are files whose encoders pad their heads to a multiple of tp.

    ``convolution_tiles`` are the widths, in channels, into which the convolution of linear attention is cut.
    """

    padded_encoders: tuple[str, ...]
    whole_encoders: tuple[EncoderRule, ...]
    convolution_tiles: tuple[int, ...]
    checks: tuple[CheckRule, ...]


class MemoryRules(MainFile, ModulesFile, LayoutsFile):
    """Everything curated that the estimator reads."""

    path: str = Field(default="rules/curated/memory.toml")

    def number(self, name: str) -> float:
        """A constant by name; :class:`RuleError` when the rule files lack it."""
        if name not in self.constants:
            raise RuleError(f"{self.path} lacks the constant {name!r}", "restore the rule file of this version")
        return float(self.constants[name].value)

    def span(self, name: str) -> tuple[float, float, float]:
        """A constant at its low, likely and high value."""
        likely, entry = self.number(name), self.constants[name]
        low, high = entry.low, entry.high
        return (likely if low is None else float(low), likely, likely if high is None else float(high))

    def integer(self, name: str) -> int:
        """A whole constant by name."""
        return int(self.number(name))

    def switch(self, name: str, target: Target) -> Switch:
        """The first entry of a switch that holds for ``target``; :class:`RuleError` when none does."""
        for entry in self.switches.get(name, ()):
            if entry.holds(target):
                return entry
        raise RuleError(f"{self.path} has no {name!r} for vllm-ascend {target.vllm_ascend}", "add an entry to it")

    def check(self, message: str, target: Target) -> CheckRule | None:
        """The static check behind a message, ``None`` when this release does not make it."""
        return next((entry for entry in self.checks if entry.check == message and entry.holds(target)), None)

    def regime(self, target: Target) -> tuple[bool, ...]:
        """Which intervals ``target`` lies in: targets with equal regimes on a device are equal to the estimator."""
        entries: list[Interval] = [entry for known in self.switches.values() for entry in known]
        entries.extend((*self.routers, *self.fused_kernels, *self.checks, *self.whole_encoders))
        return tuple(entry.holds(target) for entry in entries)


@lru_cache(maxsize=1024)
def _inside(specifier: str | None, version: str | None) -> bool:
    if specifier is None:
        return True
    try:
        release = Version(version or "")
    except InvalidVersion:
        return not specifier.lstrip().startswith("<")
    return all(_meets(release, bound) for bound in SpecifierSet(specifier))


def _meets(release: Version, bound: Specifier) -> bool:
    """A bound that names no pre-release means the candidates of a release too: 0.18.0rc1 is in ``>=0.18``."""
    exact = Version(bound.version.removesuffix(".*")).is_prerelease
    return bound.contains(release if exact else Version(release.base_version), prereleases=True)


def load_memory_rules(path: Path) -> MemoryRules:
    """Rules from ``memory.toml`` and the two files beside it; ``path`` is the file or its directory.

    Raises :class:`RuleError` for a missing file, and with every problem for a malformed or incomplete one.
    """
    main = path / MAIN_FILE if path.is_dir() else path
    parts: dict[str, Any] = {}
    files: tuple[tuple[str, type[Rule]], ...] = (
        (main.name, MainFile), (MODULES_FILE, ModulesFile), (LAYOUTS_FILE, LayoutsFile),
    )  # fmt: skip
    for name, model in files:
        file = main.with_name(name)
        parts.update(examine(rule_bytes(file), name, model).sound())
    return MemoryRules(**parts)
