"""Ascend devices by name: the table of rules/curated/soc.toml and how a user's name and memory resolve to a Soc."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from ascend_compat.core.rulefile import Entry, Rule, examine
from ascend_compat.core.target import Soc
from ascend_compat.core.units import GIB
from ascend_compat.errors import UsageError
from ascend_compat.location import rule_bytes
from ascend_compat.memory.rules import LAYOUTS_FILE, MAIN_FILE, MODULES_FILE, LayoutsFile, MainFile, ModulesFile

SOC_FILE = "soc.toml"
#: How the name of a chip version begins among the aliases of a device.
VERSION = "ascend"

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:GiB|G|GB)?\s*$", re.IGNORECASE)


class SocRule(Entry):
    """One device generation; ``memory_bytes`` absent means the user has to say it."""

    name: str
    device_type: str
    npus_per_node: int
    aliases: tuple[str, ...] = ()
    memory_bytes: int | None = None
    nominal: dict[str, int] = Field(default_factory=dict)


class SocFile(Rule):
    """The whole table."""

    socs: tuple[SocRule, ...]


#: Curated files of this layer by name.
FILES: Mapping[str, type[Rule]] = {
    MAIN_FILE: MainFile, MODULES_FILE: ModulesFile, LAYOUTS_FILE: LayoutsFile, SOC_FILE: SocFile,
}  # fmt: skip


def load_soc_rules(path: Path) -> tuple[SocRule, ...]:
    """Rows of ``soc.toml`` (the file or its directory); :class:`RuleError` when it can't be used."""
    file = path / SOC_FILE if path.is_dir() else path
    return examine(rule_bytes(file), file.name, SocFile).sound().socs


def load_socs(path: Path) -> dict[str, Soc]:
    """Every device by its name and its aliases (lower case); a device without memory of its own has 0 bytes."""
    table: dict[str, Soc] = {}
    for row in load_soc_rules(path):
        versions = tuple(name for name in row.aliases if name.startswith(VERSION))
        soc = Soc(row.name, row.memory_bytes or 0, row.npus_per_node, row.device_type, versions)
        for name in (row.name, row.device_type, *row.aliases):
            table.setdefault(_key(name), soc)
    return table


def resolve_soc(name: str, npu_memory: str | float | None, path: Path) -> Soc:
    """The device called ``name``, with the user's memory where given.

    ``npu_memory`` is GiB as the runtime sees them (``60.97``); a nominal size of the device with its unit (``64G``)
    means what such a card shows. :class:`UsageError` names the known devices, or asks for ``--npu-memory``.
    """
    rules = {row.name: row for row in load_soc_rules(path)}
    soc = load_socs(path).get(_key(name))
    if soc is None:
        raise UsageError(f"unknown SoC {name!r}", f"use one of {', '.join(rules)} or an alias such as 910B, 910C, 950")
    if npu_memory is not None:
        soc = replace(soc, memory_bytes=_memory(npu_memory, rules[soc.name].nominal))
    if not soc.memory_bytes:
        raise UsageError(f"SoC {soc.name!r} has no memory size of its own", "add --npu-memory GIB")
    return soc


def _memory(text: str | float, nominal: Mapping[str, int]) -> int:
    named = str(text).strip().upper().removesuffix("B")
    if named in nominal:
        return nominal[named]
    match = _SIZE.match(str(text))
    size = int(float(match.group(1)) * GIB) if match else 0
    if size <= 0:
        raise UsageError(f"--npu-memory {text!r} is not a size", "give GiB, such as 60.97")
    return size


def _key(name: str) -> str:
    return name.strip().lower().lstrip("_").replace(" ", "")
