"""Code of many modules as one compact line of text, the same text for the same code on every platform."""

from __future__ import annotations

import base64
import bz2
import json
from collections.abc import Mapping
from typing import Any

from ascend_compat.core.relative_lines import absolute, relative

#: Largest text a value may unfold to, in bytes: a damaged or hostile pack ends here.
LIMIT = 64 << 20


def fold(modules: Mapping[str, Mapping[str, Any]]) -> str:
    """A line per module (name, path, whether it is a package, canonical JSON), bzip2 (one implementation), base85."""
    lines = [
        f"{name}\t{part['path']}\t{int(part.get('package', False))}\t{_text(relative(part['body']))}"
        for name, part in sorted(modules.items())
    ]
    return base64.b85encode(bz2.compress("\n".join(lines).encode(), 9)).decode("ascii")


def _text(body: Any) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Folded:
    """What :func:`fold` made; a module's body is parsed when it is first needed, and kept.

    ``modules`` has name to ``{path, package, body}``, bodies empty. Raises ``ValueError`` for what is no folded code.
    """

    def __init__(self, text: str) -> None:
        self.modules: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}
        self._bodies: dict[str, list[Any]] = {}
        try:
            data = bz2.BZ2Decompressor().decompress(base64.b85decode(text), LIMIT)
            for line in data.decode().split("\n") if data else ():
                name, path, package, body = line.split("\t", 3)
                self.modules[name] = {"path": path, "package": package == "1", "body": []}
                self._texts[name] = body
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"not folded code: {error}") from None

    def body(self, name: str) -> list[Any]:
        """The statements of a module, lines absolute; raises ``ValueError`` when they are no JSON."""
        if name not in self._bodies:
            self._bodies[name] = absolute(json.loads(self._texts.pop(name)))
        return self._bodies[name]
