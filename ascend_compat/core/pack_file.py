"""How a pack lies in a file: JSON, plain or compressed."""

from __future__ import annotations

import zlib
from pathlib import Path

#: What the file of a pack may be called, the packed form first.
SUFFIXES = (".json.gz", ".json")
_MAGIC = b"\x1f\x8b"
#: More than any pack of a real release by a factor of ten: a compressed file may unpack to anything.
LIMIT = 32 << 20


def is_pack_name(name: str) -> bool:
    """Whether a name is that of a file and not of a release."""
    return name.endswith(SUFFIXES)


def release_of(path: Path) -> str:
    """The release a pack file is named after."""
    return next((path.name.removesuffix(suffix) for suffix in SUFFIXES if path.name.endswith(suffix)), path.stem)


def read_text(path: Path) -> str:
    """The JSON text of a pack file; raises ``OSError`` or ``ValueError`` when there is none in it."""
    content = path.read_bytes()
    if content.startswith(_MAGIC):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, LIMIT)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not unpacker.eof:
            raise ValueError("the compressed file is cut off or too large")
    return content.decode("utf-8")
