"""Each way a checkpoint can break its own word gives its finding, with template, count and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from classify_tables import DENSE, LINEAR, codes, facts, group, layers_of, outside
from test_classify_quantization import CHANNEL8, GROUP4, TOKEN8, ct, per, rows

from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.report.catalog import fields, render, templates

DYNAMIC = ct(CHANNEL8, TOKEN8)
SCALED = layers_of("F8_E4M3", {"weight_scale": ("BF16", rows)})
Q = "model.layers.*.self_attn.q_proj"


def audited(config: dict[str, Any] | None, linear: Sequence[TensorGroup], **more: Any) -> tuple[Finding, ...]:
    declared = {"quantization_config": config} if config else {}
    return classify(facts({**DENSE, **declared}, [*linear, *outside()], **more)).findings


def without(tensors: Sequence[TensorGroup], template: str) -> list[TensorGroup]:
    return [tensor for tensor in tensors if tensor.template != template]


def swapped(tensors: Sequence[TensorGroup], *new: TensorGroup) -> list[TensorGroup]:
    names = {tensor.template for tensor in new}
    return [*(tensor for tensor in tensors if tensor.template not in names), *new]


def test_float8_under_an_int4_declaration() -> None:
    found = audited(ct({**CHANNEL8, "type": "int", "num_bits": 4}), SCALED)
    assert set(codes(found)) == {"AC320"} and len(found) == len(LINEAR)
    first = found[0]
    assert first.effect is Effect.WRONG_OUTPUT and first.message.params["count"] == 4
    assert {evidence.kind for evidence in first.evidence} == {EvidenceKind.HEADER, EvidenceKind.CONFIG}
    assert "F8_E4M3" in first.evidence[0].detail


def test_nothing_is_quantized() -> None:
    assert codes(audited(DYNAMIC, layers_of("BF16"))) == ["AC321"]


def test_an_ignored_module_is_quantized() -> None:
    config = {**DYNAMIC, "ignore": ["lm_head", *(f"model.layers.{n}.self_attn.q_proj" for n in (1, 2))]}
    (found,) = audited(config, SCALED)
    assert found.code == "AC322" and found.subject == f"{Q}.weight" and found.message.params["count"] == 2


def test_quantized_weights_without_a_declaration() -> None:
    assert set(codes(audited(None, layers_of("F8_E4M3")))) == {"AC323"}


def test_a_covered_weight_is_float() -> None:
    tensors = swapped(SCALED, group(f"{Q}.weight", "BF16", (256, 256), range(4)))
    found = {finding.code: finding for finding in audited(DYNAMIC, tensors)}
    assert set(found) == {"AC324", "AC326"}
    assert found["AC324"].message.params["count"] == 4 and found["AC326"].subject == f"{Q}.weight_scale"


def test_formats_that_leave_modules_out_by_themselves_are_judged_by_the_other_layers() -> None:
    config = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    scale = {"weight_scale_inv": ("F32", lambda r, c: (-(-r // 128), -(-c // 128)))}
    tensors = without(layers_of("F8_E4M3", scale, [0, 1, 2]), "model.layers.*.input_layernorm.weight")
    router = group("model.layers.*.mlp.gate.weight", "BF16", (16, 256), range(4))
    assert codes(audited(config, [*tensors, *layers_of("BF16", None, [3]), router])) == ["AC324"] * len(LINEAR)


@pytest.mark.parametrize("problem", [None, Severity.BLOCKER, Severity.INFO])
def test_a_missing_scale_is_counted_by_layer_unless_shards_are_missing(problem: Severity | None) -> None:
    tensors = swapped(SCALED, group(f"{Q}.weight_scale", "BF16", (256, 1), [0, 2, 3]))
    checkpoint = facts({**DENSE, "quantization_config": DYNAMIC}, [*tensors, *outside()])
    found = classify(_damaged(checkpoint, problem) if problem else checkpoint).findings
    if problem is Severity.BLOCKER:
        assert found == ()
    else:
        assert codes(found) == ["AC325"]
        assert (found[0].message.params["absent"], found[0].message.params["companion"]) == (1, "weight_scale")


def _damaged(checkpoint: CheckpointFacts, severity: Severity) -> CheckpointFacts:
    """With a missing shard, or with something harmless that hides no tensor."""
    place = (Evidence(EvidenceKind.HEADER, "x.safetensors"),)
    message = Message("AC105.missing" if severity is Severity.BLOCKER else "AC106.copy")
    damage = Finding(message.id[:5], severity, Effect.FAILS_AT_STARTUP, Basis.SOURCE, "x", message, place)
    return replace(checkpoint, problems=(damage,))


def test_experts_without_a_scale_are_counted_one_by_one() -> None:
    name = "model.layers.*.mlp.experts.*.up_proj"
    experts = [
        group(f"{name}.weight", "F8_E4M3", (64, 256), range(4), per_layer=8),
        group(f"{name}.weight_scale", "BF16", (64, 1), range(3), per_layer=8),
        group(f"{name}.weight_scale", "BF16", (64, 1), [3], per_layer=5),
    ]
    config = {**DENSE, "num_experts": 8, "quantization_config": DYNAMIC}
    (found,) = classify(facts(config, [*SCALED, *experts, *outside()])).findings
    assert found.code == "AC325" and (found.message.params["absent"], found.message.params["count"]) == (3, 32)


def test_static_activations_need_an_input_scale() -> None:
    config = ct(CHANNEL8, {**TOKEN8, "strategy": "tensor", "dynamic": False})
    found = audited(config, SCALED)
    assert {(f.code, f.message.params["companion"]) for f in found} == {("AC325", "input_scale")}


def test_asymmetric_weights_need_zero_points() -> None:
    scale = {"weight_scale": ("BF16", per(32))}
    tensors = layers_of("I32", scale, parameter="weight_packed", pack=8)
    found = audited(ct({**GROUP4, "symmetric": False}), tensors)
    assert {f.message.params["companion"] for f in found} == {"weight_zero_point"}


def test_group_size_and_scale_shape_disagree() -> None:
    tensors = layers_of("I32", {"weight_scale": ("BF16", per(64))}, parameter="weight_packed", pack=8)
    found = audited(ct(GROUP4), tensors)
    assert set(codes(found)) == {"AC328"}
    first = next(f for f in found if f.subject == f"{Q}.weight_packed")
    assert (first.message.params["shape"], first.message.params["expected"]) == ("256 x 4", 2048)


def test_cache_scales_without_a_cache_declaration() -> None:
    scale = group("model.layers.*.self_attn.k_proj.output_scale", "F32", (1,), range(4))
    assert codes(audited(DYNAMIC, [*SCALED, scale])) == ["AC329"]
    declared = {**DYNAMIC, "kv_cache_scheme": {"num_bits": 8, "type": "float", "strategy": "tensor"}}
    assert codes(audited(declared, [*SCALED, scale])) == []


def test_a_layer_that_nothing_targets() -> None:
    config = {**DYNAMIC, "config_groups": {"a": {"targets": ["re:.*self_attn.*"], "weights": CHANNEL8}}}
    found = audited(config, SCALED)
    assert codes(found) == ["AC330"] * 3 and all(".mlp." in f.subject for f in found)


def _description(kind: str = "W8A8_DYNAMIC") -> dict[str, str]:
    names = {f"model.layers.{n}.{name}.weight": kind for n in range(4) for name in LINEAR}
    return {"model_quant_type": kind, **names, "lm_head.weight": "FLOAT", "model.embed_tokens.weight": "FLOAT"}


INT8 = layers_of("I8", {"weight_scale": ("BF16", rows), "weight_offset": ("BF16", rows)})


def test_a_modelslim_checkpoint_that_keeps_its_word() -> None:
    assert audited(None, INT8, description=_description()) == ()


def test_modelslim_description_and_tensors_disagree() -> None:
    described = {**_description(), "model.layers.0.mlp.up_proj.weight": "FLOAT"}
    del described["model.layers.1.mlp.up_proj.weight"]
    tensors = swapped(INT8, group(f"{Q}.weight", "BF16", (256, 256), range(4)))
    found = {finding.code: finding for finding in audited(None, tensors, description=described)}
    assert set(found) == {"AC322", "AC324", "AC326", "AC330"}
    assert found["AC322"].message.params["count"] == found["AC330"].message.params["count"] == 1


def test_static_modelslim_layers_need_an_input_scale() -> None:
    found = audited(None, INT8, description=_description("W8A8"))
    assert {(f.code, f.message.params["companion"]) for f in found} == {("AC325", "input_scale")}


def test_config_wins_over_a_description_of_another_quantization() -> None:
    config = {**DENSE, "quantization_config": DYNAMIC}
    profile = classify(facts(config, [*SCALED, *outside()], description=_description()))
    assert profile.quantization.method == "compressed-tensors" and codes(profile.findings) == ["AC332"]


def test_float_draft_layers_in_a_quantized_checkpoint_are_worth_knowing() -> None:
    draft = [group(f"mtp.layers.*.{name}.weight", "BF16", shape, [0]) for name, shape in LINEAR.items()]
    config = {**DENSE, "num_nextn_predict_layers": 1, "quantization_config": {**DYNAMIC, "ignore": ["re:mtp.*"]}}
    (found,) = classify(facts(config, [*SCALED, *draft, *outside()])).findings
    assert found.code == "AC327" and found.severity is Severity.INFO


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"num_hidden_layers": 6}, "AC213"),
        ({"vocab_size": 2000}, "AC212"),
        ({"hidden_size": 512}, "AC212"),
        ({"num_nextn_predict_layers": 1}, "AC214"),
    ],
)
def test_sizes_that_tensors_contradict(change: dict[str, int], code: str) -> None:
    assert code in codes(classify(facts({**DENSE, **change}, [*layers_of("BF16"), *outside()])).findings)


def test_a_missing_head_is_found_unless_it_is_tied() -> None:
    tensors = [*layers_of("BF16"), *outside()[:2]]
    assert codes(classify(facts(DENSE, tensors)).findings) == ["AC217"]
    assert codes(classify(facts({**DENSE, "tie_word_embeddings": True}, tensors)).findings) == []


def test_experts_that_tensors_contradict() -> None:
    experts = group("model.layers.*.mlp.experts.*.up_proj.weight", "BF16", (64, 256), [1, 2, 3], per_layer=8)
    config = {**DENSE, "num_experts": 16, "moe_intermediate_size": 64, "first_k_dense_replace": 2}
    profile = classify(facts(config, [*layers_of("BF16"), experts, *outside()]))
    assert codes(profile.findings) == ["AC211", "AC216"]
    assert profile.moe is not None and (profile.moe.routed, profile.moe.layers) == (8, (1, 2, 3))


def test_undeclared_draft_layers_are_mentioned() -> None:
    draft = group("model.layers.*.eh_proj.weight", "BF16", (256, 512), [4])
    profile = classify(facts(DENSE, [*layers_of("BF16"), draft, *outside()]))
    assert codes(profile.findings) == ["AC215"]
    assert profile.mtp is not None and profile.mtp.layers == (4,)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_finding_can_be_said(language: str) -> None:
    config = {**DENSE, "num_hidden_layers": 6, "vocab_size": 2000, "num_nextn_predict_layers": 1}
    declared = ct({**CHANNEL8, "type": "int", "num_bits": 4})
    for checkpoint in (
        facts({**config, "quantization_config": declared}, [*SCALED, *outside()], description=_description()),
        facts(DENSE, [*layers_of("F8_E4M3"), *outside()]),
        facts({**DENSE, "quantization_config": ct(GROUP4)}, [*layers_of("I32", pack=8), *outside()]),
    ):
        for finding in classify(checkpoint).findings:
            assert fields(templates(language)[finding.message.id]) <= set(finding.message.params)
            assert "{" not in render(finding.message.id, finding.message.params, language)
