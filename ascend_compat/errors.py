"""Why an input can't be analysed: each error carries one clear line and what to do about it."""

from __future__ import annotations


class AscendCompatError(Exception):
    """Base of every expected failure. ``str(error)`` is one line, for a rule file one per mistake; ``hint`` says
    what to do."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(AscendCompatError):
    """The request itself is wrong: an unknown release, SoC or format."""

    exit_code = 2


class SourceError(AscendCompatError):
    """The checkpoint can't be reached: missing path, no network, not allowed."""


class CheckpointError(AscendCompatError):
    """The checkpoint is reached but is not one: no config.json, or one that is not JSON."""


class RuleError(AscendCompatError):
    """A pack or a curated rule file can't be used."""


class TreeError(AscendCompatError):
    """A source tree can't be turned into a pack."""
