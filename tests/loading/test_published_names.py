"""What releases do with the tensor names of published models, with and without quantization."""

from __future__ import annotations

import os
import re

import pytest
from checkpoints import (
    BLOCKS,
    EXPERTS,
    MODELS,
    STACK,
    W8A8,
    deepseek,
    facts,
    gemma4,
    group,
    minimax_m2,
    qwen3_moe,
)

from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.loading.results import Loading, Result
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc

RULES = Rules(rules_directory(os.environ.get("ASCEND_COMPAT_RULES")))
RELEASES = ("0.18.0", "0.23.0", "0.25.1rc1")
NEWEST = "0.30.0rc2"
MAKERS = {"DeepSeek-V3": deepseek, "Qwen3-MoE": qwen3_moe, "MiniMax-M2": minimax_m2}


def run(release: str, checkpoint: CheckpointFacts) -> Judgement:
    """The judgement on an A2."""
    pack = RULES.pack(release)
    if "loaders" not in pack:
        pytest.skip(f"the pack of {release} was built before loaders were in packs")
    device = resolve_soc("A2", None, RULES.directory / "curated")
    return judge(pack, RULES, checkpoint, classify(checkpoint), device, LaunchProfile())


def loading(release: str, checkpoint: CheckpointFacts) -> Loading:
    """What the release's loader does."""
    found = run(release, checkpoint).loading
    assert found is not None
    return found


def described(checkpoint: CheckpointFacts) -> CheckpointFacts:
    """The checkpoint with ModelSlim's description: what has scales is W8A8_DYNAMIC."""
    scaled = {group.module for group in checkpoint.tensors if group.parameter == "weight_scale"}
    types = {"model_quant_type": "W8A8_DYNAMIC"}
    for tensor in checkpoint.tensors:
        for layer in tensor.layers or ("",):
            name = re.sub(r"\*", str(layer), tensor.template, count=1)
            for expert in range(EXPERTS) if "*" in name else ("",):
                types[name.replace("*", str(expert))] = "W8A8_DYNAMIC" if tensor.module in scaled else "FLOAT"
    return facts(checkpoint.config, checkpoint.tensors, types)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("model", MODELS)
def test_a_float_checkpoint_is_loaded_but_for_its_mtp_layer(release: str, model: str) -> None:
    found = loading(release, MODELS[model])
    assert {item.result for item in found.outcomes if not item.draft} == {Result.LOADED}
    assert {item.result for item in found.outcomes if item.draft} <= {Result.DROPPED}
    assert not found.partial


@pytest.mark.parametrize("release", ["0.23.0", "0.30.0rc2"])
def test_a_tensor_of_a_module_itself_goes_into_its_buffer(release: str) -> None:
    found = loading(release, gemma4())
    scalars = [item for item in found.outcomes if item.sample.name.endswith("layer_scalar")]
    assert {item.result for item in scalars} == {Result.LOADED}
    assert all(item.assumed for item in scalars)
    assert {item.result for item in found.outcomes} == {Result.LOADED}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("model", ["DeepSeek-V3", "Qwen3.5-MoE"])
def test_the_draft_model_loads_what_the_main_model_leaves(release: str, model: str) -> None:
    found = run(release, MODELS[model]).draft_loading
    assert found is not None
    assert {item.result for item in found.outcomes if item.draft} == {Result.LOADED}


def test_the_newest_release_names_its_draft_model_and_loads_it() -> None:
    """Its plugin wraps the function that names it in ``staticmethod``."""
    found = run(NEWEST, MODELS["DeepSeek-V3"])
    assert found.match.draft[0] == "DeepSeekMTPModel"
    assert found.draft_loading is not None
    assert {item.result for item in found.draft_loading.outcomes if item.draft} == {Result.LOADED}


SCALES = [
    group(f"{STACK}self_attn.{name}_proj.kv_cache_{kind}", "F32", (512,), range(2))
    for name in "kv"
    for kind in ("scale", "offset")
]


@pytest.mark.parametrize("release", ["0.25.1rc1", NEWEST])
def test_scales_of_an_eight_bit_cache_go_into_the_attention_layer(release: str) -> None:
    checkpoint = described(qwen3_moe(W8A8, SCALES))
    types = {**(checkpoint.quant_description or {}), "kv_cache_type": "C8"}
    types.update({
        f"model.layers.{layer}.self_attn.{name}_proj.kv_cache_{kind}": "C8"
        for layer in range(2) for name in "kv" for kind in ("scale", "offset")
    })  # fmt: skip
    found = loading(release, facts(checkpoint.config, checkpoint.tensors, types))
    scales = [item for item in found.outcomes if "kv_cache" in item.sample.name]
    assert len(scales) == len(SCALES)
    assert {item.result for item in scales} == {Result.LOADED}
    assert all(".attn." in name for item in scales for name in item.into)


@pytest.mark.parametrize("release", (*RELEASES, NEWEST))
@pytest.mark.parametrize("model", MAKERS)
def test_eight_bit_integers_with_a_description_are_loaded(release: str, model: str) -> None:
    found = loading(release, described(MAKERS[model](W8A8)))
    assert {item.result for item in found.outcomes if not item.draft} == {Result.LOADED}
    assert not found.partial


@pytest.mark.parametrize("release", RELEASES)
def test_scales_without_a_quantization_method_are_loud_in_one_model_and_silent_in_another(release: str) -> None:
    loud = {
        item.exception
        for item in loading(release, deepseek(W8A8)).outcomes
        if "weight_scale" in item.sample.name and not item.draft
    }
    assert loud == {"KeyError"}
    silent = [
        item
        for item in loading(release, qwen3_moe(W8A8)).outcomes
        if "_proj.weight_scale" in item.sample.name and "self_attn" in item.sample.name
    ]
    assert {item.result for item in silent} == {Result.DROPPED}
    assert not any(item.warned for item in silent)


def test_a_plugin_that_dequantizes_takes_the_scales_in() -> None:
    found = loading("0.23.0", BLOCKS["MiniMax-M2"])
    assert {item.result for item in found.outcomes} == {Result.LOADED}


@pytest.mark.parametrize("release", RELEASES)
def test_every_outcome_names_a_line(release: str) -> None:
    found = loading(release, MODELS["DeepSeek-V3"])
    assert all(item.at and re.fullmatch(r"vllm(_ascend)?/\S+\.py:\d+", item.at) for item in found.outcomes)
