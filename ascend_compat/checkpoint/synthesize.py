"""Configuration to tensors: the table of names, dtypes and shapes a checkpoint of this configuration stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from ascend_compat.checkpoint.expression import ExpressionError, evaluate, names
from ascend_compat.checkpoint.family import Block, Expression, Family, Row, Section, Storage, families
from ascend_compat.checkpoint.storage import StorageOf, storage_of
from ascend_compat.errors import CheckpointError

#: Names of ``torch_dtype`` / ``dtype`` in config.json and the safetensors dtype that stores them.
_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


class TensorSpec(NamedTuple):
    """One tensor as its header entry would say it; ``shape`` in elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def synthesize(config: Mapping[str, Any], description: Mapping[str, Any] | None = None) -> Iterator[TensorSpec]:
    """Tensors of a checkpoint with this ``config.json`` and, for ModelSlim, this ``quant_model_description.json``.

    Order is that of the family table. Raises :class:`CheckpointError` where the family or a needed value is unknown.
    """
    chosen = storage_of(config, description)
    for section in family_of(config).sections:
        values = section_values(config, section)
        if values is not None:
            for block in section.blocks:
                yield from _block(block, values, chosen)


def linear_modules(config: Mapping[str, Any]) -> Iterator[str]:
    """Names of all linear modules, quantized or not, in table order."""
    seen: list[str] = []

    def note(module: str) -> Storage | None:
        seen.append(module)
        return None

    for section in family_of(config).sections:
        values = section_values(config, section)
        for block in section.blocks if values is not None else ():
            for _ in _block(block, values or {}, note):
                yield from seen
                seen.clear()


def family_of(config: Mapping[str, Any]) -> Family:
    """The family table of ``model_type``; raises :class:`CheckpointError` when there is none."""
    model_type = config.get("model_type")
    found = families().get(model_type) if isinstance(model_type, str) else None
    if found is None:
        raise CheckpointError(f"no tensor table for model_type {model_type!r}", "add one under rules/families/")
    return found


def section_values(config: Mapping[str, Any], section: Section) -> dict[str, Any] | None:
    """Names a section's expressions may use; ``None`` when the section's part of ``config.json`` is absent."""
    part: Any = config
    for key in filter(None, section.config.split(".")):
        part = part.get(key) if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping):
        return None
    values = {key: value for source in (config, part) for key, value in source.items() if value is not None}
    values.setdefault("tie_word_embeddings", False)
    for key, default in section.defaults.items():
        if values.get(key) is None:
            values[key] = _size(default, values) if isinstance(default, str) else default
    for key, expression in section.let.items():
        values[key] = _size(expression, values)
    values["model_dtype"] = _model_dtype(part, config)
    return values


def _model_dtype(*parts: Mapping[str, Any]) -> str:
    """The stored float dtype; transformers calls it ``dtype``, before 4.56 ``torch_dtype``, at either level."""
    nested = parts[-1].get("text_config")
    for part in (*parts, nested if isinstance(nested, Mapping) else {}):
        declared = part.get("dtype") or part.get("torch_dtype")
        if declared is not None:
            if declared not in _DTYPES:
                raise CheckpointError(f"config.json declares dtype {declared!r}, which no checkpoint stores")
            return _DTYPES[declared]
    raise CheckpointError("config.json declares neither dtype nor torch_dtype", "give the dtype of the weights")


def _block(block: Block, values: Mapping[str, Any], chosen: StorageOf) -> Iterator[TensorSpec]:
    spans = [range(_size(first, values), _size(end, values)) for first, end in block.each.values()]
    indexed = bool(names(block.when) & set(block.each))
    if not indexed and not _size(block.when, values):
        return
    rows = [(row, _shape(row.shape, values)) for row in block.rows if _size(row.when, values)]
    biased = {row.linear for row, _ in rows if row.linear is not None and _size(row.bias, values)}
    dtype = values["model_dtype"]
    for indices in product(*spans):
        named = dict(zip(block.each, indices, strict=True))
        if indexed and not _size(block.when, {**values, **named}):
            continue
        prefix = block.prefix.format(**named)
        for row, shape in rows:
            if row.linear is None:
                yield TensorSpec(f"{prefix}{row.tensor}", row.dtype or dtype, shape)
                continue
            yield from _linear(f"{prefix}{row.linear}", row, shape, dtype, chosen)
            if row.linear in biased:
                yield TensorSpec(f"{prefix}{row.linear}.bias", dtype, shape[:1])


def _linear(module: str, row: Row, shape: tuple[int, ...], dtype: str, chosen: StorageOf) -> Iterator[TensorSpec]:
    stored = chosen(module)
    if stored is None:
        yield TensorSpec(f"{module}.weight", row.dtype or dtype, shape)
        return
    sizes = {"out": shape[0], "inp": shape[1]}
    yield TensorSpec(f"{module}.weight", stored.weight, _shape(stored.shape, sizes))
    for companion in stored.companions:
        yield TensorSpec(f"{module}.{companion.suffix}", companion.dtype or dtype, _shape(companion.shape, sizes))


def _shape(shape: list[Expression], values: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(_size(dimension, values) for dimension in shape)


def _size(expression: Expression, values: Mapping[str, Any]) -> int:
    try:
        return int(evaluate(expression, values))
    except ExpressionError as error:
        if error.missing is not None:
            raise CheckpointError(f"config.json lacks {error.missing!r}, which sizes the tensors") from error
        raise CheckpointError(f"config.json does not fit its family table: {error}") from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"config.json does not fit its family table: {expression!r} is no size") from error
