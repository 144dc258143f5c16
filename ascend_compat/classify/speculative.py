"""Multi-token prediction: declared layers against the tensors that are there."""

from __future__ import annotations

from ascend_compat.classify.tensors import header_evidence, layers_of, matching
from ascend_compat.classify.view import ConfigView
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import MtpProfile

DECLARED = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers", "mtp_num_layers")


def mtp_profile(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int) -> MtpProfile | None:
    """Declared and present MTP; ``None`` when the checkpoint has neither."""
    declared = view.integer(*DECLARED) or 0
    own = matching(tensors, r"(^|\.)mtp\.")
    beyond = [g for g in matching(tensors, r"^model\.layers\.\*\.") if layers and g.layers and g.layers[-1] >= layers]
    found = own or beyond
    if not declared and not found:
        return None
    indices = tuple(n for n in layers_of(found) if own or n >= layers)
    prefix = "mtp.layers.*" if own else "model.layers.*" if beyond else None
    shares = [(g, _share(g, layers) if not own else g.count) for g in found]
    names = {g.template for g in found if own or g.layers[-1] >= layers}
    return MtpProfile(
        declared=declared,
        layers=indices,
        prefix=prefix,
        tensors=sum(count for _, count in shares),
        bytes=sum(g.bytes // g.count * count for g, count in shares if g.count),
        own_embedding=any("embed_tokens" in name for name in names),
        own_head=any("shared_head.head" in name or name.endswith("lm_head.weight") for name in names),
        evidence=(*view.evidence(*DECLARED), *(header_evidence(g) for g in found[:1])),
    )


def _share(group: TensorGroup, layers: int) -> int:
    """Tensors of a group that lie in layers past the main model's last."""
    return group.per_layer * sum(1 for n in group.layers if n >= layers)
