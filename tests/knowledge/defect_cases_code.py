"""For the known defects in a call of a model's code or an operator: a question each answers and one it does not."""

from __future__ import annotations

from defect_cases import Ask, additional, flags

from ascend_compat.core.target import LaunchProfile

GLM4 = Ask(release="0.9.2rc1", vllm="0.9.2", classes=("~glm4:Glm4Attention",), rotated=64)
CHATGLM = Ask(
    release="0.12.0rc1", vllm="0.12.0", classes=("~chatglm:GLMAttention",), rotated=128,
    config={"original_rope": True},
)  # fmt: skip
SECTIONS = Ask(
    release="0.23.0", vllm="0.23.0", classes=("~glm4:Glm4Attention",), rope=(("mrope_section", "[16, 24, 24]"),)
)
LLAMA4 = Ask(release="0.18.0", experts=16, classes=("~llama4:Llama4MoE",))
SHARING = Ask(release="0.23.0", vllm="0.23.0", config={"text_config": {"num_kv_shared_layers": 18}})
MAMBA = Ask(release="0.18.0", attention=("mamba",))
OCR = Ask(
    release="0.22.1rc1", vllm="0.22.1", architecture="DeepseekOCR2ForCausalLM",
    classes=("~deepencoder2:CustomQwen2Decoder",),
)  # fmt: skip
CHIP = Ask(release="0.9.2rc1", vllm="0.9.2", soc="310P", experts=128)
LARGE = Ask(release="0.23.0", vllm="0.23.0", head_dim=512)
POOLED = Ask(release="0.18.0", soc="310P", launch=flags(runner="pooling"))

CASES: dict[str, tuple[Ask, Ask]] = {
    "rotary-partial-interleaved": (GLM4, GLM4.but(rotated=128)),
    "mrope-pairs-as-halves": (SECTIONS, SECTIONS.but(rope=(("mrope_section", "[8, 12, 12]"),))),
    "kv-sharing-layers": (SHARING, SHARING.but(config={"text_config": {"num_kv_shared_layers": 0}})),
    "custom-routing-keyword": (LLAMA4, LLAMA4.but(classes=("~qwen3_moe:Qwen3MoeSparseMoeBlock",))),
    "pure-mamba-cache": (MAMBA, MAMBA.but(attention=("gqa", "mamba"))),
    "qwen2-encoder-attention-type": (OCR, OCR.but(release="0.18.0", vllm="0.18.0")),
    "head-512-unserved": (LARGE.but(release="0.22.1rc1"), LARGE.but(release="0.22.1rc1", head_dim=256)),
    "head-512-graphs": (LARGE, LARGE.but(launch=LaunchProfile(enforce_eager=True))),
    "fia-head-dim-256": (Ask(release="0.19.1rc1", head_dim=256), Ask(release="0.18.0", head_dim=256)),
    "fia-unusual-head-dim": (Ask(head_dim=80), Ask(head_dim=256)),
    "310p-atb-warm-up": (
        Ask(release="0.11.0rc3", vllm="0.11.0", soc="310P"),
        Ask(release="0.14.0rc1", vllm="0.14.1", soc="310P"),
    ),
    "jina-vl-weights": (
        Ask(release="0.20.2rc1", architecture="JinaVLForRanking"),
        Ask(release="0.18.0", architecture="JinaVLForRanking"),
    ),
    "310p-experts": (CHIP, CHIP.but(release="0.15.0rc1", vllm="0.15.0")),
    "310p-pooling": (POOLED, POOLED.but(release="0.22.1rc1", vllm="0.22.1")),
}
#: More questions for one entry: its name, and whether it holds.
MORE: dict[str, tuple[str, Ask, bool | None]] = {
    "half of a head in pairs by the class itself": ("rotary-partial-interleaved", CHATGLM, True),
    "half of a head in halves": ("rotary-partial-interleaved", CHATGLM.but(config={"original_rope": False}), False),
    "0.13.0 hands over the rotated size": (
        "rotary-partial-interleaved", CHATGLM.but(release="0.13.0", vllm="0.13.0"), False,
    ),
    "torchair graphs rotate natively": (
        "rotary-partial-interleaved",
        GLM4.but(launch=additional(torchair_graph_config={"enabled": True})),
        False,
    ),
    "sections go through another class": (
        "rotary-partial-interleaved", GLM4.but(rope=(("mrope_section", "[8, 12, 12]"),)), False,
    ),
    "a text model of that class has no sections": ("mrope-pairs-as-halves", SECTIONS.but(rope=()), False),
    "halves rotated as halves": ("mrope-pairs-as-halves", SECTIONS.but(classes=("~qwen2:Qwen2Attention",)), False),
    "A5 does not use the operator in 0.17": (
        "mrope-pairs-as-halves", SECTIONS.but(release="0.17.0rc1", vllm="0.17.0", soc="A5"), False,
    ),
    "0.24.0rc1 replays what it captured": ("head-512-graphs", LARGE.but(release="0.24.0rc1"), False),
    "0.23.0 calls the function as vLLM does": ("custom-routing-keyword", LLAMA4.but(release="0.23.0"), False),
    "0.9.1 does so as well": ("custom-routing-keyword", LLAMA4.but(release="0.9.1"), False),
    "a dense model of the family routes nothing": ("custom-routing-keyword", LLAMA4.but(experts=None), False),
    "not all classes are known": ("custom-routing-keyword", LLAMA4.but(classes=()), None),
    "Pangu Pro MoE is what the path was written for": (
        "310p-experts", CHIP.but(architecture="PanguProMoEForCausalLM"), False,
    ),
    "a dense model on that chip": ("310p-experts", CHIP.but(experts=None), False),
    "generation on that chip": ("310p-pooling", POOLED.but(launch=flags()), False),
}  # fmt: skip
