"""The parameters of one module before loading: what its scheme allocates, or what its class registers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.knowledge.evaluate.values import External, Instance, Native, Tensor, Unknown
from ascend_compat.knowledge.layers import EXPERT_HALVES, mapped
from ascend_compat.knowledge.loading.library import sharded_loader
from ascend_compat.knowledge.loading.samples import Sample
from ascend_compat.knowledge.loading.stand_ins import Buffer, View, parameter_data
from ascend_compat.knowledge.matched import COMPANIONS, GroupOutcome
from ascend_compat.knowledge.modules import EMBEDDING, LINEAR, MOE, Leaf

#: Parameters and buffers of torch's own layers. Source: torch 2.9, ``torch/nn/modules``.
TORCH_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Linear": ("weight", "bias"), "Embedding": ("weight",), "LayerNorm": ("weight", "bias"), "RMSNorm": ("weight",),
    "GroupNorm": ("weight", "bias"), "Conv1d": ("weight", "bias"), "Conv2d": ("weight", "bias"),
    "Conv3d": ("weight", "bias"), "ConvTranspose1d": ("weight", "bias"), "Bilinear": ("weight", "bias"),
    "BatchNorm1d": ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    "BatchNorm2d": ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    "MultiheadAttention": ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"),
    "ParameterList": (), "GELU": (), "SiLU": (), "ReLU": (), "Identity": (), "Dropout": (), "Tanh": (), "Softmax": (),
    "Sigmoid": (), "AvgPool1d": (), "AvgPool2d": (), "PReLU": ("weight",), "Unfold": (), "Upsample": (), "Flatten": (),
    "QuickGELU": (), "ConstantPad1d": (), "ZeroPad2d": (), "Module": (),
}  # fmt: skip
#: Parameters of an expert layer that nobody quantizes, and those of one whose experts have biases, which its model
#: says (``has_bias``) where the checkpoint stores them. Source: vLLM 0.18.0, unquantized_fused_moe_method.py.
EXPERT_PARAMETERS = ("w13_weight", "w2_weight")
EXPERT_BIASES = ("w13_bias", "w2_bias")


@dataclass(slots=True)
class Stored:
    """Parameter names that a checkpoint has for modules, by layer, parent and module name."""

    names: dict[tuple[int | None, str, str], set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[Sample], mapper: Mapping[str, Any]) -> Stored:
        """Index samples by the last two components of their modules, as the model names them."""
        out = cls()
        for item in items:
            parts = (mapped(item.name, mapper) or item.name).split(".")
            if "experts" in parts[:-1] and parts[-2] in EXPERT_HALVES:
                depth = parts.index("experts")
                key = (item.index, parts[depth - 1] if depth else "", "experts")
                out.names.setdefault(key, set()).add(f"{EXPERT_HALVES[parts[-2]]}_{parts[-1]}")
            if len(parts) > 1:
                key = (item.index, parts[-3] if len(parts) > 2 else "", parts[-2])
                out.names.setdefault(key, set()).add(parts[-1])
        return out

    def at(self, path: str, index: int | None, shards: Iterable[str]) -> set[str]:
        """Names stored for a module or its shards, wherever the checkpoint's own prefix puts it.

        A module of no layer takes what is stored under any number: the checkpoint may count what the model names.
        """
        parent, _, last = path.rpartition(".")
        parent = parent.rpartition(".")[2]
        names = {last, *shards}
        if index is None:
            matching = (kept for (_, above, name), kept in self.names.items() if above == parent and name in names)
            return set().union(*matching)
        return set().union(*(self.names.get((index, parent, name), set()) for name in names))


@dataclass(slots=True)
class Outcomes:
    """What dispatch chose per module; another module of a kind stands in where a path was not asked about."""

    groups: Mapping[str, list[GroupOutcome]]

    def of(self, leaf: Leaf, index: int | None, stored: set[str]) -> GroupOutcome | None:
        """The outcome for a module of a layer; ``None`` where it stays in the model's own dtype."""
        known = self.groups.get(leaf.path)
        if known is not None:
            return next((g for g in known if not g.layers or index in g.layers), None)
        if not any(part in name for name in stored for part in COMPANIONS):
            return None
        alike = [g for groups in self.groups.values() for g in groups if g.bucket.leaf.kind == leaf.kind]
        return next((g for g in alike if g.outcome.params and stored - {"bias"} <= g.outcome.params.keys()), None)


