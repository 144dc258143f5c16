"""Where the rules lie: inside the installed package, or at the root of the repository."""

from __future__ import annotations

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
