"""Layouts in which a release's own tutorials launch a model of the same name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: What names add to say how weights are stored or trained further.
_SUFFIX = re.compile(
    r"[-_.](?:w\d+a\d+|fp8|bf16|int\d|mx\w*|nvfp4|gptq|awq|quarot|rot|mtp|c8|dynamic|base|chat)\w*", re.I
)


def stem(name: str) -> str:
    """The name of a model without its hub, its precision and its punctuation: ``GLM-4.7-W8A8`` gives ``glm47``."""
    last = name.rstrip("/").rpartition("/")[2].partition("@")[0]
    return re.sub(r"[^a-z0-9]", "", _SUFFIX.sub("", last).lower())


def published_layouts(pack: Mapping[str, Any], model: str, device_type: str) -> list[tuple[int, int, int]]:
    """Sizes (tp, dp, pp) in the order of the tutorials; only pages for the device count."""
    wanted = stem(model)
    found: dict[tuple[int, int, int], None] = {}
    for page in pack.get("tutorials", {}).get("pages", ()):
        if page.get("hardware") and device_type.lstrip("_") not in page["hardware"]:
            continue
        for launch in page.get("launches", ()):
            if launch.get("tp") and stem(str(launch.get("model", ""))) == wanted:
                found[(launch["tp"], launch.get("dp") or 1, launch.get("pp") or 1)] = None
    return list(found)
