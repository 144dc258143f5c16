"""A checkpoint without headers gets the tensor table its configuration stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ascend_compat.checkpoint.entries import TensorSpec
from ascend_compat.checkpoint.synthesize import Table
from ascend_compat.classify.config import short
from ascend_compat.classify.quant.storing import Storing
from ascend_compat.core.facts import CheckpointFacts, TableNote
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.errors import CheckpointError, RuleError

#: Fields cited as evidence; the report's ``table`` lists all.
_MOST_FIELDS = 12


def configured(facts: CheckpointFacts) -> CheckpointFacts:
    """The facts with a computed tensor table where no shard could be read; ``table`` says how, or why there is none.

    Facts with tensors, and those of damaged shards, are returned as they are. Raises :class:`RuleError` for family
    tables that can't be used.
    """
    if facts.tensors or facts.shards:
        return facts
    try:
        storing = Storing(facts)
        table = Table(facts.config, storing.method)
        tensors = table.groups(storing.chooser())
    except RuleError:
        raise
    except CheckpointError as error:
        return replace(facts, table=TableNote("", "", missing=str(error)))
    fields = tuple(f"{path} = {short(value)}" for path, value in sorted(table.read.items()))
    note = TableNote(table.family.source, table.level, fields, file=f"rules/families/{table.family.file}")
    kept = [found for found in facts.problems if found.message.id != "AC115.none"]
    return replace(facts, tensors=tensors, table=note, problems=(*kept, _computed(note)))


def _computed(note: TableNote) -> Finding:
    """What the report says of a computed table: where it comes from and which fields sized it."""
    rule = Evidence(EvidenceKind.RULE, note.file, None, note.source)
    fields = tuple(Evidence(EvidenceKind.CONFIG, "config.json", None, field) for field in note.fields)
    said = Message("AC115.computed", {"level": note.level, "fields": len(fields)})
    return Finding(
        "AC115", Severity.INFO, Effect.NONE, Basis.INFERRED, "config.json", said, (rule, *fields[:_MOST_FIELDS])
    )  # fmt: skip


def named_tensors(config: Mapping[str, Any], description: Mapping[str, Any] | None = None) -> Iterator[TensorSpec]:
    """Every tensor, by name, of a checkpoint with this config.json and, for ModelSlim, this description.

    Raises :class:`CheckpointError` where the family, a needed value or the stored form of a scheme is unknown.
    """
    bare = CheckpointFacts("", "", None, config, ("config.json",), (), False, quant_description=description)
    storing = Storing(bare)
    return Table(config, storing.method).specs(storing.chooser())
