"""A report seen in one language: labels, sentences and quantities as stretches of text and code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ascend_compat.core.finding import Param
from ascend_compat.core.report import EvidenceRow, FindingRow, LayoutPart, Params, ReportDocument, Text
from ascend_compat.core.units import gib
from ascend_compat.core.verdict import Verdict
from ascend_compat.report import catalog
from ascend_compat.report.catalog import Segment

Sentence = tuple[Segment, ...]
BLANK: Sentence = (Segment("-"),)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of sentences; ``head`` has one label per column."""

    head: tuple[str, ...]
    rows: tuple[tuple[Sentence, ...], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class View:
    """``doc`` in the language ``lang``; every label comes from the message area ``views``."""

    doc: ReportDocument
    lang: str

    def word(self, label: str, **params: Param) -> str:
        """The label ``view.<label>`` as plain text."""
        return catalog.render(f"view.{label}", params, self.lang)

    def say(self, label: str, **params: Param) -> Sentence:
        """The label ``view.<label>`` as a sentence."""
        return tuple(catalog.segments(f"view.{label}", params, self.lang))

    def choice(self, kind: str, value: str) -> str:
        """A closed value (``verdict.incompatible``) in words; a value without a label stands for itself."""
        return self.word(f"{kind}.{value}") if catalog.known(f"view.{kind}.{value}") else value

    def pair(self, name: str, value: str) -> str:
        """``name: value`` with the colon of the language."""
        return self.word("pair", name=name, value=value)

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return self.choice("verdict", self.doc.verdict.value)

    def text(self, text: Text) -> Sentence:
        """A sentence of the report."""
        return self._sentence(text.id, text.params, text.text)

    def message(self, row: FindingRow) -> Sentence:
        """What a finding says."""
        return self._sentence(row.message_id, row.params, row.message)

    def remedy(self, row: FindingRow) -> Sentence | None:
        """What to do about a finding, ``None`` when it names nothing."""
        if row.remedy is None:
            return None
        return self._sentence(row.remedy_id or "", row.remedy_params, row.remedy)

    def table(self, labels: str, rows: Sequence[tuple[Sentence, ...]]) -> Table:
        """A table whose head is the labels ``view.column.<name>``, given as one string of names."""
        return Table(tuple(self.word(f"column.{name}") for name in labels.split()), tuple(rows))

    def findings(self) -> list[FindingRow]:
        """Findings by weight, what could not be determined before what merely is to be known; order kept within."""
        return sorted(self.doc.findings, key=lambda row: (-row.severity.rank, not row.undetermined))

    def layout(self, layout: LayoutPart | None) -> str:
        """``TP8 DP2 EP``; parallelism of degree 1 is left out unless nothing else is left."""
        return degrees(layout)

    def cards(self, layout: LayoutPart | None) -> str:
        """``16 NPUs on 2 nodes (TP8 DP2 EP)``, or that no layout is known."""
        return cards(layout, self.lang)

    @property
    def platform(self) -> str:
        """``A2 (60.97 GiB x 8)``."""
        target = self.doc.target
        return f"{target.soc} ({size(target.npu_memory_bytes)} x {target.npus_per_node})"

    @property
    def runs(self) -> bool:
        """Whether the launch command can be recommended as it is."""
        return self.doc.verdict is Verdict.COMPATIBLE

    def _sentence(self, message_id: str, params: Mapping[str, Param], english: str) -> Sentence:
        return sentence(message_id, params, english, self.lang)


def sentence(message_id: str, params: Mapping[str, Param], english: str, lang: str) -> Sentence:
    """A message in a language; the English rendering where no catalogue knows its id."""
    if catalog.known(message_id):
        return tuple(catalog.segments(message_id, params, lang))
    return tuple(catalog.prose(english)) or BLANK


def degrees(layout: LayoutPart | None) -> str:
    """As :meth:`View.layout`."""
    if layout is None:
        return "-"
    sizes = [f"{name}{degree}" for name, degree in (("TP", layout.tp), ("DP", layout.dp), ("PP", layout.pp))]
    named = [size for size in sizes if size[2:] != "1"] or sizes[:1]
    return " ".join([*named, *(["EP"] if layout.ep else [])])


def cards(layout: LayoutPart | None, lang: str) -> str:
    """As :meth:`View.cards`."""
    if layout is None:
        return catalog.render("view.cards.none", {}, lang)
    label = "nodes" if layout.nodes > 1 else "node" if layout.npus > 1 else "single"
    params: Params = {"npus": layout.npus, "nodes": layout.nodes, "layout": degrees(layout)}
    return catalog.render(f"view.cards.{label}", params, lang)


def plain(text: str | int | None) -> Sentence:
    """Words; a dash for what is absent."""
    return BLANK if text is None or text == "" else (Segment(str(text)),)


def code(text: str | None) -> Sentence:
    """A name of a program or a place in a file; a dash for what is absent."""
    return BLANK if not text else (Segment(text, code=True),)


def codes(texts: list[str]) -> Sentence:
    """Several names with commas between them."""
    found: list[Segment] = []
    for text in texts:
        found += [Segment(", "), Segment(text, code=True)] if found else [Segment(text, code=True)]
    return tuple(found) or BLANK


def joined(*sentences: Sentence, between: str = " ") -> Sentence:
    """Sentences in a row."""
    found: list[Segment] = []
    for sentence in sentences:
        found += [*([Segment(between)] if found else []), *sentence]
    return tuple(found)


def place(row: EvidenceRow) -> Sentence:
    """``path:line`` with the detail behind it."""
    return joined(code(row.place), plain(f"({row.detail})")) if row.detail else code(row.place)


def flat(sentence: Sentence) -> str:
    """The sentence as plain text, without any mark for code."""
    return "".join(segment.text for segment in sentence)


def size(count: int) -> str:
    """Bytes as GiB with two decimals; what is smaller than 0.01 GiB as MiB."""
    return f"{gib(count):.2f} GiB" if abs(count) >= (1 << 30) // 100 or count == 0 else f"{count / (1 << 20):.2f} MiB"


def number(count: int | None) -> str:
    """An integer with thousands separators; a dash for what is absent."""
    return "-" if count is None else f"{count:,}"


def billions(count: int | None) -> str:
    """A parameter count as people say it: ``358.34 B``, ``752.39 M``."""
    if count is None:
        return "-"
    return f"{count / 1e9:.2f} B" if count >= 10**9 else f"{count / 1e6:.2f} M"
