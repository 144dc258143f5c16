"""Large values as one compact line of text, the same text for the same value on every platform."""

from __future__ import annotations

import base64
import bz2
import json
from typing import Any

#: Largest text a value may unfold to, in bytes: a damaged or hostile pack ends here.
LIMIT = 64 << 20


def fold(value: Any) -> str:
    """Canonical JSON, bzip2 (one implementation, so one result), base85."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return base64.b85encode(bz2.compress(text.encode(), 9)).decode("ascii")


def unfold(text: str) -> Any:
    """The opposite of :func:`fold`; raises ``ValueError`` for what is no folded value."""
    try:
        data = bz2.BZ2Decompressor().decompress(base64.b85decode(text), LIMIT)
        return json.loads(data)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"not a folded value: {error}") from None
