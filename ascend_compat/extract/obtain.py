"""A pack from what a user writes: open both trees, then build, or take what was built from the same bytes before."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ascend_compat.extract.build import build_pack
from ascend_compat.extract.cache import cached_pack
from ascend_compat.extract.origin.index import Access
from ascend_compat.extract.origin.pairing import paired
from ascend_compat.extract.origin.source import open_source


def obtain_pack(
    vllm_ascend: str, vllm: str | None, access: Access, *, reuse: bool = False, only: Collection[str] | None = None
) -> dict[str, Any]:
    """The pack of the trees named by ``vllm_ascend`` and ``vllm`` (default: the one it is paired with).

    ``reuse`` takes it from the cache of built packs when both trees are unchanged; ``only`` as for
    :func:`build_pack`. Raises
    :class:`ascend_compat.errors.TreeError`.
    """
    with tempfile.TemporaryDirectory(prefix="ascend-compat-") as folder:
        plugin = open_source(vllm_ascend, "vllm_ascend", access, Path(folder) / "plugin")
        engine = paired(plugin, vllm, access, Path(folder) / "engine")

        def build() -> dict[str, Any]:
            return build_pack(plugin.root, engine, access.progress, only)

        return cached_pack(plugin.root, engine, build, only) if reuse else build()
