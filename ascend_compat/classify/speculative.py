"""Multi-token prediction: declared layers against the tensors that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.tensors import DRAFT, INDEX, decoder_prefix, header_evidence
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.profile import MtpProfile
from ascend_compat.core.verdict import Basis, Effect, Severity

#: Fields that say how many layers are predicted ahead, as models spell them.
DECLARED = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers", "mtp_num_layers",
            "n_predict_layers", "num_mtp_predict_layers")  # fmt: skip
_OWN = re.compile(rf"(.*?{DRAFT})(.*)")


class _Part:
    """The tensors of one template that belong to MTP: all of them, or those in layers past the decoder's last."""

    def __init__(self, group: TensorGroup, layers: tuple[int, ...], count: int) -> None:
        self.group, self.layers, self.count = group, layers, count

    @property
    def bytes(self) -> int:
        return self.group.bytes // self.group.count * self.count if self.group.count else 0


def mtp_profile(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int) -> MtpProfile | None:
    """Declared and present MTP; ``None`` when the checkpoint has neither."""
    declared = view.integer(*DECLARED) or 0
    stack = decoder_prefix(tensors)
    own = [_Part(g, g.layers, g.count) for g in tensors if _OWN.match(g.template)]
    parts = own or list(_beyond(tensors, stack, layers))
    if not declared and not parts:
        return None
    names = [part.group.template for part in parts]
    return MtpProfile(
        declared=declared,
        layers=tuple(sorted({layer for part in parts for layer in part.layers})),
        prefix=_own_prefix(names) if own else f"{stack}.*" if parts else None,
        tensors=sum(part.count for part in parts),
        bytes=sum(part.bytes for part in parts),
        own_embedding=any(re.search(r"\.(embed_tokens|emb\.tok_emb|embed)\.weight$", name) for name in names),
        own_head=any(re.search(r"\.(shared_head\.(head|output)|lm_head|head)\.weight$", name) for name in names),
        kind="nextn" if parts and not own else "mtp",
        evidence=(*view.evidence(*DECLARED), *(header_evidence(part.group) for part in parts[:1])),
    )


def _beyond(tensors: tuple[TensorGroup, ...], stack: str | None, layers: int) -> Iterator[_Part]:
    """Tensors of decoder layers past the declared last one: ``model.layers.92`` of a model with 92 layers."""
    for group in tensors:
        past = tuple(n for n in group.layers if n >= layers) if stack and layers else ()
        if past and group.template.startswith(f"{stack}.*."):
            yield _Part(group, past, group.per_layer * len(past))


def _own_prefix(names: list[str]) -> str:
    """What the templates of a draft namespace share: ``mtp.layers.*`` where layers are numbered, else ``mtp``."""
    found = [match for name in names if (match := _OWN.match(name))]
    head = found[0].group(1).rstrip(".")
    rests = [match.group(4) for match in found]
    if any(rest.startswith("layers.*.") for rest in rests):
        return f"{head}.layers.*"
    return f"{head}.*" if any(rest.startswith("*.") for rest in rests) else head


def mtp_findings(view: ConfigView, facts: CheckpointFacts, mtp: MtpProfile | None) -> tuple[Finding, ...]:
    """MTP that is declared and not stored, or the reverse; nothing where headers are missing or damaged."""
    if mtp is None or not facts.has_weights or facts.problems or bool(mtp.declared) == mtp.present:
        return ()
    code = "AC215" if mtp.present else "AC214"
    params: dict[str, Param] = {"declared": mtp.declared, "tensors": mtp.tensors, "template": mtp.prefix or "-"}
    missing = Evidence(EvidenceKind.HEADER, INDEX, None, "no tensor of an MTP layer")
    evidence = mtp.evidence if mtp.present else (*mtp.evidence, missing)
    return (
        Finding(
            code, Severity.INFO, Effect.DEGRADED if code == "AC214" else Effect.NONE, Basis.SOURCE,
            "multi-token prediction", Message(code, params), evidence,
        ),
    )  # fmt: skip
