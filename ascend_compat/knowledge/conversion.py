"""The registered architecture a release serves a model as whose own ending it does not have: pooling models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from packaging.version import InvalidVersion, Version

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile

_CLASSIFIER = "ForSequenceClassification"
#: Endings of architectures in the order vLLM tries them.
#: Source: vLLM 0.10.1 config/__init__.py and 0.18.0 config/model.py, ``_SUFFIX_TO_DEFAULTS``.
ENDINGS = (
    "ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ForTextEncoding", "EmbeddingModel",
    _CLASSIFIER, "ForTokenClassification", "ForAudioClassification", "ForImageClassification",
    "ForVideoClassification", "ClassificationModel", "ForRewardModeling", "RewardModel", "Model",
)  # fmt: skip
#: Where the conversion came: of classifiers first, of every ending later.
#: Source: vLLM 0.10.0 and 0.10.1, model_executor/models/registry.py, ``_normalize_archs`` and ``_normalize_arch``.
_CLASSIFIERS_SINCE, _ALL_SINCE = Version("0.10.0"), Version("0.10.1")
_POOLED = frozenset(ENDINGS[4:])
#: Values of ``--task`` that pool. Source: vLLM 0.10.2 config/__init__.py, ``TaskOption``.
_TASKS = frozenset({"embed", "embedding", "classify", "score", "reward"})
#: Modules of a converted model that its own classes do not have, since the adapter loads them.
#: Source: vLLM 0.18.0 model_executor/models/adapters.py, ``as_seq_cls_model``.
_ADDED = ("score", "classifier")


def converted(architecture: str | None, registered: Collection[str], vllm: str | None) -> str | None:
    """The registered name that ``architecture`` is served as; ``None`` where the release has it, or has no such model.

    ``vllm`` is the engine's version; an absent one counts as new.
    """
    if architecture is None or architecture in registered:
        return None
    ending = next((known for known in ENDINGS if architecture.endswith(known)), None)
    since = _version(vllm)
    if ending is None or since < _CLASSIFIERS_SINCE or (since < _ALL_SINCE and ending != _CLASSIFIER):
        return None
    others = ENDINGS if since >= _ALL_SINCE else ENDINGS[:1]
    names = (architecture.removesuffix(ending) + other for other in others)
    return next((name for name in names if name in registered), None)


def as_served(
    pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, vllm: str | None
) -> tuple[CheckpointFacts, ModelProfile]:
    """Facts and profile under the architecture that the release serves the model as; unchanged where it has it."""
    name = converted(profile.architecture, pack.get("architectures", {}), vllm)
    if name is None:
        return facts, profile
    kept = tuple(group for group in facts.tensors if group.module.partition(".")[0] not in _ADDED)
    same = len(kept) == len(facts.tensors)
    return facts if same else replace(facts, tensors=kept), replace(profile, architecture=name)


def pools(pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, launch: LaunchProfile) -> bool:
    """Whether the model is served for its pooled output: by its flags, else by how its architecture is registered."""
    flags = launch.flags or {}
    if "--runner" in flags:
        return flags["--runner"] == "pooling"
    if "--task" in flags:
        return flags["--task"] in _TASKS
    named = facts.config.get("architectures")
    declared = next(iter(named), None) if isinstance(named, (list, tuple)) else None
    entry = pack.get("architectures", {}).get(declared, {})
    ending = next((known for known in ENDINGS if str(declared).endswith(known)), None)
    return entry.get("kind") == "pooling" or (declared != profile.architecture and ending in _POOLED)


def _version(text: str | None) -> Version:
    try:
        return Version(text or "")
    except InvalidVersion:
        return _ALL_SINCE
