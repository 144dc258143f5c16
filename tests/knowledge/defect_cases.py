"""Small profiles and, for each known defect, a question it answers and one it does not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message
from ascend_compat.core.plan import Layout
from ascend_compat.core.profile import (
    AttentionGroup,
    AttentionKind,
    ModelProfile,
    MoeProfile,
    MtpProfile,
    QuantGroup,
    QuantProfile,
    VisionProfile,
)
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.condition_facts import Facts
from ascend_compat.knowledge.layers import Bucket, Leaf, ModuleTree
from ascend_compat.knowledge.matched import GroupOutcome, Match
from ascend_compat.knowledge.outcomes import LayerOutcome, Startup

LINEAR = "vllm.model_executor.layers.linear:LinearBase"
MOE = "vllm.model_executor.layers.fused_moe.layer:FusedMoE"


@dataclass(frozen=True)
class Ask:
    """One question; the default is a dense float model with plain attention on A2, 0.18.0, TP1."""

    release: str = "0.18.0"
    vllm: str = "0.18.0"
    soc: str = "A2"
    architecture: str = "TinyForCausalLM"
    model_type: str = "tiny"
    attention: tuple[str, ...] = ("gqa",)
    head_dim: int | None = 128
    heads: int | None = 64
    experts: int | None = None
    width: int = 64
    method: str | None = None
    declared: str = "W8A8_DYNAMIC"
    kv_cache: str | None = None
    quantized: tuple[str, ...] = ()
    tower: bool = False
    float_mtp: bool = False
    linear: str | None = None
    moe: str | None = None
    layout: tuple[int, int, int, bool] | None = (1, 1, 1, False)
    launch: LaunchProfile = field(default_factory=LaunchProfile)
    config: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] | None = None
    description: dict[str, Any] | None = None
    files: tuple[str, ...] = ("config.json",)
    pack: dict[str, Any] = field(default_factory=dict)
    tensors: tuple[TensorGroup, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    classes: tuple[str, ...] = ()
    rotated: int | None = None
    rope: tuple[tuple[str, str], ...] = ()

    def facts(self) -> Facts:
        """The facts of the question."""
        tree = ModuleTree({}, "")
        tree.leaves.update({leaf.path: [leaf] for leaf in self.leaves})
        tree.opened.update(self.classes)
        startup = Startup("ascend" if self.method == "modelslim" else self.method)
        asked = (("o_proj", LINEAR, self.linear), ("experts", MOE, self.moe))
        groups = [_group(name, cls, scheme) for name, cls, scheme in asked if scheme]
        layout = Layout(self.layout[0] * self.layout[1] * self.layout[2], 1, *self.layout) if self.layout else None
        return Facts(
            self.pack,
            self._checkpoint(),
            self._profile(),
            Match(tree, startup, groups),
            Target(self.release, self.vllm, Soc(self.soc, 1, 8, self.soc), "digest", "8.5.1"),
            self.launch,
            layout,
        )

    def _checkpoint(self) -> CheckpointFacts:
        given = {"quant_description": self.description, "tokenizer_config": self.tokenizer}
        return CheckpointFacts("m", "local", None, self.config, self.files, self.tensors, True, **given)

    def _profile(self) -> ModelProfile:
        quantized = QuantGroup((), self.declared, None, None, "I8", self.quantized, len(self.quantized))
        attention = tuple(
            AttentionGroup(AttentionKind(kind), (n,), self.heads, 8, self.head_dim)
            for n, kind in enumerate(self.attention)
        )
        moe = MoeProfile(self.experts, 0, 8, 64, None, (0,), ()) if self.experts else None
        note = Finding(
            "AC327", Severity.INFO, Effect.NONE, Basis.SOURCE, "mtp", Message("AC327"),
            (Evidence(EvidenceKind.HEADER, "x"),),
        )  # fmt: skip
        return ModelProfile(
            self.architecture, self.model_type, "", "bfloat16", self.width, 1, 100, 64, 4096, False,
            attention,
            moe,
            MtpProfile(1, (1,), "mtp.layers.*", 3, 10) if self.float_mtp else None,
            QuantProfile(self.method, None, (quantized,) if self.method else (), (), self.kv_cache),
            (VisionProfile("vision", "model.visual", 2, 8, 2, 10, "BF16"),) if self.tower else (),
            rope=self.rope,
            rotary_dim=self.rotated,
            findings=(note,) if self.float_mtp else (),
        )  # fmt: skip

    def but(self, **changes: Any) -> Ask:
        """The same question with some of it changed."""
        return replace(self, **changes)


def _group(module: str, cls: str, scheme: str) -> GroupOutcome:
    leaf = Leaf(f"model.layers.*.{module}", cls, (cls,), "x.py:1", True, ())
    return GroupOutcome(Bucket(leaf, (0,)), (0,), module, LayerOutcome(scheme=f"Ascend{scheme}"), scheme)


def flags(**given: str) -> LaunchProfile:
    """A launch with other flags (``block_size="2048"``)."""
    return LaunchProfile(flags={f"--{name.replace('_', '-')}": value for name, value in given.items()})


def mtp(tokens: int | None = 1, **options: Any) -> LaunchProfile:
    """A launch that speculates with the model's own MTP layers."""
    asked = {"method": "mtp", **({"num_speculative_tokens": tokens} if tokens else {})}
    return LaunchProfile(speculative=asked, **options)


