"""Short spellings of class names in packs: most of them lie in two packages."""

from __future__ import annotations

import re
from typing import Any

#: How plain names of language models mostly end.
CAUSAL = "forcausallm"
_SHORT = {"~": "vllm.model_executor.models.", "^": "vllm.model_executor.layers."}


def shorten(name: str) -> str:
    """``vllm.model_executor.models.llama:LlamaModel`` as ``~llama:LlamaModel``."""
    return next((mark + name[len(head) :] for mark, head in _SHORT.items() if name.startswith(head)), name)


def full(name: str) -> str:
    """The opposite of :func:`shorten`."""
    return _SHORT[name[0]] + name[1:] if name[:1] in _SHORT else name


def place(name: str, at: Any) -> str:
    """``path:line`` of a class: packs write the line alone where the path is that of the class's own module."""
    if isinstance(at, str):
        return at
    return f"{full(name).partition(':')[0].replace('.', '/')}.py:{at}"


def plain(name: str) -> str:
    """A name without case and separators: ``qwen3_5-Moe`` is ``qwen35moe``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
