"""What a checkpoint says of itself: files, configuration, tensors in aggregated form, damage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ascend_compat.core.finding import Finding


@dataclass(frozen=True, slots=True)
class TensorGroup:
    """All tensors that share a name template, a dtype, a shape and a number of tensors per layer.

    ``template`` is the tensor name with every purely numeric component replaced by ``*``
    (``model.layers.*.mlp.experts.*.gate_proj.weight``). ``layers`` holds the sorted values of the first ``*``
    (empty when the name has none), so ``count == len(layers) * per_layer``. ``computed`` says that the configuration
    was the source and no header.
    """

    template: str
    dtype: str
    shape: tuple[int, ...]
    count: int
    bytes: int
    layers: tuple[int, ...] = ()
    computed: bool = False

    @property
    def per_layer(self) -> int:
        """Tensors per value of the first index; ``count`` when the name has no index."""
        return self.count // len(self.layers) if self.layers else self.count

    @property
    def elements(self) -> int:
        """Elements over all tensors of the group."""
        return prod(self.shape) * self.count

    @property
    def module(self) -> str:
        """The template without its last component: the module that owns the tensor."""
        return self.template.rpartition(".")[0]

    @property
    def parameter(self) -> str:
        """The last component of the template: ``weight``, ``weight_scale``, ``bias``..."""
        return self.template.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class TableNote:
    """How the tensor table of a checkpoint without headers was made.

    ``level`` is ``verified``, ``documented`` or ``inferred``, as the table says of itself; ``missing`` is why there is
    no table (then ``source`` is empty). ``fields`` are the fields of config.json that sized it, with their values.
    ``file`` is the family's file under ``rules/``.
    """

    source: str
    level: str
    fields: tuple[str, ...] = ()
    missing: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """Everything read from a checkpoint, nothing interpreted.

    Where no header was read, ``tensors`` may be computed from the configuration: ``table`` then says how.

    ``config`` is ``config.json`` as parsed. ``tensors`` is empty and ``has_weights`` false when there is no
    safetensors file. ``quant_description`` is ModelSlim's ``quant_model_description.json``, ``hf_quant_config``
    ModelOpt's file; ``None`` when the file is absent, as for ``generation_config`` and ``tokenizer_config``.
    ``problems`` is the damage that was found (AC1xx).
    ``quantize_configs`` are the files of older AWQ and GPTQ tools by name. ``ranks`` is the number of tensor-parallel
    ranks a sharded state is stored for; ``tensors`` are then those of the first.
    """

    spec: str
    source: str
    revision: str | None
    config: Mapping[str, Any]
    files: tuple[str, ...]
    tensors: tuple[TensorGroup, ...]
    has_weights: bool
    shards: int = 0
    ranks: int | None = None
    table: TableNote | None = None
    quant_description: Mapping[str, Any] | None = None
    hf_quant_config: Mapping[str, Any] | None = None
    generation_config: Mapping[str, Any] | None = None
    tokenizer_config: Mapping[str, Any] | None = None
    problems: tuple[Finding, ...] = ()
    quantize_configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def guessed(self) -> bool:
        """Whether there are no tensors, or those of a table that only guesses: nothing of them is a verdict."""
        return not self.tensors or (self.table is not None and self.table.level == "inferred")

    @property
    def missing_code(self) -> tuple[str, ...]:
        """Python files that ``auto_map`` looks for beside config.json and that are not there.

        An entry is ``file.Class``; one with ``--`` names a file of another repository.
        """
        declared = self.config.get("auto_map")
        entries = declared.values() if isinstance(declared, Mapping) else ()
        named = (item for entry in entries for item in (entry if isinstance(entry, list) else [entry]))
        wanted = (f"{item.rpartition('.')[0]}.py" for item in named if isinstance(item, str) and "--" not in item)
        return tuple(file for file in dict.fromkeys(wanted) if file != ".py" and file not in self.files)

    @property
    def tensor_count(self) -> int:
        """Number of tensors over all shards."""
        return sum(group.count for group in self.tensors)

    @property
    def elements(self) -> int:
        """Number of stored elements over all tensors (a packed element counts once)."""
        return sum(group.elements for group in self.tensors)

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of all tensor data, headers excluded."""
        return sum(group.bytes for group in self.tensors) * (self.ranks or 1)

    @property
    def dtypes(self) -> dict[str, int]:
        """Bytes per stored dtype, largest first."""
        totals: dict[str, int] = {}
        for group in self.tensors:
            totals[group.dtype] = totals.get(group.dtype, 0) + group.bytes
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
