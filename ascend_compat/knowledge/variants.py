"""The same model in another precision: what its checkpoint would hold, so that it can be judged like any other.

The variants are what the usual tools write: a float checkpoint (``torch_dtype``), and ModelSlim's W8A8_DYNAMIC with one
scale and one offset per output channel and a description file. Source of the names: vllm-ascend 0.18.0,
quantization/methods/w8a8_dynamic.py (parameters) and quantization/modelslim_config.py (description keys).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import ModelProfile, QuantProfile
from ascend_compat.core.units import tensor_bytes
from ascend_compat.knowledge.layers import concrete, fill
from ascend_compat.knowledge.modules import LINEAR, MOE, ModuleTree

#: Last components of companion tensors of a quantized weight, in every format the tool knows.
COMPANION_PARAMETERS = frozenset(
    "weight_scale weight_offset weight_scale_inv input_scale input_offset weight_zero_point quant_bias deq_scale "
    "weight_scale_2 input_global_scale weight_global_scale g_idx qzeros scales weight_shape scale".split()
)
DESCRIPTION = "quant_model_description.json"
FLOAT_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
_QUANTIZED_DTYPES = frozenset({"F8_E4M3", "F8_E5M2", "I8"})


def float_variant(facts: CheckpointFacts, profile: ModelProfile) -> CheckpointFacts | None:
    """The checkpoint dequantized to the model's dtype; ``None`` when weights are packed (their shape differs)."""
    if any(
        group.parameter in ("weight_packed", "qweight") or group.template.endswith("_blocks") for group in facts.tensors
    ):
        return None
    dtype = FLOAT_DTYPES.get((profile.dtype or "bfloat16").removeprefix("torch."), "BF16")
    tensors = [
        _retyped(group, dtype) if group.dtype in _QUANTIZED_DTYPES else group
        for group in facts.tensors
        if group.parameter not in COMPANION_PARAMETERS
    ]
    config = {k: v for k, v in facts.config.items() if k not in ("quantization_config", "compression_config")}
    files = tuple(name for name in facts.files if name not in (DESCRIPTION, "hf_quant_config.json"))
    return replace(
        facts, config=config, tensors=tuple(tensors), files=files, quant_description=None, hf_quant_config=None
    )


def modelslim_variant(facts: CheckpointFacts, profile: ModelProfile, tree: ModuleTree) -> CheckpointFacts | None:
    """The float checkpoint with its linear and expert weights as ModelSlim W8A8_DYNAMIC, MTP left in float."""
    plain = float_variant(facts, profile)
    if plain is None:
        return None
    buckets, _ = fill(tree, plain, replace(profile, quantization=QuantProfile(None, None)))
    quantizable = {
        (group.template, bucket.layers)
        for bucket in buckets
        if bucket.leaf.kind in (LINEAR, MOE) and bucket.leaf.quantized
        for groups in bucket.shards.values()
        for group in groups
        if group.parameter == "weight" and len(group.shape) == 2
    }
    chosen: dict[str, set[int]] = {}
    for template, layers in quantizable:
        chosen.setdefault(template, set()).update(layers)
    tensors: list[TensorGroup] = []
    description: dict[str, Any] = {"model_quant_type": "W8A8_DYNAMIC", "version": "1.0.0"}
    for group in plain.tensors:
        inside = tuple(n for n in group.layers if n in chosen.get(group.template, ()))
        tensors.extend(_quantized(group, inside))
        for layer in group.layers or (None,):
            quantized = layer in inside if layer is not None else False
            for name in _names(group, layer):
                description[name] = "W8A8_DYNAMIC" if quantized else "FLOAT"
    return replace(
        plain,
        tensors=tuple(tensors),
        quant_description=description,
        files=(*plain.files, DESCRIPTION),
    )


def _names(group: TensorGroup, layer: int | None) -> Iterable[str]:
    """Names of a group in one layer; of several experts only the first, the one the release looks at."""
    yield concrete(group.template, layer)


def _retyped(group: TensorGroup, dtype: str) -> TensorGroup:
    return replace(group, dtype=dtype, bytes=tensor_bytes(dtype, group.shape) * group.count)


def _quantized(group: TensorGroup, layers: tuple[int, ...]) -> list[TensorGroup]:
    """The group split into its quantized layers (int8 weight, scale, offset) and the rest as it was."""
    if not layers:
        return [group]
    rest = tuple(n for n in group.layers if n not in layers)
    out = [_part(group, group.parameter, "I8", group.shape, layers)]
    for companion in ("weight_scale", "weight_offset"):
        out.append(_part(group, companion, group.dtype, (group.shape[0], 1), layers))
    return [*out, _part(group, group.parameter, group.dtype, group.shape, rest)] if rest else out


def _part(
    group: TensorGroup, parameter: str, dtype: str, shape: tuple[int, ...], layers: tuple[int, ...]
) -> TensorGroup:
    count = group.per_layer * len(layers)
    template = f"{group.module}.{parameter}"
    return TensorGroup(template, dtype, shape, count, tensor_bytes(dtype, shape) * count, layers)
