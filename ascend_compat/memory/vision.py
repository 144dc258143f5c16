"""The vision encoder in the profile run: its peak on the largest images of a batch, and its output, kept meanwhile."""

from __future__ import annotations

from ascend_compat.core.plan import Layout
from ascend_compat.memory.case import Case, cdiv, part_of

_SEEN = ("vision", "image", "video")
#: Patches that become one token of the language model.
_MERGED = 4
#: The option that deals whole images out to the ranks instead of splitting the layers of the encoder.
MODE, WHOLE = "--mm-encoder-tp-mode", "data"


def vision_bytes(case: Case, layout: Layout) -> tuple[float, float, float]:
    """Low, likely and high peak of the encoder's run; zeros without a tower of known width or where none is profiled.

    ``patches * width * bytes * (whole + split / tp)`` for every image, and the output: norms and residuals are whole
    on every rank, the attention and the MLP are split (V 0.18.0 vllm/model_executor/models/qwen3_vl.py:188).
    """
    if not _profiled(case):
        return 0.0, 0.0, 0.0
    widths = [tower.hidden_size or 0 for tower in case.profile.towers if tower.modality in _SEEN]
    images, ranks = _images(case), layout.tp
    if encoder_whole(case, layout.tp):
        images, ranks = cdiv(images, layout.tp), 1
    work = max(widths, default=0) * case.rules.integer("vision_patches") * images * case.element_bytes
    spans = zip(case.rules.span("vision_whole_widths"), case.rules.span("vision_split_widths"), strict=True)
    kept = kept_bytes(case) if work else 0
    low, likely, high = (work * (whole + split / ranks) + kept for whole, split in spans)
    return low, likely, high


def encoder_whole(case: Case, tp: int) -> bool:
    """Whether every rank keeps the whole encoder: asked for, or what the release does where tp can't divide its heads.

    Source: V 0.26.0 vllm/model_executor/models/vision.py:142.
    """
    if (case.launch.flags or {}).get(MODE) == WHOLE:
        return True
    file = case.classes.encoder
    known = file is not None and any(
        rule.holds(case.target) and file.endswith(rule.files) for rule in case.rules.whole_encoders
    )
    return known and any(tower.heads and tower.heads % tp for tower in case.profile.towers if tower.modality in _SEEN)


def kept_bytes(case: Case) -> int:
    """Output of the encoder, a row for every four patches and a hidden width for every level, kept for the text run."""
    if not _profiled(case) or not any(tower.modality in _SEEN for tower in case.profile.towers):
        return 0
    rows = case.rules.integer("vision_patches") // _MERGED * _images(case)
    return rows * (case.profile.hidden_size or 0) * (1 + deepstack_levels(case)) * case.element_bytes


def deepstack_levels(case: Case) -> int:
    """Layers of the encoder whose output goes to the language model beside the last one's."""
    beside = part_of(case.facts.config, case.profile.text_config_path.rpartition(".")[0])
    found = part_of(beside, "vision_config").get("deepstack_visual_indexes")
    return len(found) if isinstance(found, list) else 0


def _profiled(case: Case) -> bool:
    return bool(case.switch("vision_profiled"))


def _images(case: Case) -> int:
    """Largest images of one profiled batch (V 0.18.0 vllm/multimodal/encoder_budget.py:140)."""
    tokens = case.rules.integer("vision_patches") // _MERGED
    asked = case.num_seqs * max(1, case.max_model_len // tokens)
    return max(1, min(case.batched_tokens // tokens, asked))
