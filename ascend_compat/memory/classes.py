"""What a release's own classes say of a layout, as far as its pack tells."""

from __future__ import annotations

from dataclasses import dataclass, field

from ascend_compat.core.finding import Evidence, Message


@dataclass(frozen=True, slots=True)
class Staged:
    """Whether the class ``name`` runs in pipeline stages, and the place of the registry that names it."""

    name: str
    supported: bool
    evidence: Evidence = field(compare=False)


@dataclass(frozen=True, slots=True)
class Classes:
    """``model`` and ``draft`` (the one MTP runs with) are ``None`` where the pack does not say; ``encoder`` is the file
    that divides the heads of a vision encoder by tp, ``place`` the line. Releases that differ in lines alone are equal.
    """

    model: Staged | None = None
    draft: Staged | None = None
    encoder: str | None = None
    place: Evidence | None = field(default=None, compare=False)

    def evidence(self, message: Message) -> tuple[Evidence, ...]:
        """The places behind a static check that these classes decide."""
        if message.id == "AC410.vision":
            return (self.place,) if self.place else ()
        known = (self.model, self.draft)
        return tuple(item.evidence for item in known if item is not None and item.name == message.params.get("cls"))
