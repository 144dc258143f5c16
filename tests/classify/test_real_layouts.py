"""Sound checkpoints of every format raise no alarm, and their groups say what was declared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from layouts_declared import (
    block_float8_mla_mtp,
    block_float8_with_a_list,
    channel_float8,
    float8_around_nvfp4_experts,
    four_bit_pairs,
    hybrid_block_float8_mtp_namespace,
    mixed_groups_and_cache,
    modelopt_nvfp4,
    packed_asymmetric_and_channel,
    packed_experts_only,
    raw_names,
    stacked_float8_experts,
    static_float8_scalars,
)
from layouts_modelslim import slim_four_bits, slim_mixed_mla_with_mtp, slim_mx, slim_static_and_cache
from layouts_tools import (
    auto_round_two_widths,
    awq_dense,
    awq_from_its_own_file,
    eight_bit_rows,
    gptq_experts,
    mlx_four_bits,
    nf4_with_exceptions,
    quark_float8,
    quark_mxfp4,
    torchao_int8,
)
from real_layouts import Layout

from ascend_compat.classify.profile import classify

LAYOUTS: dict[str, Callable[[], Layout]] = {
    "float8 blocks, MLA, MTP": block_float8_mla_mtp,
    "float8 blocks with a list": block_float8_with_a_list,
    "float8 blocks, hybrid, MTP of its own": hybrid_block_float8_mtp_namespace,
    "float8 channels": channel_float8,
    "int4 experts": packed_experts_only,
    "int4 asymmetric and by channel": packed_asymmetric_and_channel,
    "mixed groups, quantized cache": mixed_groups_and_cache,
    "float8 static scalars": static_float8_scalars,
    "float8 stacked experts": stacked_float8_experts,
    "AWQ": awq_dense,
    "AWQ in its own file": awq_from_its_own_file,
    "GPTQ experts": gptq_experts,
    "NVFP4 with a cache": modelopt_nvfp4,
    "float4 experts in raw names": lambda: raw_names(four_bit_pairs, {}),
    "NVFP4 experts in float8": float8_around_nvfp4_experts,
    "nf4": nf4_with_exceptions,
    "bitsandbytes int8": eight_bit_rows,
    "MLX": mlx_four_bits,
    "Quark float8": quark_float8,
    "Quark MXFP4": quark_mxfp4,
    "torchao": torchao_int8,
    "AutoRound of two widths": auto_round_two_widths,
    "ModelSlim static, C8": slim_static_and_cache,
    "ModelSlim mixed, MLA, MTP": slim_mixed_mla_with_mtp,
    "ModelSlim W4A8 packed": lambda: slim_four_bits(True),
    "ModelSlim W4A8 unpacked": lambda: slim_four_bits(False),
    "ModelSlim MXFP8": lambda: slim_mx("W8A8_MXFP8", "F8_E4M3", 1),
    "ModelSlim MXFP4": lambda: slim_mx("W4A4_MXFP4", "U8", 2),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_sound_checkpoint_raises_no_alarm(name: str) -> None:
    layout = LAYOUTS[name]()
    profile = classify(layout.facts)
    found = {f.code: (f.subject, f.message.params) for f in profile.findings if f.code.startswith("AC3")}
    assert found.keys() == layout.expected, found


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_quantized_weight_belongs_to_a_group_with_arguments(name: str) -> None:
    layout = LAYOUTS[name]()
    profile = classify(layout.facts)
    groups = profile.quantization.groups
    assert groups and all(found.weights is not None for found in groups if found.count)
    assert {found.stored_dtype for found in groups if found.count} <= {"I8", "U8", "I32", "U32", "F8_E4M3"}
    assert sum(found.count for found in groups) > 0
