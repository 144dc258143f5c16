"""What a checkpoint is beside a plain decoder: heads for scores and embeddings, adapters, a drafter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import header_evidence, matching, outer_tensors
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind
from ascend_compat.core.profile import OutputHead

_OUTER = r"^(model\.)?"
#: Tensors of heads that give something else than the next token, the kind by name.
_HEADS = (
    ("score", re.compile(_OUTER + r"(score|classifier|classification_head(\.out_proj)?|cls)\.(weight|dense\.weight)$")),
    ("reward", re.compile(_OUTER + r"(reward_head|reward_model|rm_head|regression_layer|process_reward)\b.*\.weight$")),
    ("value", re.compile(_OUTER + r"(v_head|value_head)\b.*\.weight$")),
    ("pooling", re.compile(_OUTER + r"(pooler(\.dense)?|linear|dense|embedding_head|custom_text_proj)\.weight$")),
)  # fmt: skip
#: The same said by the name of the class. Source: vLLM 0.23.0 model_executor/models/registry.py, adapters.py.
_CLASSES = (("score", "ForSequenceClassification"), ("score", "ForTokenClassification"), ("reward", "ForRewardModel"),
            ("reward", "ForProcessRewardModel"), ("reward", "RewardModel"), ("pooling", "EmbeddingModel"),
            ("pooling", "ForSentenceEmbedding"), ("pooling", "ForRetrieval"))  # fmt: skip
_POOLING_FILES = ("modules.json", "1_Pooling/config.json", "config_sentence_transformers.json")
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_LORA = r"\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector)(\.|$)"
#: Class name or tensors of a checkpoint that only drafts for another model.
#: Source: vLLM 0.23.0 registry.py, _SPECULATIVE_DECODING_MODELS; tensors of the published EAGLE-3 drafters.
_DRAFTERS = (("eagle3", r"Eagle3|Eagle3Speculator"), ("eagle", r"^Eagle|EAGLE"), ("medusa", r"^Medusa"),
             ("dflash", r"DFlash"), ("mlp-speculator", r"MLPSpeculator"),
             ("mtp", r"MTP(Model)?$|^DeepSeekMTP"))  # fmt: skip
_DRAFT_TENSORS = (("eagle3", r"(^|\.)(d2t|t2d)$|^midlayer\."), ("medusa", r"^medusa_head\."))


def output_heads(view: ConfigView, facts: CheckpointFacts) -> tuple[tuple[OutputHead, ...], tuple[Evidence, ...]]:
    """Heads beside the vocabulary, by tensors first, then by the class and the files beside it."""
    found = list(_by_tensors(facts))
    architecture = _architecture(facts)
    if not found:
        kind = next((kind for kind, suffix in _CLASSES if architecture.endswith(suffix)), None)
        if kind is not None:
            found.append(
                (OutputHead(kind, architecture, view.size("num_labels")), _field("architectures", architecture))
            )
    files = [name for name in facts.files if name in _POOLING_FILES]
    if files and not any(head.kind == "pooling" for head, _ in found):
        found.append(
            (OutputHead("pooling", files[0]), Evidence(EvidenceKind.CONFIG, files[0], None, "a pooling module"))
        )
    said = [evidence for _, evidence in found]
    return tuple(head for head, _ in found), (*said, *view.evidence("num_labels"))


def _by_tensors(facts: CheckpointFacts) -> Iterator[tuple[OutputHead, Evidence]]:
    for group in outer_tensors(facts.tensors):
        kind = next((kind for kind, pattern in _HEADS if pattern.search(group.template)), None)
        if kind is not None and len(group.shape) == 2:
            yield OutputHead(kind, group.template, group.shape[0]), header_evidence(group)


def adapters(facts: CheckpointFacts) -> tuple[tuple[str, ...], tuple[Evidence, ...]]:
    """LoRA in the checkpoint: files of an adapter, or low-rank tensors among the weights."""
    files = [name for name in facts.files if name in _ADAPTER_FILES]
    groups = matching(facts.tensors, _LORA)
    names = (*files, *(group.template for group in groups[:1]))
    read = [Evidence(EvidenceKind.CONFIG, name, None, "an adapter beside the weights") for name in files]
    return names, (*read, *(header_evidence(group) for group in groups[:1]))


def drafter(facts: CheckpointFacts) -> tuple[str | None, tuple[Evidence, ...]]:
    """What a checkpoint drafts with that is no model of its own: EAGLE, Medusa, an MTP head, DFlash."""
    architecture = _architecture(facts)
    for kind, pattern in _DRAFTERS:
        if re.search(pattern, architecture):
            return kind, (_field("architectures", architecture),)
    for kind, pattern in _DRAFT_TENSORS:
        found = matching(facts.tensors, pattern)
        if found:
            return kind, (header_evidence(found[0]),)
    return None, ()


def _architecture(facts: CheckpointFacts) -> str:
    names = facts.config.get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""


def _field(name: str, value: str) -> Evidence:
    return Evidence(EvidenceKind.CONFIG, "config.json", None, f"{name} = {value[:60]!r}")
