"""Family tables: which tensors a model family stores, read from ``rules/families/*.toml``."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ascend_compat.errors import RuleError
from ascend_compat.location import rules_directory

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Expression = str | int
_Model = TypeVar("_Model", bound=BaseModel)


class Part(BaseModel):
    """Base of every table entry: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(Part):
    """One tensor, or one linear module (``<linear>.weight``, with ``bias`` where the expression holds).

    ``shape`` is in elements; of a linear module it is ``[out, in]``. ``dtype`` ``None`` means the model's dtype.
    """

    tensor: str | None = None
    linear: str | None = None
    shape: list[Expression]
    dtype: str | None = None
    bias: Expression = 0
    when: Expression = 1


class Block(Part):
    """Rows under ``prefix``, repeated for every index of ``each`` (name -> [first, end)) where ``when`` holds."""

    prefix: str
    each: dict[str, tuple[Expression, Expression]] = Field(default_factory=dict)
    when: Expression = 1
    rows: list[Row]


class Section(Part):
    """Blocks that read the same part of ``config.json`` (``config`` is its dotted path, empty for the top level).

    ``defaults`` fill absent or null configuration values, ``let`` names derived sizes; both see what stands above them.
    """

    config: str = ""
    defaults: dict[str, Any] = Field(default_factory=dict)
    let: dict[str, Expression] = Field(default_factory=dict)
    blocks: list[Block]


class Family(Part):
    """All tensors of a family; ``source`` says where names and shapes were read."""

    model_types: list[str]
    source: str
    sections: list[Section]


class Companion(Part):
    """A tensor stored beside a quantized weight: ``<module>.<suffix>``; shapes may use ``out`` and ``inp``."""

    suffix: str
    dtype: str | None = None
    shape: list[Expression]


class Storage(Part):
    """How a linear weight is stored under a declared scheme; ``match`` is compared with the declaration."""

    method: str
    match: dict[str, Any]
    source: str
    weight: str
    shape: list[Expression] = ["out", "inp"]
    companions: list[Companion] = Field(default_factory=list)


class StorageTable(Part):
    """Every known way of storing a quantized linear weight."""

    storage: list[Storage]


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Family tables by ``model_type``; raises :class:`RuleError` for a bad file or a type that is named twice."""
    found: dict[str, Family] = {}
    for path in sorted((rules_directory() / "families").glob("*.toml")):
        if path.stem == "storage":
            continue
        family = _load(path, Family)
        for model_type in family.model_types:
            if model_type in found:
                raise RuleError(f"{path.name}: model_type {model_type!r} already has a family table")
            found[model_type] = family
    return found


@lru_cache(maxsize=1)
def storages() -> tuple[Storage, ...]:
    """The storage table, in file order."""
    return tuple(_load(rules_directory() / "families" / "storage.toml", StorageTable).storage)


def _load(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise RuleError(f"family table {path.name} can't be used: {first}") from error
