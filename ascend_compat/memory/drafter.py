"""A draft model of its own: its weights and its KV layers on the ranks of the model it drafts for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.errors import AscendCompatError
from ascend_compat.source.spec import open_source

#: Methods whose draft reads the embedding of the model when both lie on one stage, and those that share its head.
#: Source: A 0.23.0 vllm_ascend/spec_decode/llm_base_proposer.py:388 and :456.
SHARES_EMBEDDING = ("eagle", "eagle3", "dflash")
SHARES_HEAD = ("eagle", "dflash")


@dataclass(frozen=True, slots=True)
class Drafter:
    """What a separate draft model is, and how it is asked to run."""

    facts: CheckpointFacts
    profile: ModelProfile
    method: str
    tp: int | None = None

    def shares(self, name: str, stages: int) -> bool:
        """Whether the draft uses the model's own ``embedding`` or ``output head`` instead of its copy."""
        if name == "embedding":
            return self.method in SHARES_EMBEDDING and stages == 1
        return name == "output head" and self.method in SHARES_HEAD


def open_drafter(speculative: Mapping[str, Any] | None) -> Drafter | str | None:
    """The draft model of a launch; the reason why it can't be counted; ``None`` when none is asked for.

    Only a directory at hand is read: a draft is counted from its headers, never downloaded for it.
    """
    asked = (speculative or {}).get("model")
    if not isinstance(asked, str) or not asked:
        return None
    path = Path(asked).expanduser()
    try:
        if not path.is_dir():
            return "it is not a local directory"
        read = _read(str(path), path.stat().st_mtime_ns)
    except (AscendCompatError, OSError) as error:
        return str(error).splitlines()[0]
    if read is None:
        return "it has no tensors to count"
    facts, profile = read
    given = (speculative or {}).get("draft_tensor_parallel_size")
    method = str((speculative or {}).get("method") or profile.drafter or "draft_model")
    return Drafter(facts, profile, method, given if isinstance(given, int) and given > 0 else None)


@lru_cache(maxsize=4)
def _read(path: str, changed: int) -> tuple[CheckpointFacts, ModelProfile] | None:
    """A directory read once; ``changed`` is its time stamp, so that another content is read again."""
    facts = configured(read_checkpoint(open_source(path, offline=True)))
    return (facts, classify(facts)) if facts.tensors else None
