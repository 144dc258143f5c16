"""For the known defects that hang on how a server is launched: a question each answers and one it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from defect_cases import HYBRID, LINEAR, PIPELINE, SLIM, Ask, additional, environment, flags, mtp

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.modules import Leaf

ENCODER = Ask(release="0.10.2rc1", vllm="0.10.2", attention=("encoder-only",))
POOLING = Ask(release="0.14.0rc1", vllm="0.14.1", launch=flags(runner="pooling"))
GRAPHS = mtp(flags={"--compilation-config": '{"cudagraph_mode": "FULL_DECODE_ONLY"}'})
SPECULATION = Ask(release="0.13.0rc1", vllm="0.13.0", launch=GRAPHS)
SPLIT = "vllm.model_executor.layers.linear:ColumnParallelLinear"
LORA = flags(enable_lora="", max_lora_rank="64")
NARROW = Ask(
    release="0.23.0",
    tensors=(TensorGroup("model.layers.*.in_proj_b.weight", "BF16", (128, 64), 1, 8192, (0,)),),
    leaves=(Leaf("model.layers.*.in_proj_b", SPLIT, (LINEAR,), "x.py:1", False, ()),),
    layout=(4, 1, 1, False), launch=LORA,
)  # fmt: skip
STATIC = SLIM.but(release="0.11.0rc1", vllm="0.11.0", declared="W8A8", linear="W8A8", launch=flags(enable_lora=""))
SEQUENCE = environment(VLLM_ASCEND_ENABLE_FLASHCOMM1="1")
VISION = Ask(
    release="0.12.0rc1", architecture="Qwen3VLForConditionalGeneration", config={"vision_config": {"depth": 2}},
    layout=(2, 1, 1, False), launch=SEQUENCE,
)  # fmt: skip
OMNI = VISION.but(release="0.13.0", config={"thinker_config": {"a": 1}})
DEEPSEEK = Ask(
    release="0.9.2rc1", vllm="0.9.2", model_type="deepseek_v3", attention=("mla",), heads=128, layout=(16, 1, 1, False),
)  # fmt: skip
FIRST = DEEPSEEK.but(release="0.9.1rc1", vllm="0.9.1")  # takes the V1 engine where it is asked for
V1 = {"VLLM_USE_V1": "1"}
TORCHAIR_GRAPHS = additional(torchair_graph_config={"enabled": True})
WHISPER = Ask(
    release="0.10.0rc1", vllm="0.10.0", architecture="WhisperForConditionalGeneration", model_type="whisper",
    config={"is_encoder_decoder": True},
)  # fmt: skip
EMBEDS = Ask(release="0.11.0rc1", vllm="0.11.0", launch=flags(enable_prompt_embeds=""))
VL_DRAFT = Ask(
    release="0.18.0rc1", experts=256, layout=(4, 1, 1, True), config={"vision_config": {"depth": 2}},
    launch=mtp(environment={"VLLM_ASCEND_ENABLE_FLASHCOMM1": "1"}),
)  # fmt: skip
SHARED = "VLLM_ASCEND_ENABLE_FLASHCOMM2_OSHARED"
SHARED_OUTPUT = Ask(release="0.13.0rc1", attention=("mla",), launch=environment(**{SHARED: "1"}))
EAGLE = Ask(release="0.10.0rc1", launch=LaunchProfile(speculative={"method": "eagle3"}))

CASES: dict[str, tuple[Ask, Ask]] = {
    "flashcomm-vl-moe-draft": (VL_DRAFT, VL_DRAFT.but(release="0.18.0")),
    "flashcomm2-shared-output-size": (
        SHARED_OUTPUT,
        SHARED_OUTPUT.but(launch=environment(**{SHARED: "1", "VLLM_ASCEND_FLASHCOMM2_PARALLEL_SIZE": "1"})),
    ),
    "flashcomm2-shared-output": (SHARED_OUTPUT, SHARED_OUTPUT.but(release="0.13.0rc2")),
    "eagle3-with-graphs": (EAGLE, EAGLE.but(launch=replace(EAGLE.launch, enforce_eager=True))),
    "prompt-embeds-not-read": (EMBEDS, EMBEDS.but(release="0.12.0rc1", vllm="0.12.0")),
    "v0-only-option": (EMBEDS.but(release="0.10.2rc1", vllm="0.10.2"), EMBEDS),
    "encoder-decoder-on-cuda-runner": (
        Ask(release="0.9.2rc1", vllm="0.9.2", model_type="mllama"),
        Ask(release="0.9.2rc1", vllm="0.9.2", config={"is_encoder_decoder": False}),
    ),
    "v0-only-class": (WHISPER, WHISPER.but(release="0.10.2rc1", vllm="0.10.2")),
    "cross-attention-refused": (WHISPER.but(release="0.13.0rc1", vllm="0.13.0"), WHISPER.but(release="0.13.0rc2")),
    "flashcomm-vl-by-name": (VISION, VISION.but(launch=environment(VLLM_ASCEND_ENABLE_FLASHCOMM1="0"))),
    "flashcomm-vl-by-config": (VISION.but(release="0.13.0rc1"), VISION.but(release="0.13.0rc2")),
    "flashcomm-omni": (OMNI, VISION.but(release="0.13.0")),
    "aclgraph-deepseek": (DEEPSEEK, DEEPSEEK.but(launch=TORCHAIR_GRAPHS)),
    "torchair-mla-heads": (
        DEEPSEEK.but(heads=16, layout=(1, 1, 1, False), launch=TORCHAIR_GRAPHS),
        DEEPSEEK.but(layout=(4, 1, 1, False), launch=TORCHAIR_GRAPHS),
    ),
    "torchair-without-v1": (
        FIRST.but(launch=TORCHAIR_GRAPHS),
        FIRST.but(launch=replace(TORCHAIR_GRAPHS, environment=V1)),
    ),
    "encoder-attention-refused": (ENCODER, ENCODER.but(release="0.11.0rc1", vllm="0.11.0")),
    "pooling-prefix-caching": (
        POOLING,
        POOLING.but(launch=replace(POOLING.launch, enable_prefix_caching=False)),
    ),
    "full-graphs-with-speculation": (SPECULATION, SPECULATION.but(launch=replace(GRAPHS, enforce_eager=True))),
    "lora-narrow-output": (NARROW, NARROW.but(launch=flags(enable_lora="", max_lora_rank="32"))),
    "lora-recurrent-layers": (
        HYBRID.but(release="0.23.0", layout=PIPELINE, launch=flags(enable_lora="")),
        HYBRID.but(release="0.23.0", launch=flags(enable_lora="")),
    ),
    "lora-norm-quant-fusion": (STATIC, STATIC.but(release="0.12.0rc1", vllm="0.12.0")),
    "pp-with-graphs": (
        Ask(release="0.9.2rc1", vllm="0.9.2", layout=PIPELINE),
        Ask(release="0.9.2rc1", vllm="0.9.2", layout=PIPELINE, launch=LaunchProfile(enforce_eager=True)),
    ),
    "310p-speculation-with-graphs": (
        Ask(release="0.21.0rc1", vllm="0.21.0", soc="310P", launch=mtp()),
        Ask(release="0.21.0rc1", vllm="0.21.0", soc="310P", launch=mtp(enforce_eager=True)),
    ),
}

_OPEN = [
    ("flashcomm-vl-moe-draft", VL_DRAFT.but(soc="A3")),
    ("flashcomm-vl-moe-draft", VL_DRAFT.but(config={})),
    ("flashcomm-vl-moe-draft", VL_DRAFT.but(launch=mtp())),
    ("flashcomm2-shared-output-size", SHARED_OUTPUT.but(launch=LaunchProfile())),
    ("prompt-embeds-not-read", EMBEDS.but(launch=LaunchProfile())),
    ("v0-only-option", EMBEDS.but(launch=environment(VLLM_USE_V1="1"))),
    ("v0-only-option", EMBEDS.but(release="0.12.0rc1", vllm="0.12.0", launch=environment(VLLM_USE_V1="0"))),
    ("encoder-decoder-on-cuda-runner", WHISPER),
    ("v0-only-class", WHISPER.but(architecture="Qwen3ForCausalLM")),
    ("cross-attention-refused", Ask(release="0.13.0rc1")),
    ("flashcomm-vl-by-name", VISION.but(release="0.11.0rc1")),
    ("flashcomm-vl-by-name", VISION.but(architecture="LlavaForConditionalGeneration")),
    ("flashcomm-vl-by-config", VISION.but(release="0.18.0")),
    ("aclgraph-deepseek", DEEPSEEK.but(release="0.11.0rc0", vllm="0.10.2")),
    ("aclgraph-deepseek", FIRST),
    ("aclgraph-deepseek", DEEPSEEK.but(launch=LaunchProfile(enforce_eager=True))),
    ("aclgraph-deepseek", DEEPSEEK.but(launch=environment(VLLM_USE_V1="0"))),
    ("torchair-mla-heads", FIRST.but(launch=replace(TORCHAIR_GRAPHS, environment=V1), release="0.9.1")),
    ("torchair-without-v1", DEEPSEEK.but(launch=TORCHAIR_GRAPHS)),
]
#: Questions beside a refused one that the entry leaves alone as well: the next release, another way to launch.
BESIDE = [pytest.param(name, ask, id=f"{name}-{number}") for number, (name, ask) in enumerate(_OPEN)]
