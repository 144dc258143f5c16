"""Where rules live and how they are read: packs of releases and curated TOML files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from ascend_compat.core.collector import paused
from ascend_compat.core.pack_file import is_pack_name, read_text, release_of
from ascend_compat.core.rulefile import RuleFile
from ascend_compat.errors import RuleError, UsageError
from ascend_compat.knowledge.curated import FILES, AbsentDtype, Casts, Claims, Defects, Reader, read_file

PACK_SCHEMA = 1


@dataclass(frozen=True)
class Rules:
    """One rules directory."""

    directory: Path

    @cached_property
    def casts(self) -> Casts:
        """``curated/casts.toml``."""
        casts: Casts = self._curated("casts.toml").sound()
        return casts

    @cached_property
    def claims(self) -> Claims:
        """``curated/claims.toml``."""
        claims: Claims = self._curated("claims.toml").sound()
        return claims

    @cached_property
    def hardware(self) -> list[AbsentDtype]:
        """``curated/hardware.toml``."""
        absent: list[AbsentDtype] = self._curated("hardware.toml").sound().absent
        return absent

    @cached_property
    def externals(self) -> dict[str, Any]:
        """``curated/externals.toml`` as dotted names to values."""
        known = self._curated("externals.toml").sound()
        out: dict[str, Any] = {f"{item.prefix}.*": True for item in known.present}
        out.update({f"{item.module}.-": False for item in known.uninstalled})
        for item in known.value:
            if item.members is None:
                out[item.name] = item.value
            else:
                out.update({f"{item.name}.{key}": value for key, value in item.members.items()})
        return out

    @cached_property
    def readers(self) -> tuple[Reader, ...]:
        """``curated/environment.toml``."""
        readers: tuple[Reader, ...] = self._curated("environment.toml").sound().reader
        return readers

    @cached_property
    def defects_file(self) -> RuleFile[Any]:
        """``curated/defects.toml`` with its lines."""
        return self._curated("defects.toml")

    @cached_property
    def defects(self) -> Defects:
        """``curated/defects.toml``."""
        defects: Defects = self.defects_file.sound()
        return defects

    def _curated(self, name: str) -> RuleFile[Any]:
        return read_file(self.directory / "curated" / name, FILES[name])

    def releases(self) -> list[str]:
        """Packed releases, oldest first."""
        return sorted(self._files, key=release_order)

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Pack files by release; where there are both, the plain file goes first."""
        found = [path for path in (self.directory / "packs").glob("*") if is_pack_name(path.name)]
        return {release_of(path): path for path in sorted(found, reverse=True)}

    @cached_property
    def _packs(self) -> dict[Path, dict[str, Any]]:
        """Packs that were read: a search for remedies asks for each of them many times."""
        return {}

    def file(self, release: str) -> Path:
        """The pack file of a release that :meth:`releases` names."""
        return self._files[release]

    def pack(self, release: str | None) -> dict[str, Any]:
        """The pack of a release (``0.18.0rc1`` or ``vllm-ascend==0.18.0rc1``); the newest one for ``None``.

        Packs are shared by all who ask: they are to be read, not changed.
        """
        known = self.releases()
        if not known:
            raise RuleError(f"no packs under {self.directory / 'packs'}", "reinstall, or build one: rules build")
        if release is None:
            return self._read(known[-1])
        wanted = release.strip().removeprefix("vllm-ascend").lstrip("=@ ").removeprefix("v")
        match = wanted if wanted in self._files else next((name for name in known if _same(name, wanted)), None)
        if match is None:
            raise UsageError(f"no pack for release {release!r}", f"known releases: {', '.join(known)}")
        return self._read(match)

    def _read(self, release: str) -> dict[str, Any]:
        path = self.file(release)
        if path not in self._packs:
            self._packs[path] = read_pack(path)
        return self._packs[path]


def read_pack(path: Path) -> dict[str, Any]:
    """A pack file; raises :class:`RuleError` when it is damaged or of another schema."""
    try:
        with paused():
            pack = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise RuleError(f"{path}: not a readable pack ({error})", "build it anew: ascend-compat rules build") from None
    if not isinstance(pack, dict) or pack.get("schema") != PACK_SCHEMA:
        raise RuleError(f"{path}: not a pack of schema {PACK_SCHEMA}", "build it anew: ascend-compat rules build")
    return pack


def release_order(name: str) -> Version:
    """A release as PEP 440 orders it; what is no version stands before all."""
    try:
        return Version(name)
    except InvalidVersion:
        return Version("0")


def _same(name: str, wanted: str) -> bool:
    try:
        return Version(name) == Version(wanted)
    except InvalidVersion:
        return name == wanted
