"""What the user wrote to a source: a path, ``hf:org/name[@rev]``, ``ms:org/name[@rev]``, or ``org/name``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ascend_compat.errors import SourceError
from ascend_compat.source.config_file import ConfigFile
from ascend_compat.source.interface import CheckpointSource
from ascend_compat.source.local import LocalSource

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_HUBS = {"hf": "huggingface", "ms": "modelscope"}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """``kind`` is ``local``, ``huggingface`` or ``modelscope``; ``name`` a path or ``org/name``."""

    kind: str
    name: str
    revision: str | None = None


def open_source(spec: str, offline: bool = False, revision: str | None = None) -> CheckpointSource:
    """The source ``spec`` names; ``revision`` overrides the one in ``spec``. A ``.json`` file is a configuration alone.

    ``offline`` reads the local cache of the hub only. Raises :class:`SourceError` with one line that says what is wrong
    with the path or name.
    """
    parsed = parse_spec(spec)
    revision = revision or parsed.revision
    if parsed.kind == "local" and parsed.name.endswith(".json") and _is_file(parsed.name):
        return ConfigFile(spec, Path(parsed.name).expanduser())
    if parsed.kind == "local":
        return LocalSource(spec, Path(parsed.name))
    if parsed.kind == "modelscope":
        from ascend_compat.source.modelscope import open_modelscope

        return open_modelscope(spec, parsed.name, revision, offline)
    from ascend_compat.source.hub import open_hub

    return open_hub(spec, parsed.name, revision, offline)


def parse_spec(spec: str) -> ModelSpec:
    """Tell a path from a repository: an existing path wins, then ``org/name`` is a repository of the Hub."""
    prefix, colon, rest = spec.partition(":")
    if colon and prefix in _HUBS:
        name, _, revision = rest.partition("@")
        if not _REPOSITORY.fullmatch(name):
            raise SourceError(f"{spec!r} names no repository", f"write {prefix}:org/name or {prefix}:org/name@revision")
        return ModelSpec(_HUBS[prefix], name, revision or None)
    if not spec.strip() or "\0" in spec:
        raise SourceError("the model is empty", "give a directory, org/name, hf:org/name or ms:org/name")
    name, at, revision = spec.partition("@")
    if not _exists(spec) and _REPOSITORY.fullmatch(name) and (not at or revision):
        return ModelSpec("huggingface", name, revision or None)
    return ModelSpec("local", spec)


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, RuntimeError):
        return False


def _exists(spec: str) -> bool:
    try:
        return Path(spec).expanduser().exists()
    except (OSError, RuntimeError):
        return False
