"""Checkpoints and profiles of published architectures, built from their configuration sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.profile import (
    AttentionGroup,
    AttentionKind,
    ModelProfile,
    MoeProfile,
    MtpProfile,
    QuantArgs,
    QuantGroup,
    QuantProfile,
    VisionProfile,
)
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.units import tensor_bytes
from ascend_compat.memory.rules import MemoryRules, load_memory_rules
from ascend_compat.memory.soc import resolve_soc

RULES = Path(__file__).parents[2] / "rules" / "curated"


@lru_cache(maxsize=1)
def rules() -> MemoryRules:
    return load_memory_rules(RULES)


@lru_cache(maxsize=256)
def target(
    soc: str = "A2", release: str = "0.18.0rc1", vllm: str = "0.18.0", memory: float | str | None = None
) -> Target:
    return Target(release, vllm, resolve_soc(soc, memory, RULES), "digest")


def device(memory_bytes: int, npus_per_node: int = 8, device_type: str = "A2") -> Soc:
    return Soc("test", memory_bytes, npus_per_node, device_type)


@dataclass
class Builder:
    """Collects tensor groups; ``linear`` is stored in int8 with its scales when the model is quantized."""

    w8: bool = False
    groups: list[TensorGroup] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    def add(
        self, name: str, shape: Sequence[int], layers: Sequence[int] = (), per: int = 1, dtype: str = "BF16"
    ) -> None:
        count = per * max(1, len(layers))
        size = tensor_bytes(dtype, tuple(shape)) * count
        self.groups.append(TensorGroup(name, dtype, tuple(shape), count, size, tuple(layers)))

    def linear(self, name: str, shape: Sequence[int], layers: Sequence[int], per: int = 1) -> None:
        if not self.w8:
            self.add(f"{name}.weight", shape, layers, per)
            return
        self.modules.append(name)
        self.add(f"{name}.weight", shape, layers, per, "I8")
        self.add(f"{name}.weight_scale", (shape[0], 1), layers, per)
        self.add(f"{name}.weight_offset", (shape[0], 1), layers, per)

    def mlp(self, prefix: str, hidden: int, inner: int, layers: Sequence[int], per: int = 1) -> None:
        for part in ("gate_proj", "up_proj"):
            self.linear(f"{prefix}.{part}", (inner, hidden), layers, per)
        self.linear(f"{prefix}.down_proj", (hidden, inner), layers, per)

    def gqa(self, hidden: int, heads: int, kv: int, dim: int, layers: Sequence[int], bias: bool = False) -> None:
        at = "model.layers.*.self_attn"
        for name, rows in (("q_proj", heads * dim), ("k_proj", kv * dim), ("v_proj", kv * dim)):
            self.linear(f"{at}.{name}", (rows, hidden), layers)
            if bias:
                self.add(f"{at}.{name}.bias", (rows,), layers)
        self.linear(f"{at}.o_proj", (hidden, heads * dim), layers)
        for name in ("q_norm", "k_norm"):
            self.add(f"{at}.{name}.weight", (dim,), layers)

    def norms(self, hidden: int, layers: Sequence[int]) -> None:
        for name in ("input_layernorm", "post_attention_layernorm"):
            self.add(f"model.layers.*.{name}.weight", (hidden,), layers)

    def ends(self, vocab: int, hidden: int, tied: bool = False, prefix: str = "model") -> None:
        self.add(f"{prefix}.embed_tokens.weight", (vocab, hidden))
        self.add(f"{prefix}.norm.weight", (hidden,))
        if not tied:
            self.add("lm_head.weight", (vocab, hidden))

    def facts(self, config: dict[str, Any] | None = None) -> CheckpointFacts:
        return CheckpointFacts("test", "local", None, config or {}, (), tuple(self.groups), True)

    @property
    def quantization(self) -> QuantProfile:
        if not self.w8:
            return QuantProfile(None, None)
        args = QuantArgs(8, "int", "channel", False, True)
        tokens = QuantArgs(8, "int", "token", True, True)
        group = QuantGroup(("Linear",), "W8A8_DYNAMIC", args, tokens, "I8", tuple(self.modules), len(self.modules))
        return QuantProfile("modelslim", None, (group,))


Model = tuple[CheckpointFacts, ModelProfile]


def profile(builder: Builder, **sizes: Any) -> ModelProfile:
    """A profile with the usual fields unset."""
    known: dict[str, Any] = {
        "architecture": None, "model_type": None, "text_config_path": "", "dtype": "bfloat16",
        "intermediate_size": None, "max_positions": None, "tied_embeddings": False, "moe": None, "mtp": None,
        "quantization": builder.quantization,
    }  # fmt: skip
    return ModelProfile(**{**known, **sizes})


def glm47(w8: bool = False, mtp: bool = True) -> Model:
    """GLM-4.7: 92 layers (3 dense), 160 routed and 1 shared expert, GQA 96/8."""
    b, hidden, vocab = Builder(w8), 5120, 151552
    end = 93 if mtp else 92
    every, sparse = range(end), range(3, end)
    b.ends(vocab, hidden)
    b.norms(hidden, every)
    b.gqa(hidden, 96, 8, 128, every, bias=True)
    b.mlp("model.layers.*.mlp", hidden, 12288, range(3))
    b.mlp("model.layers.*.mlp.experts.*", hidden, 1536, sparse, per=160)
    b.mlp("model.layers.*.mlp.shared_experts", hidden, 1536, sparse)
    b.add("model.layers.*.mlp.gate.weight", (160, hidden), sparse)
    b.add("model.layers.*.mlp.gate.e_score_correction_bias", (160,), sparse, dtype="F32")
    if mtp:
        b.add("model.layers.*.eh_proj.weight", (hidden, 2 * hidden), (92,))
        for name in ("enorm", "hnorm", "shared_head.norm"):
            b.add(f"model.layers.*.{name}.weight", (hidden,), (92,))
        for name in ("embed_tokens", "shared_head.head"):
            b.add(f"model.layers.*.{name}.weight", (vocab, hidden), (92,))
    moe = MoeProfile(160, 1, 8, 1536, 1536, tuple(range(3, 92)), (0, 1, 2))
    attention = AttentionGroup(AttentionKind.GQA, tuple(range(92)), 96, 8, 128, qk_norm=True)
    draft = MtpProfile(1, (92,), "model.layers.*", 1, 1, True, True) if mtp else None
    return b.facts(), profile(
        b, model_type="glm4_moe", hidden_size=hidden, layers=92, vocab_size=vocab, intermediate_size=12288,
        max_positions=202752, attention=(attention,), moe=moe, mtp=draft, rotary_dim=64,
    )  # fmt: skip


def qwen3(hidden: int, layers: int, heads: int, kv: int, inner: int, tied: bool) -> Model:
    """A dense Qwen3."""
    b, vocab = Builder(), 151936
    every = range(layers)
    b.ends(vocab, hidden, tied)
    b.norms(hidden, every)
    b.gqa(hidden, heads, kv, 128, every)
    b.mlp("model.layers.*.mlp", hidden, inner, every)
    attention = AttentionGroup(AttentionKind.GQA, tuple(every), heads, kv, 128, qk_norm=True)
    return b.facts(), profile(
        b, model_type="qwen3", hidden_size=hidden, layers=layers, vocab_size=vocab, intermediate_size=inner,
        max_positions=40960, attention=(attention,), tied_embeddings=tied,
    )  # fmt: skip


def qwen3_moe(w8: bool = False) -> Model:
    """Qwen3-235B-A22B: 94 layers of 128 experts, GQA 64/4."""
    b, hidden, vocab, every = Builder(w8), 4096, 151936, range(94)
    b.ends(vocab, hidden)
    b.norms(hidden, every)
    b.gqa(hidden, 64, 4, 128, every)
    b.mlp("model.layers.*.mlp.experts.*", hidden, 1536, every, per=128)
    b.add("model.layers.*.mlp.gate.weight", (128, hidden), every)
    attention = AttentionGroup(AttentionKind.GQA, tuple(every), 64, 4, 128, qk_norm=True)
    return b.facts(), profile(
        b, model_type="qwen3_moe", hidden_size=hidden, layers=94, vocab_size=vocab, intermediate_size=12288,
        max_positions=40960, attention=(attention,), moe=MoeProfile(128, 0, 8, 1536, None, tuple(every), ()),
    )  # fmt: skip


def deepseek_v3(w8: bool = False) -> Model:
    """DeepSeek-V3: 61 layers of MLA (3 dense), 256 routed and 1 shared expert, one MTP layer at index 61."""
    b, hidden, vocab = Builder(w8), 7168, 129280
    every, sparse, at = range(62), range(3, 62), "model.layers.*.self_attn"
    b.ends(vocab, hidden)
    b.norms(hidden, every)
    b.linear(f"{at}.q_a_proj", (1536, hidden), every)
    b.linear(f"{at}.kv_a_proj_with_mqa", (576, hidden), every)
    b.linear(f"{at}.q_b_proj", (128 * 192, 1536), every)
    b.add(f"{at}.kv_b_proj.weight", (128 * 256, 512), every)
    b.linear(f"{at}.o_proj", (hidden, 128 * 128), every)
    b.add(f"{at}.q_a_layernorm.weight", (1536,), every)
    b.add(f"{at}.kv_a_layernorm.weight", (512,), every)
    b.mlp("model.layers.*.mlp", hidden, 18432, range(3))
    b.mlp("model.layers.*.mlp.experts.*", hidden, 2048, sparse, per=256)
    b.mlp("model.layers.*.mlp.shared_experts", hidden, 2048, sparse)
    b.add("model.layers.*.mlp.gate.weight", (256, hidden), sparse)
    b.add("model.layers.*.mlp.gate.e_score_correction_bias", (256,), sparse, dtype="F32")
    b.add("model.layers.*.eh_proj.weight", (hidden, 2 * hidden), (61,))
    for name in ("embed_tokens", "shared_head.head"):
        b.add(f"model.layers.*.{name}.weight", (vocab, hidden), (61,))
    attention = AttentionGroup(
        AttentionKind.MLA, tuple(range(61)), 128, 128, 192, 128, 512, 1536, 64, 128,
    )  # fmt: skip
    return b.facts(), profile(
        b, model_type="deepseek_v3", hidden_size=hidden, layers=61, vocab_size=vocab, intermediate_size=18432,
        max_positions=163840, attention=(attention,), rotary_dim=64,
        moe=MoeProfile(256, 1, 8, 2048, 2048, tuple(sparse[:-1]), (0, 1, 2)),
        mtp=MtpProfile(1, (61,), "model.layers.*", 1, 1, True, True),
    )  # fmt: skip


def qwen35() -> Model:
    """The text side of Qwen3.5-0.8B (18 GDN and 6 full-attention layers) with a vision tower of known bytes."""
    b, hidden, vocab, inner = Builder(), 1024, 248320, 3584
    full, linear = tuple(range(3, 24, 4)), tuple(i for i in range(24) if i % 4 != 3)
    at, gdn = "model.language_model.layers.*", "model.language_model.layers.*.linear_attn"
    b.ends(vocab, hidden, tied=True, prefix="model.language_model")
    for name in ("input_layernorm", "post_attention_layernorm"):
        b.add(f"{at}.{name}.weight", (hidden,), range(24))
    b.mlp(f"{at}.mlp", hidden, inner, range(24))
    for name, rows in (("in_proj_qkv", 6144), ("in_proj_z", 2048), ("in_proj_b", 16), ("in_proj_a", 16)):
        b.add(f"{gdn}.{name}.weight", (rows, hidden), linear)
    b.add(f"{gdn}.conv1d.weight", (6144, 1, 4), linear)
    b.add(f"{gdn}.A_log", (16,), linear, dtype="F32")
    b.add(f"{gdn}.dt_bias", (16,), linear)
    b.add(f"{gdn}.norm.weight", (128,), linear, dtype="F32")
    b.add(f"{gdn}.out_proj.weight", (hidden, 2048), linear)
    for name, rows in (("q_proj", 4096), ("k_proj", 512), ("v_proj", 512)):
        b.add(f"{at}.self_attn.{name}.weight", (rows, hidden), full)
    b.add(f"{at}.self_attn.o_proj.weight", (hidden, 2048), full)
    b.add("model.visual.merger.linear_fc1.weight", (100_500_000 // 1024, 1024))
    b.add("mtp.fc.weight", (hidden, 2 * hidden))
    groups = (
        AttentionGroup(AttentionKind.GDN, linear, 16, 16, 128, 128, conv_kernel=4, state_dtype="float32"),
        AttentionGroup(AttentionKind.GQA, full, 8, 2, 256, output_gate=True),
    )
    config = {"text_config": {"rope_parameters": {"mrope_section": [11, 11, 10]}}}
    return b.facts(config), profile(
        b, model_type="qwen3_5_text", text_config_path="text_config", hidden_size=hidden, layers=24, vocab_size=vocab,
        intermediate_size=inner, max_positions=262144, attention=groups, rotary_dim=64, tied_embeddings=True,
        mtp=MtpProfile(1, (0,), "mtp.layers.*", 1, 1),
        towers=(VisionProfile("vision", "model.visual", 12, 768, 12, 201_000_000, "BF16"),),
    )  # fmt: skip


def launch(**options: Any) -> LaunchProfile:
    return LaunchProfile(**options)


def elements(facts: CheckpointFacts) -> int:
    return sum(prod(group.shape) * group.count for group in facts.tensors)
