"""What a replay found, group by group: the vocabulary between matching, loading and the findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.facts import TensorGroup
from ascend_compat.knowledge.layers import Bucket
from ascend_compat.knowledge.modules import LINEAR, MOE, ModuleTree
from ascend_compat.knowledge.outcomes import LayerOutcome, Startup, Trouble

#: Companion tensors of a quantized weight; a module that has one is stored quantized.
COMPANIONS = ("scale", "offset", "zero_point", "qzeros", "g_idx", "quant_bias", "weight_shape")


@dataclass(slots=True)
class GroupOutcome:
    """One group of modules with the same fate: the first of its layers stands for all.

    ``reads`` are the parameters the chosen scheme computes with, ``None`` when that is not known; ``computes`` the
    dtypes it names that not every device has.
    """

    bucket: Bucket
    layers: tuple[int, ...]
    prefix: str
    outcome: LayerOutcome
    quant_type: str | None = None
    quant_type_at: str | None = None
    decided_by: str | None = None
    reads: frozenset[str] | None = None
    computes: tuple[str, ...] = ()

    @property
    def modules(self) -> int:
        """Modules of the group over all layers; experts count one per layer."""
        return max(len(self.layers), 1)

    @property
    def layer_type(self) -> str:
        """``linear`` or ``moe``, as the scheme registry names it."""
        return MOE if self.bucket.leaf.kind == MOE else LINEAR


@dataclass(slots=True)
class Match:
    """Everything the replay of one target found.

    ``dequantizing`` is the place and the dtypes of a loader that de-quantizes, where no quantization method runs;
    ``cache`` the fate of a declared KV cache quantization: an attention layer's prefix and what it gets.
    """

    tree: ModuleTree
    startup: Startup
    groups: list[GroupOutcome] = field(default_factory=list)
    lost: list[TensorGroup] = field(default_factory=list)
    prepared: Trouble | None = None
    dtype: str = "bfloat16"
    draft: tuple[str | None, str | None] = (None, None)
    dequantizing: Mapping[str, Any] = field(default_factory=dict)
    cache: tuple[str, LayerOutcome] | None = None

    def dequantizes(self, dtype: str | None) -> bool:
        """Whether the model's loader turns weights of this dtype of torch into float ones."""
        return dtype in self.dequantizing.get("dtypes", ())
