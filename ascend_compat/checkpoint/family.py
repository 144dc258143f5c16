"""Family tables: which tensors a model family stores, read from ``rules/families``."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ascend_compat.errors import RuleError
from ascend_compat.location import rules_directory

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Expression = str | int | float | bool
_Model = TypeVar("_Model", bound=BaseModel)
#: The family that stands for a ``model_type`` nobody wrote a table for.
ANY = "*"
_STORED = "storage.toml"


class Part(BaseModel):
    """Base of every table entry: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(Part):
    """One tensor, or one linear module (``<linear>.weight``, with ``bias`` where the expression holds).

    ``shape`` is in elements; of a linear module it is ``[out, in]``. ``experts`` names a tensor that holds a weight for
    every expert, which formats store under names of their own. ``dtype`` ``None`` means the model's dtype.
    """

    tensor: str | None = None
    linear: str | None = None
    experts: str | None = None
    shape: list[Expression]
    dtype: str | None = None
    bias: Expression = 0
    when: Expression = 1

    @property
    def name(self) -> str:
        """The name under the block's prefix."""
        return self.tensor or self.linear or self.experts or ""


class Block(Part):
    """Rows under ``prefix``, repeated for every index of ``each`` (name -> [first, end)) where ``when`` holds.

    Names in braces in ``prefix`` and in rows are indices of ``each`` or texts of the section.
    """

    prefix: str
    each: dict[str, tuple[Expression, Expression]] = Field(default_factory=dict)
    when: Expression = 1
    rows: list[Row]


class Blocks(Part):
    """A part of a model that families share; ``source`` says where names and shapes were read.

    ``aliases`` are other spellings of a field, ``defaults`` fill absent or null fields, ``let`` names derived sizes,
    ``texts`` fills braces in names. Each sees all others.
    """

    source: str
    aliases: dict[str, list[str]] = Field(default_factory=dict)
    defaults: dict[str, Expression] = Field(default_factory=dict)
    let: dict[str, Expression] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)
    blocks: list[Block]


class Section(Part):
    """A part as one family uses it: the objects of ``config.json`` it reads and what the family changes.

    ``config`` are dotted paths tried in order, the empty one being the top level; the section is left out when none is
    there, or when ``when`` does not hold. ``let``, ``defaults`` and ``texts`` go before those of the part. A section
    without a ``part`` is the whole model that the object's own ``model_type`` names, with other ``texts`` where the
    family of that type has none of its own.
    """

    part: str | None = None
    config: list[str] = [""]
    when: Expression = 1
    let: dict[str, Expression] = Field(default_factory=dict)
    defaults: dict[str, Expression] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)


class Family(Part):
    """All tensors of some model types; ``level`` is how sure the table is.

    ``verified``: names and totals were compared with a published checkpoint; ``documented``: names were read in the
    code that loads them; ``inferred``: what most decoders of this shape store.
    ``inside`` are defaults of the class: a model inside another one leaves out what equals them, a model by itself says
    all. ``file`` is filled in by the loader.
    """

    model_types: list[str]
    source: str
    level: Literal["verified", "documented", "inferred"]
    sections: list[Section]
    inside: dict[str, Expression] = Field(default_factory=dict)
    file: str = ""


class FamilyTable(Part):
    """A file of families."""

    families: list[Family]


class Stored(Part):
    """A tensor that stands in place of or beside a weight: ``<module>.<suffix>``, of all experts ``<name><suffix>``.

    ``dtype`` ``None`` means the model's. Shapes may use ``out``, ``inp``, ``d0``, ``d1``... and the arguments of the
    scheme.
    """

    suffix: str
    dtype: str | None = None
    shape: list[Expression]
    when: Expression = 1


class Storage(Part):
    """How a weight is stored under a declared scheme: ``match`` is compared with the declaration.

    ``stacked`` says whether the rule is for a tensor that holds all experts; ``skip`` are patterns of modules the
    format leaves in float without naming them.
    """

    methods: list[str]
    match: dict[str, Any] = Field(default_factory=dict)
    stacked: bool = False
    source: str
    skip: list[str] = Field(default_factory=list)
    tensors: list[Stored]


class StorageTable(Part):
    """Every known way of storing a quantized weight."""

    storage: list[Storage]


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Families by ``model_type``; raises :class:`RuleError` for a bad file or a type that is named twice."""
    found: dict[str, Family] = {}
    for name in _files():
        for family in _load(name, FamilyTable).families:
            for section in family.sections:
                if section.part is not None:
                    part(section.part)
            for model_type in family.model_types:
                if model_type in found:
                    raise RuleError(f"{name}: model_type {model_type!r} already has a family")
                found[model_type] = family.model_copy(update={"file": name})
    return found


@lru_cache(maxsize=64)
def part(name: str) -> Blocks:
    """A shared part by name; raises :class:`RuleError` for a bad or absent file."""
    return _load(f"parts/{name}.toml", Blocks)


@lru_cache(maxsize=1)
def storages() -> tuple[Storage, ...]:
    """The storage table, in file order."""
    return tuple(_load(_STORED, StorageTable).storage)


def _files() -> list[str]:
    """Names of the files that hold families: all beside the one of stored forms."""
    return sorted(path.name for path in (rules_directory() / "families").glob("*.toml") if path.name != _STORED)


def _load(name: str, model: type[_Model]) -> _Model:
    path: Path = rules_directory() / "families" / name
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise RuleError(f"family table {name} can't be used: {first}") from error
