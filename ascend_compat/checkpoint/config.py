"""JSON documents of a checkpoint: ``config.json``, which has to be right, and its neighbours, which are reported."""

from __future__ import annotations

import json
from typing import Any

from ascend_compat.errors import CheckpointError
from ascend_compat.source.interface import CheckpointSource

#: Bytes read of a document. The largest real ones are ModelSlim descriptions and indexes of about 10 MB.
DOCUMENT_LIMIT = 256 << 20
#: Nesting of a document; real ones stay below 10.
_MAX_DEPTH = 100


class DocumentError(Exception):
    """A file that is not a JSON object; ``str(error)`` is one line."""


def read_config(source: CheckpointSource) -> dict[str, Any]:
    """``config.json`` as parsed; raises :class:`CheckpointError` when it is absent or not a JSON object."""
    if "config.json" not in source.list():
        raise CheckpointError(
            f"{source.spec} has no config.json, so it is not a model", "give the directory that holds config.json"
        )
    try:
        return read_document(source, "config.json")
    except DocumentError as error:
        raise CheckpointError(f"config.json of {source.spec} is {error}") from error


def read_document(source: CheckpointSource, path: str) -> dict[str, Any]:
    """A JSON object file, parsed as transformers does; raises :class:`DocumentError` or :class:`SourceError`."""
    if source.size(path) > DOCUMENT_LIMIT:
        raise DocumentError(f"too large: {source.size(path):,} bytes")
    return parse_object(source.read_bytes(path, DOCUMENT_LIMIT))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object; raises :class:`DocumentError` with a reason that completes "the file is ..."."""
    if raw.startswith(b"version https://git-lfs"):
        raise DocumentError("a Git LFS pointer, not the file")
    try:
        value = json.loads(raw.decode("utf-8"))
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise DocumentError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"not JSON: byte {error.start} is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise DocumentError("not usable: it escapes half of a UTF-16 surrogate pair") from error
    except RecursionError as error:
        raise DocumentError("not usable: nested too deep") from error
    except ValueError as error:
        raise DocumentError("not usable: it holds a number of thousands of digits") from error
    if not isinstance(value, dict):
        raise DocumentError(f"not a JSON object but a {type(value).__name__}")
    if not _shallow(value):
        raise DocumentError("not usable: nested too deep")
    return value


def _shallow(value: Any) -> bool:
    """Whether no branch is nested deeper than the code that walks documents may recurse."""
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return True
    return False
