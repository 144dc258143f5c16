"""Every sound layout, spoiled in one way at a time: each contradiction is found, with its template and count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from classify_tables import DENSE, facts, group, outside
from test_real_layouts import LAYOUTS

from ascend_compat.classify.profile import classify
from ascend_compat.classify.quant.companions import SCALES
from ascend_compat.classify.quant.stored import QUANTIZED_DTYPES, is_weight
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.units import tensor_bytes
from ascend_compat.report.catalog import fields, render, templates

#: Formats whose companions the tool does not judge: it does not know all their names.
UNJUDGED = {"MLX", "torchao"}
#: Formats without a scale that is named like the others', or whose sizes the declaration does not say.
NO_SCALE = UNJUDGED | {"nf4", "bitsandbytes int8", "ModelSlim static, C8"}
UNSIZED = NO_SCALE | {"ModelSlim mixed, MLA, MTP"}

Change = Callable[[TensorGroup], list[TensorGroup]]


def remade(tensor: TensorGroup, **changes: object) -> TensorGroup:
    made = replace(tensor, **changes)  # type: ignore[arg-type]  # the fields are named by each caller
    return replace(made, bytes=tensor_bytes(made.dtype, made.shape) * made.count)


def victim(checkpoint: CheckpointFacts) -> TensorGroup:
    """A quantized weight in the decoder, not one of stacked experts: the first by name."""
    weights = [
        tensor
        for tensor in checkpoint.tensors
        if is_weight(tensor) and tensor.dtype in QUANTIZED_DTYPES and len(tensor.layers) > 1
    ]
    return min(weights, key=lambda tensor: (len(tensor.shape), tensor.template.count("*"), tensor.template))


def spoiled(name: str, template: str, change: Change) -> list[Finding]:
    checkpoint = LAYOUTS[name]().facts
    tensors = [new for old in checkpoint.tensors for new in (change(old) if old.template == template else [old])]
    findings = classify(replace(checkpoint, tensors=tuple(tensors))).findings
    for finding in findings:
        for language in ("en", "zh"):
            assert fields(templates(language)[finding.message.id]) <= set(finding.message.params)
            assert "{" not in render(finding.message.id, finding.message.params, language)
    return [finding for finding in findings if finding.code.startswith("AC3")]


def scale_of(name: str) -> TensorGroup:
    checkpoint = LAYOUTS[name]().facts
    weight = victim(checkpoint)
    stem = weight.template.rpartition(".")[0] if weight.parameter.startswith(("weight", "qweight")) else weight.template
    found = [
        tensor
        for tensor in checkpoint.tensors
        for scale in SCALES
        if tensor.template in (f"{stem}.{scale}", f"{stem}_{scale}")
    ]
    return found[0]


@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - UNJUDGED))
def test_a_weight_without_its_scale_in_one_layer(name: str) -> None:
    if name in NO_SCALE:
        weight = victim(LAYOUTS[name]().facts)
        helper = {"nf4": "weight.absmax", "bitsandbytes int8": "SCB"}.get(name, "deq_scale")
        template = f"{weight.module}.{helper}"
    else:
        template = scale_of(name).template

    def drop(tensor: TensorGroup) -> list[TensorGroup]:
        rest = tensor.layers[1:]
        return [remade(tensor, layers=rest, count=tensor.per_layer * len(rest))]

    found = [finding for finding in spoiled(name, template, drop) if finding.code == "AC325"]
    assert len(found) == 1
    assert found[0].message.params["absent"] in (1, victim(LAYOUTS[name]().facts).per_layer)


@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - UNSIZED))
def test_a_scale_of_another_size(name: str) -> None:
    template = scale_of(name).template

    def halve(tensor: TensorGroup) -> list[TensorGroup]:
        return [remade(tensor, shape=(3, *tensor.shape))]

    found = [finding for finding in spoiled(name, template, halve) if finding.code == "AC328"]
    assert [finding.message.params["scale"] for finding in found] == [template]


@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - NO_SCALE))
def test_scales_that_lost_their_weight(name: str) -> None:
    weight = victim(LAYOUTS[name]().facts)
    if weight.parameter not in ("weight", "weight_packed", "qweight"):
        pytest.skip("stacked experts carry the projection in the parameter, so no module is left over")
    found = {finding.message.id for finding in spoiled(name, weight.template, lambda tensor: [])}
    assert "AC326.alone" in found


@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - NO_SCALE))
def test_a_quantized_weight_in_float_in_one_layer(name: str) -> None:
    weight = victim(LAYOUTS[name]().facts)
    if weight.parameter not in ("weight", "weight_packed", "qweight"):
        pytest.skip("stacked experts carry the projection in the parameter, so a float one looks the same")
    plain = f"{weight.module}.weight"

    def thaw(tensor: TensorGroup) -> list[TensorGroup]:
        rest = tensor.layers[1:]
        return [
            remade(tensor, layers=rest, count=tensor.per_layer * len(rest)),
            remade(tensor, template=plain, dtype="BF16", layers=tensor.layers[:1], count=tensor.per_layer),
        ]

    found = {finding.code: finding for finding in spoiled(name, weight.template, thaw)}
    assert {"AC324", "AC326"} <= found.keys()
    assert found["AC324"].message.params["count"] == weight.per_layer
    assert found["AC324"].evidence[0].detail.startswith(plain)


@pytest.mark.parametrize("name", LAYOUTS)
def test_nothing_quantized_at_all(name: str) -> None:
    checkpoint = LAYOUTS[name]().facts
    tensors = tuple(
        remade(tensor, dtype="BF16") if tensor.dtype in QUANTIZED_DTYPES and is_weight(tensor) else tensor
        for tensor in checkpoint.tensors
    )
    found = {finding.code for finding in classify(replace(checkpoint, tensors=tensors)).findings}
    assert "AC321" in found


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_missing_shard_silences_what_only_a_whole_checkpoint_shows(name: str) -> None:
    checkpoint = LAYOUTS[name]().facts
    half = tuple(tensor for number, tensor in enumerate(checkpoint.tensors) if number % 2)
    damage = spoiled("float8 channels", "lm_head.weight", lambda tensor: [remade(tensor, dtype="F8_E4M3")])
    found = classify(replace(checkpoint, tensors=half, problems=(damage[0],))).findings
    assert not {finding.message.id for finding in found} & {"AC325", "AC326.alone", "AC336", "AC337"}


def test_rows_in_pairs_that_are_not_packed() -> None:
    checkpoint = LAYOUTS["ModelSlim W4A8 unpacked"]().facts
    described = {**(checkpoint.quant_description or {}), "version": "1.0.0"}
    found = classify(replace(checkpoint, quant_description=described)).findings
    assert {finding.message.id for finding in found} == {"AC334.pairs"}
    assert all(".experts." in finding.subject for finding in found)


def test_a_second_scale_of_another_group_size() -> None:
    checkpoint = LAYOUTS["ModelSlim W4A8 packed"]().facts
    described = {**(checkpoint.quant_description or {}), "group_size": 128}
    found = classify(replace(checkpoint, quant_description=described)).findings
    assert {finding.code for finding in found} == {"AC328"}
    assert all(str(finding.message.params["scale"]).endswith("weight_scale_second") for finding in found)


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        ({"quant_method": "gptq", "checkpoint_format": "marlin", "bits": 4, "group_size": 128},
         {"B": ("I32", (64, 2048)), "s": ("F16", (8, 1024))}),
        ({"quant_method": "exl3", "bits": 4.0},
         {"trellis": ("I16", (64, 64, 64)), "suh": ("F16", (1024,)), "svh": ("F16", (1024,))}),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head"],
          "sparsity_config": {"format": "sparse-24-bitmask", "sparsity_structure": "2:4"},
          "config_groups": {"a": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float"}}}},
         {"compressed": ("F8_E4M3", (1024, 512)), "bitmask": ("U8", (1024, 128)), "weight_scale": ("F32", (1,))}),
    ],
    ids=["marlin", "trellis", "sparse"],
)  # fmt: skip
def test_values_under_names_nobody_knows_are_no_contradiction(
    declared: dict[str, object], stored: dict[str, tuple[str, tuple[int, ...]]]
) -> None:
    tensors = [group(f"model.layers.*.mlp.up_proj.{name}", dtype, shape, range(4))
               for name, (dtype, shape) in stored.items()]  # fmt: skip
    checkpoint = facts({**DENSE, "quantization_config": declared}, [*tensors, *outside()])
    assert [f.code for f in classify(checkpoint).findings if f.code.startswith("AC3")] == []