def parameters(
    pack: Mapping[str, Any],
    leaf: Leaf,
    owner: Instance,
    path: str,
    group: GroupOutcome | None,
    stored: set[str],
    dtype: str,
    sizes: tuple[int, int, int] | None = None,
) -> dict[str, View]:
    """Name to stand-in.

    ``owner`` is the module's instance, whose ``weight_loader`` experts load with; ``sizes`` are number, width and
    inner width of the model's experts.
    """
    if group is not None and group.outcome.params:
        out = {name: _allocated(f"{path}.{name}", tensor, leaf, owner) for name, tensor in group.outcome.params.items()}
        if "bias" in stored and "bias" not in out and leaf.kind == LINEAR:
            out["bias"] = _plain(f"{path}.bias", leaf, owner, dtype)
        return out
    names, assumed = _names(pack, leaf, stored)
    if group is not None and group.outcome.trouble is not None:  # nobody knows what it allocates
        names, assumed = sorted({*names, *stored}), True
    if leaf.kind == MOE and sizes is not None and not assumed:
        return {name: _expert(f"{path}.{name}", leaf, owner, dtype, sizes) for name in names}
    own = bool(pack.get("layer_classes", {}).get(leaf.cls, {}).get("loader"))
    return {name: _plain(f"{path}.{name}", leaf, owner, dtype, assumed, own) for name in names}


def _names(pack: Mapping[str, Any], leaf: Leaf, stored: set[str]) -> tuple[list[str], bool]:
    """Parameter names of a module nobody quantizes, and whether they are only assumed."""
    bias = ["bias"] if "bias" in stored else []
    if leaf.kind in (LINEAR, EMBEDDING):
        return ["weight", *bias], False
    if leaf.kind == MOE:
        return [*EXPERT_PARAMETERS, *(EXPERT_BIASES if bias or stored.intersection(EXPERT_BIASES) else ())], False
    if leaf.cls.startswith("torch."):
        known = TORCH_PARAMETERS.get(leaf.cls.rpartition(".")[2])
        if known is not None:
            return [name for name in known if name != "bias" or bias], False
    entry = pack.get("layer_classes", {}).get(leaf.cls, {})
    if "at" in entry:
        own = [name for name in entry.get("parameters", ()) if name != "bias" or bias]
        # A bias that the class does not have: a table of the release holds another class for this configuration.
        return sorted({*own, *bias}), bool(bias) and "bias" not in own
    return sorted(stored), True


def _allocated(name: str, tensor: Tensor, leaf: Leaf, owner: Instance) -> View:
    attributes = dict(tensor.attributes)
    if isinstance(attributes.get("weight_loader"), (External, Unknown)):
        attributes["weight_loader"] = _loader(leaf, owner)
    return parameter_data(Buffer(name, tensor.shape), tensor.dtype, attributes)


def scale(name: str, tensor: Tensor, dtype: str) -> View:
    """A parameter of a quantized KV cache, which its method's own loader sizes as the checkpoint has it."""
    attributes = {key: Native(key, sharded_loader) for key in tensor.attributes if key == "weight_loader"}
    return parameter_data(Buffer(name, (Unknown(tensor.at, f"shape of {name}"),)), dtype, attributes)


def _plain(name: str, leaf: Leaf, owner: Instance, dtype: str, assumed: bool = False, own: bool = False) -> View:
    """A parameter whose sizes are not computed: allocation of float layers follows the configuration."""
    has_loader = own or leaf.kind in (LINEAR, MOE, EMBEDDING)
    attributes = {"weight_loader": _loader(leaf, owner)} if has_loader else {}
    unknown = Unknown(leaf.at, f"shape of {name}")
    return parameter_data(Buffer(name, (unknown,), assumed), dtype, attributes)


def _expert(name: str, leaf: Leaf, owner: Instance, dtype: str, sizes: tuple[int, int, int]) -> View:
    """A float parameter of experts: gate and up projection in one, the down projection, or their biases."""
    count, width, inner = sizes
    rows, columns = (2 * inner, width) if ".w13_" in name else (width, inner)
    shape = (count, rows) if name.endswith("bias") else (count, rows, columns)
    return parameter_data(Buffer(name, shape), dtype, {"weight_loader": _loader(leaf, owner)})


def _loader(leaf: Leaf, owner: Instance) -> Any:
    """The loader of a layer: the tree's own for experts, else one that takes any shard."""
    if leaf.kind == MOE:
        return owner.names.get("weight_loader", Native("weight_loader", sharded_loader))
    return Native("weight_loader", sharded_loader)