def additional(**config: Any) -> LaunchProfile:
    """A launch with an additional config."""
    return LaunchProfile(additional_config=config)


def environment(**variables: str) -> LaunchProfile:
    """A launch with variables set."""
    return LaunchProfile(environment=variables)


SLIM = Ask(method="modelslim", quantized=("model.layers.*.mlp.down_proj",))
TOWER = SLIM.but(tower=True, quantized=("model.visual.blocks.*.mlp.fc1",))
HYBRID = Ask(attention=("gqa", "gdn"), model_type="qwen3_5")
QWEN35 = HYBRID.but(release="0.23.0", config={"text_config": {"mtp_num_hidden_layers": 1}}, launch=mtp(None))
MXFP = SLIM.but(release="0.23.0", experts=160, declared="W4A4_MXFP4")
W8A8SC = SLIM.but(soc="310P", declared="W8A8SC", linear="W8A8SC")
V4 = SLIM.but(model_type="deepseek_v4")
EP = (8, 1, 1, True)
PIPELINE = (4, 1, 2, False)
MLA = SLIM.but(attention=("mla",), quantized=("model.layers.*.self_attn.kv_b_proj",))
MINIMAX = Ask(architecture="MiniMaxM2ForCausalLM", experts=256, layout=EP)
WIDE = Ask(
    release="0.23.0", soc="A3", experts=8, moe="W8A8_DYNAMIC", layout=EP, launch=additional(enable_fused_mc2=1),
    pack={"additional_config": {"enable_fused_mc2": {}}, "environment": {"VLLM_ASCEND_ENABLE_FUSED_MC2": {}}},
)  # fmt: skip
DSA_C8 = Ask(
    release="0.23.0", soc="A5", attention=("dsa",),
    launch=LaunchProfile(flags={"--decode-context-parallel-size": "8"}, additional_config={"enable_sparse_c8": True}),
)  # fmt: skip
TORCHAIR = Ask(
    release="0.11.0rc0", experts=128, launch=additional(torchair_graph_config={"enabled": True}),
    pack={"additional_config": {"torchair_graph_config": {}}},
)  # fmt: skip
W4 = Ask(
    release="0.19.1rc1", method="modelslim", declared="W4A8_DYNAMIC", linear="W4A8_DYNAMIC",
    description={"group_size": 256},
)  # fmt: skip
NZ = environment(VLLM_ASCEND_ENABLE_NZ="2")
GATE = Ask(
    release="0.22.1rc1",
    pack={"environment": {"VLLM_ASCEND_ENABLE_NZ": {}}},
    tensors=(TensorGroup("model.layers.*.shared_expert_gate.weight", "BF16", (1, 64), 1, 128, (0,)),),
    leaves=(Leaf("model.layers.*.shared_expert_gate", LINEAR, (LINEAR,), "x.py:1", False, ()),),
)

