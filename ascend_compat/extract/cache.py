"""Packs of trees, kept by what the trees and the extractor contain; a cache that fails never fails a run."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from ascend_compat.extract.build import SCHEMA, digest, dump_pack
from ascend_compat.extract.origin.store import cache_directory
from ascend_compat.extract.origin.wanted import files

#: Packs that are kept, under 1 MB each; the oldest go.
KEPT = 64
Pack = dict[str, Any]


def cached_pack(vllm_ascend: Path, vllm: Path, build: Callable[[], Pack], only: Collection[str] | None = None) -> Pack:
    """The pack of two trees: as it was built before from the same bytes by the same extractor, or built now.

    With ``only`` it may be one of these architectures, or the whole one where that is there.
    """
    home = cache_directory()
    try:
        whole = home / "packs" / f"{content_key(vllm_ascend, vllm)}.json" if home else None
        path = whole and (whole if only is None or whole.is_file() else whole.with_name(_part(whole.stem, only)))
    except OSError:  # a file that can't be read: what the pack makes of it can't be told from its bytes
        path = None
    if path is None:
        return build()
    known = _read(path)
    if known is not None:
        return known
    pack = build()
    with suppress(OSError):
        _write(path, pack)
    return pack


def _part(key: str, only: Collection[str]) -> str:
    return f"{key}-{hashlib.sha256(' '.join(sorted(only)).encode()).hexdigest()[:16]}.json"


def content_key(*trees: Path) -> str:
    """SHA-256 over paths and bytes of everything a pack of these trees can depend on, the extractor included."""
    # ``ast`` itself is part of the extractor: what it accepts and prints changes with Python.
    found = hashlib.sha256(f"{SCHEMA} {sys.version_info[:2]}".encode())
    package = Path(__file__).resolve().parents[1]
    for path in sorted(path for folder in ("extract", "core") for path in (package / folder).rglob("*.py")):
        found.update(path.read_bytes())
    for root in trees:
        found.update(b"\0tree\0")
        for relative, data in files(root):
            found.update(f"{relative}\0{len(data)}\0".encode("utf-8", "surrogateescape"))
            found.update(data)
    return found.hexdigest()


def _read(path: Path) -> Pack | None:
    """A stored pack, ``None`` when there is none or it is not what was stored."""
    try:
        pack = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(pack, dict) and pack.get("digest") == digest(pack):
            with suppress(OSError):
                os.utime(path)
            return pack
    except (OSError, ValueError, RecursionError):
        pass
    return None


def _write(path: Path, pack: Pack) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(dump_pack(pack), encoding="utf-8", newline="\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    by_age = sorted(path.parent.glob("*.json"), key=lambda item: item.stat().st_mtime, reverse=True)
    for old in by_age[KEPT:]:
        old.unlink(missing_ok=True)
