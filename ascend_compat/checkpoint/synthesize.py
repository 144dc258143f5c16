"""Configuration to tensors: the table of names, dtypes and shapes a checkpoint of this configuration stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ascend_compat.checkpoint.aggregate import Aggregate
from ascend_compat.checkpoint.entries import (
    EXPERTS,
    LINEAR,
    TENSOR,
    Chooser,
    Entry,
    TensorSpec,
    count,
    shape_of,
    size_of,
    spelled,
    store,
)
from ascend_compat.checkpoint.expression import names
from ascend_compat.checkpoint.family import ANY, Block, Blocks, Expression, Family, Row, Section, families, part
from ascend_compat.checkpoint.values import Level, Names, Values
from ascend_compat.core.facts import TensorGroup
from ascend_compat.errors import CheckpointError

#: Names of ``torch_dtype`` / ``dtype`` in config.json and the safetensors dtype that stores them.
_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
_DTYPE_FIELDS = ("dtype", "torch_dtype")
_LEVELS = ("verified", "documented", "inferred")
#: More layers or experts than any model has; a larger number in config.json is damage.
_MOST = 65_536


class Table:
    """The tensors of one configuration, block by block; ``read`` holds path and value of every field that was used.

    ``method`` is the declared quantization method, which decides whether experts are stored one by one. Raises
    :class:`CheckpointError` where the family or a needed value is unknown.
    """

    def __init__(self, config: Mapping[str, Any], method: str = "none") -> None:
        self.config, self.method = config, method
        self.family = family_of(config)
        self.read: dict[str, Any] = {}
        sections = list(_sections(self.family, config))
        #: How sure the table is: that of the family, or of one inside it that is less so.
        self.level = max((family.level for family, _ in sections), key=_LEVELS.index, default=self.family.level)
        self.blocks = [list(entries) for _, section in sections for entries in self._section(section)]
        if not self.blocks:
            named = config.get("architectures")
            raise CheckpointError(
                f"the table of {config.get('model_type')!r} does not describe architectures {named!r}"
            )

    def _section(self, section: Section) -> Iterator[Iterator[Entry]]:
        blocks, found = part(str(section.part)), levels(self.config, section.config)
        if found is None and section is self.family.sections[0]:
            raise _lacking(section)
        if found is None:
            return
        values = _values(found, section, blocks, self)
        texts = {**blocks.texts, **section.texts}
        if size_of(section.when, values):
            for block in blocks.blocks:
                yield _block(block, values, texts)

    def specs(self, choose: Chooser | None = None) -> Iterator[TensorSpec]:
        """Every tensor with its name, block by block and in a block layer by layer; ``choose`` stores weights."""
        for block in self.blocks:
            yield from spelled([stored for entry in block for stored in store(entry, choose)])

    def groups(self, choose: Chooser | None = None) -> tuple[TensorGroup, ...]:
        """The tensors by template, as reading the headers of such a checkpoint would group them."""
        aggregate = Aggregate()
        for entry in (entry for block in self.blocks for entry in block):
            for stored in store(entry, choose):
                count(aggregate, stored)
        return aggregate.groups(computed=True)

    def linear_modules(self) -> Iterator[str]:
        """Names of all linear modules, quantized or not, in table order."""
        for block in self.blocks:
            yield from (spec.name for spec in spelled([entry for entry in block if entry.kind == LINEAR]))


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of ``model_type``, else that of a nested text model, else the common decoder; :class:`CheckpointError`
    when the configuration names no type at all.
    """
    known = families()
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(
            f"no tensor table for model_type {model_type!r}", "config.json has to name its model_type"
        )
    found = known.get(model_type) or known.get(ANY)
    if found is None:
        raise CheckpointError(f"no tensor table for model_type {model_type!r}", "add one under rules/families")
    return found


def _sections(family: Family, config: Mapping[str, Any]) -> Iterator[tuple[Family, Section]]:
    """The sections of a family, each with the family that wrote it: a nested model's stand in the place of its name."""
    for section in family.sections:
        if section.part is not None:
            yield family, section
            continue
        found = levels(config, section.config)
        if found is None:
            raise _lacking(section)
        path, inner = found[0]
        for owner, own in _sections(family_of(inner), inner):
            paths = [f"{path}{further}".rstrip(".") for further in own.config]
            texts, defaults = {**section.texts, **own.texts}, {**owner.inside, **own.defaults}
            yield owner, own.model_copy(update={"config": paths, "texts": texts, "defaults": defaults})


