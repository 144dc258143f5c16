"""JSON in the text of a ``vllm serve`` flag, which is the user's and may be anything."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str | None, otherwise: Any = None) -> Any:
    """The value ``text`` holds; ``otherwise`` for no text, for text that is no JSON, and for one nested too deeply."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return otherwise
