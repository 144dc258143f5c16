"""Pooling models whose own architecture a release does not register are served as the model they are made of."""

from __future__ import annotations

import pytest
from defect_cases import Ask, flags
from defect_cases_launch import NARROW

from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.conversion import converted, pools
from ascend_compat.knowledge.lora import asked_rank, narrow

KNOWN = {"TinyForCausalLM", "SmallForConditionalGeneration", "BertModel"}


@pytest.mark.parametrize(
    ("name", "vllm", "served"),
    [
        ("TinyForSequenceClassification", "0.14.1", "TinyForCausalLM"),
        ("TinyForSequenceClassification", "0.10.0", "TinyForCausalLM"),
        ("TinyForSequenceClassification", "0.9.1", None),
        ("TinyModel", "0.10.1", "TinyForCausalLM"),
        ("TinyModel", "0.10.0", None),
        ("SmallForSequenceClassification", "0.18.0", "SmallForConditionalGeneration"),
        ("TinyForSequenceClassification", None, "TinyForCausalLM"),
        ("BertModel", "0.18.0", None),
        ("OtherForSequenceClassification", "0.18.0", None),
        (None, "0.18.0", None),
    ],
)
def test_the_ending_is_exchanged_where_the_engine_does(name: str | None, vllm: str | None, served: str | None) -> None:
    assert converted(name, KNOWN, vllm) == served


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (Ask(launch=flags(runner="pooling")), True),
        (Ask(launch=flags(runner="generate"), config={"architectures": ["TinyModel"]}), False),
        (Ask(launch=flags(task="embed")), True),
        (Ask(config={"architectures": ["TinyForSequenceClassification"]}), True),
        (Ask(config={"architectures": ["TinyForCausalLM"]}), False),
        (Ask(config={"architectures": "odd"}), False),
        (Ask(config={"architectures": ["B"]}, pack={"architectures": {"B": {"kind": "pooling"}}}), True),
    ],
)
def test_a_model_pools_by_its_flags_or_its_architecture(ask: Ask, expected: bool) -> None:
    facts = ask.facts()
    assert pools(facts.pack, facts.checkpoint, facts.profile, facts.launch) is expected


def test_the_rank_of_adapters_is_the_asked_one_or_the_default() -> None:
    assert asked_rank(LaunchProfile()) is None
    assert asked_rank(flags(enable_lora="")) == 16
    assert asked_rank(flags(enable_lora="", max_lora_rank="8")) == 8
    assert asked_rank(flags(enable_lora="", max_lora_rank="x")) is None


def test_a_module_narrower_than_the_rank_is_named_and_without_tensors_it_is_not_known() -> None:
    facts = NARROW.facts()
    assert narrow(facts.checkpoint, facts.profile, facts.match, facts.launch, 4) == ("in_proj_b",)
    assert narrow(facts.checkpoint, facts.profile, facts.match, facts.launch, 2) == ()
    bare = NARROW.but(tensors=()).facts()
    assert narrow(bare.checkpoint, bare.profile, bare.match, bare.launch, 4) is None
    assert narrow(bare.checkpoint, bare.profile, bare.match, LaunchProfile(), 4) == ()