#: Defect id: a question it answers, and one like it that it does not.
CASES: dict[str, tuple[Ask, Ask]] = {
    "mla-quantized-kv-b-proj": (MLA, MLA.but(quantized=SLIM.quantized)),
    "hybrid-mla-block-size": (
        Ask(release="0.13.0rc1", attention=("kda", "mla")),
        Ask(release="0.13.0rc1", attention=("gdn", "gqa")),
    ),
    "shared-indexers": (
        Ask(release="0.22.1rc1", attention=("dsa",), config={"indexer_types": ["full", "shared"]}),
        Ask(release="0.22.1rc1", attention=("dsa",), config={"indexer_types": ["full", "full"]}),
    ),
    "encoder-attention-varlen": (
        Ask(release="0.20.2rc1", attention=("encoder-only",)),
        Ask(release="0.18.0", attention=("encoder-only",)),
    ),
    "dcp-query-head-count": (
        Ask(release="0.23.0", heads=96, layout=(16, 1, 1, False), launch=flags(decode_context_parallel_size="2")),
        Ask(release="0.23.0", heads=64, layout=(16, 1, 1, False), launch=flags(decode_context_parallel_size="2")),
    ),
    "a5-dcp-sparse-c8": (DSA_C8, DSA_C8.but(soc="A3")),
    "pcp-with-dp": (
        Ask(release="0.23.0", layout=(4, 2, 1, False), launch=flags(prefill_context_parallel_size="2")),
        Ask(release="0.23.0", layout=(8, 1, 1, False), launch=flags(prefill_context_parallel_size="2")),
    ),
    "hybrid-large-block-size": (HYBRID.but(launch=flags(block_size="2048")), Ask(launch=flags(block_size="2048"))),
    "xlite-combinations": (
        Ask(launch=mtp(additional_config={"xlite_graph_config": {"enabled": True}})),
        Ask(launch=mtp(additional_config={"xlite_graph_config": {"enabled": False}})),
    ),
    "hybrid-xlite-graph": (
        HYBRID.but(launch=additional(xlite_graph_config={"enabled": True})),
        HYBRID.but(launch=additional(xlite_graph_config={"enabled": False})),
    ),
    "hybrid-mtp-graph-streams": (
        HYBRID.but(release="0.18.0rc1", soc="A3", launch=mtp(2)),
        HYBRID.but(release="0.18.0rc1", soc="A3", launch=mtp(2, enforce_eager=True)),
    ),
    "qwen3-next-cache-kernel": (
        Ask(release="0.10.2rc1", model_type="qwen3_next"),
        Ask(release="0.11.0", model_type="qwen3_next"),
    ),
    "qwen3-5-triton-ub-overflow": (
        Ask("0.17.0rc1", model_type="qwen3_5_moe", layout=EP, config={"text_config": {"hidden_size": 2048}}).but(
            layout=(4, 1, 1, True)
        ),
        Ask(
            "0.17.0rc1", model_type="qwen3_5_moe", config={"text_config": {"hidden_size": 3072}}, layout=(4, 1, 1, True)
        ),
    ),
    "mxfp-moe-off-a5": (MXFP.but(moe="W4A4_MXFP4"), MXFP.but(moe="W8A8_DYNAMIC")),
    "mxfp4-linear-off-a5": (
        MXFP.but(linear="W4A4_MXFP4"),
        MXFP.but(linear="W4A4_MXFP4", soc="A5"),
    ),
    "a5-int8-moe-keyword": (
        SLIM.but(release="0.23.0", soc="A5", experts=160, moe="W8A8_DYNAMIC"),
        SLIM.but(release="0.18.0", soc="A5", experts=160, moe="W8A8_DYNAMIC"),
    ),
    "moe-double-reduce-minimax-m2": (MINIMAX.but(release="0.14.0rc1"), MINIMAX.but(release="0.18.0")),
    "moe-double-reduce-others": (
        MINIMAX.but(architecture="Dots1ForCausalLM"),
        MINIMAX.but(architecture="Dots1ForCausalLM", layout=(8, 1, 1, False)),
    ),
    "minimax-m2-late-reduce": (MINIMAX.but(release="0.21.0rc1"), MINIMAX.but(release="0.23.0")),
    "moe-gating-128-experts": (Ask(release="0.12.0rc1", experts=128), Ask(release="0.12.0rc1", experts=256)),
    "nz-single-line": (GATE.but(launch=NZ), GATE.but(launch=environment(VLLM_ASCEND_ENABLE_NZ="1"))),
    "w4a8-group-in-nz": (W4, W4.but(launch=environment(VLLM_ASCEND_ENABLE_NZ="0"))),
    "310p-nz-single-line": (GATE.but(soc="310P"), GATE.but(soc="310P", release="0.23.0")),
    "fused-mc2-not-on-a2": (
        Ask(launch=environment(VLLM_ASCEND_ENABLE_FUSED_MC2="1")),
        Ask(launch=environment(VLLM_ASCEND_ENABLE_FUSED_MC2="0")),
    ),
    "fused-mc2-wide-int8-experts": (WIDE, WIDE.but(width=128)),
    "fused-mc2-wide-int8-experts-or-megamoe": (WIDE.but(release="0.26.0rc1"), WIDE.but(release="0.26.0rc1", width=128)),
    "fused-mc2-int4-half-the-rows": (
        WIDE.but(moe="W4A8_DYNAMIC"),
        WIDE.but(moe="W4A8_DYNAMIC", launch=additional(enable_fused_mc2=0)),
    ),
    "fused-mc2-graphs-beside-an-encoder": (
        WIDE.but(release="0.22.1rc1", tower=True),
        WIDE.but(release="0.22.1rc1", tower=True, launch=replace(WIDE.launch, kv_cache_memory_bytes=4 << 30)),
    ),
    "torchair-models": (TORCHAIR, TORCHAIR.but(model_type="deepseek_v3")),
    "qwen3-5-mtp-tokens": (QWEN35, QWEN35.but(launch=mtp(1))),
    "pp-with-mtp-draft": (Ask(layout=PIPELINE, launch=mtp()), Ask(launch=mtp())),
    "pp-with-mtp-prefill-only": (
        Ask(release="0.23.0", layout=PIPELINE, launch=mtp()),
        Ask(release="0.23.0", layout=PIPELINE, launch=mtp(flags={"--kv-transfer-config": "{}"})),
    ),
    "glm5-w4a8-float-mtp": (
        SLIM.but(release="0.20.2rc1", model_type="glm_moe_dsa", float_mtp=True, declared="W4A8_DYNAMIC", launch=mtp()),
        SLIM.but(release="0.20.2rc1", model_type="glm_moe_dsa", float_mtp=True, declared="W4A8_DYNAMIC"),
    ),
    "a5-before-its-device-type": (
        Ask(soc="A5", release="0.11.0", vllm="0.11.0"),
        Ask(soc="A5", release="0.12.0rc1", vllm="0.12.0"),
    ),
    "310p-w8a8-dynamic-linear": (
        SLIM.but(soc="310P", linear="W8A8_DYNAMIC"),
        SLIM.but(soc="310P", linear="W8A8"),
    ),
    "310p-w8a8sc-sharded": (
        W8A8SC,
        W8A8SC.but(launch=flags(load_format="sharded_state")),
    ),
    "310p-quantized-tower": (TOWER.but(soc="310P"), TOWER.but(soc="310P", quantized=("model.layers.*.mlp.down_proj",))),
    "gemma4-quantized-tower": (
        TOWER.but(release="0.26.0rc1", model_type="gemma4"),
        TOWER.but(release="0.26.0rc1", model_type="qwen3_vl"),
    ),
    "c8-cache-pd-only": (
        SLIM.but(release="0.16.0rc1", kv_cache="C8"),
        SLIM.but(release="0.16.0rc1", kv_cache="C8", launch=flags(kv_transfer_config="{}")),
    ),
    "deepseek-v4-pd-without-mtp": (
        V4.but(release="0.20.2rc1", soc="A3", launch=flags(kv_transfer_config="{}")),
        V4.but(release="0.20.2rc1", soc="A3", launch=mtp(flags={"--kv-transfer-config": "{}"})),
    ),
    "deepseek-v4-a2-0.23": (V4.but(release="0.23.0"), V4.but(release="0.23.0.post1")),
    "deepseek-v4-a5-pipeline": (
        V4.but(release="0.20.2rc1", soc="A5", layout=PIPELINE),
        V4.but(release="0.20.2rc1", soc="A5"),
    ),
    "launch-blocking-with-graphs": (
        Ask(launch=environment(ASCEND_LAUNCH_BLOCKING="1")),
        Ask(launch=LaunchProfile(environment={"ASCEND_LAUNCH_BLOCKING": "1"}, enforce_eager=True)),
    ),
    "missing-remote-code": (
        Ask(config={"auto_map": {"AutoConfig": "configuration_tiny.TinyConfig"}}, launch=flags(trust_remote_code="")),
        Ask(
            config={"auto_map": {"AutoConfig": "configuration_tiny.TinyConfig"}}, launch=flags(trust_remote_code=""),
            files=("config.json", "configuration_tiny.py"),
        ),
    ),
    "tokenizer-of-transformers-5": (
        Ask(tokenizer={"tokenizer_class": "TokenizersBackend"}),
        Ask(tokenizer={"tokenizer_class": "TokenizersBackend"}, release="0.19.1rc1"),
    ),
}  # fmt: skip
