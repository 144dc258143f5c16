"""Where the rules lie, inside the installed package or at the root of the repository, and their bytes."""

from __future__ import annotations

from pathlib import Path

from ascend_compat.errors import RuleError, UsageError


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


def rule_bytes(path: Path) -> bytes:
    """A rule file as it lies there; :class:`RuleError` when it can't be opened."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RuleError(f"{path.name} can't be read: {error.strerror or error}", "check the rules directory") from None
