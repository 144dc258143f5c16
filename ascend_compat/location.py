"""Where things lie: the rules inside the installed package or at the root of the repository, the cache of the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ascend_compat.errors import UsageError


def rules_directory(given: str | Path | None = None) -> Path:
    """The rules to use: the given directory, the installed ones, or those of the checkout."""
    if given is not None:
        path = Path(given)
        if not (path / "curated").is_dir():
            raise UsageError(f"{path} is not a rules directory", "it needs the folders curated/ and packs/")
        return path
    package = Path(__file__).resolve().parent
    installed = package / "_rules"
    return installed if installed.is_dir() else package.parent / "rules"


def cache_directory() -> Path | None:
    """Where downloads and built packs are kept: ``$XDG_CACHE_HOME``, the platform's place, ``None`` without a home."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / "ascend-compat"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    default = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return Path(local or default) / "ascend-compat"