def _lacking(section: Section) -> CheckpointError:
    return CheckpointError(f"config.json lacks {' and '.join(section.config)!r}, which describes the model")


def levels(config: Mapping[str, Any], paths: Iterable[str]) -> list[Level] | None:
    """The first of some dotted paths that is an object, and the levels around it, the innermost first."""
    for dotted in paths:
        found: list[Level] = [("", config)]
        for key in filter(None, dotted.split(".")):
            inner = found[0][1].get(key)
            if not isinstance(inner, Mapping):
                break
            found.insert(0, (f"{found[0][0]}{key}.", inner))
        else:
            return found
    return None


def _values(found: list[Level], section: Section, blocks: Blocks, table: Table) -> Values:
    known = Names(
        found,
        {**blocks.let, **section.let},
        {"tie_word_embeddings": False, **blocks.defaults, **section.defaults},
        blocks.aliases,
    )
    fixed = {"quant_method": table.method, "model_dtype": _model_dtype(known, table)}
    return Values(known, fixed, table.read)


def _model_dtype(known: Names, table: Table) -> str:
    """The stored float dtype; transformers calls it ``dtype``, before 4.56 ``torch_dtype``, at any level."""
    text = levels(table.config, ("text_config", "llm_config", ""))
    for path, level in [*known.levels, *(text or [])]:
        for name in _DTYPE_FIELDS:
            declared = level.get(name)
            if declared is not None:
                table.read[path + name] = declared
                stored = _DTYPES.get(str(declared).removeprefix("torch.")) if isinstance(declared, str) else None
                if stored is None:
                    said = repr(declared)[:60]
                    raise CheckpointError(f"config.json declares dtype {said}, which no checkpoint stores")
                return stored
    if "dtype" in known.defaults:
        return _DTYPES[str(known.defaults["dtype"])]
    raise CheckpointError("config.json declares neither dtype nor torch_dtype", "give the dtype of the weights")


def _block(block: Block, values: Values, texts: Mapping[str, str]) -> Iterator[Entry]:
    """Entries of a block; what depends on the first index is worked out for each of its values."""
    index = next(iter(block.each), None)
    if index is None:
        yield from _rows(block, values, (), texts)
        return
    span = _span(block.each[index], values)
    if not _mentioned(block) & values.names.depending(frozenset((index,))):
        yield from _rows(block, values, ((index, span),), texts) if span else ()
        return
    grouped: dict[Entry, list[int]] = {}
    for number in span:
        for entry in _rows(block, values.at(**{index: number}), ((index, ()),), texts):
            grouped.setdefault(entry, []).append(number)
    for entry, numbers in grouped.items():
        yield entry._replace(indices=((index, tuple(numbers)), *entry.indices[1:]))


def _mentioned(block: Block) -> frozenset[str]:
    """Names the expressions of a block use, its first span aside."""
    spans = [bound for pair in list(block.each.values())[1:] for bound in pair]
    rows = [text for row in block.rows for text in (*row.shape, row.when, row.bias)]
    return frozenset(name for text in (block.when, *spans, *rows) for name in names(text))


def _rows(
    block: Block, values: Values, first: tuple[tuple[str, Sequence[int]], ...], texts: Mapping[str, str]
) -> Iterator[Entry]:
    if not size_of(block.when, values):
        return
    rest = tuple((name, _span(pair, values)) for name, pair in list(block.each.items())[1:])
    braces = {**texts, **{name: f"{{{name}}}" for name in block.each}}
    for row in block.rows:
        if size_of(row.when, values):
            yield from _row(row, f"{block.prefix}{row.name}".format_map(braces), (*first, *rest), values)


def _row(row: Row, name: str, indices: tuple[tuple[str, Sequence[int]], ...], values: Values) -> Iterator[Entry]:
    shape = shape_of(row.shape, values)
    dtype = row.dtype or values["model_dtype"]
    kind = LINEAR if row.linear is not None else EXPERTS if row.experts is not None else TENSOR
    yield Entry(name, indices, dtype, shape, kind)
    if row.linear is not None and size_of(row.bias, values):
        yield Entry(f"{name}.bias", indices, dtype, shape[:1], TENSOR)


def _span(pair: tuple[Expression, Expression], values: Mapping[str, Any]) -> range:
    first, end = (size_of(bound, values) for bound in pair)
    if end - first > _MOST:
        raise CheckpointError(f"config.json does not fit its family table: {pair[1]!r} is {end:,}")
    return range(first, end)
