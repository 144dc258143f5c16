"""How many registered architectures have a loader that can be run on stand-ins, per release.

Every architecture gets a made-up checkpoint: the names its own module tree has, fused modules taken apart, two layers,
and a configuration with the usual keys. An architecture counts as interpreted when each of those names has a fate
(loaded, passed over, refused); usage: ``python benchmarks/loader_coverage.py PACK...``.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ascend_compat.answer.judge import make_target
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.target import LaunchProfile
from ascend_compat.knowledge.files import CheckpointFiles
from ascend_compat.knowledge.load import Rules, read_pack
from ascend_compat.knowledge.loading.parameters import TORCH_PARAMETERS
from ascend_compat.knowledge.loading.results import Loading, Result
from ascend_compat.knowledge.loading.run import OWN, load
from ascend_compat.knowledge.match import match
from ascend_compat.knowledge.modules import EMBEDDING, LINEAR, MOE, Leaf, ModuleTree
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc

LAYERS = (0, 1)
EXPERTS = 4
#: Keys that configurations usually have, with values of a very small model.
CONFIG: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 128, "vocab_size": 256, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "hidden_act": "silu", "num_experts": EXPERTS,
    "num_local_experts": EXPERTS, "n_routed_experts": EXPERTS, "moe_num_experts": EXPERTS, "n_shared_experts": 1,
    "num_experts_per_tok": 2, "moe_intermediate_size": 64, "first_k_dense_replace": 0, "moe_layer_freq": 1,
    "num_nextn_predict_layers": 1, "q_lora_rank": 32, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16, "v_head_dim": 16, "num_layers": 2, "n_layer": 2, "n_head": 4, "n_embd": 64,
    "encoder_layers": 2, "decoder_layers": 2, "d_model": 64, "num_classes": 2, "num_labels": 2, "mlp_bias": False,
    "layer_types": ["full_attention", "full_attention"], "is_moe": True, "model_type": "made_up",
    "linear_attn_config": {"kda_layers": [1], "full_attn_layers": [2], "num_heads": 4, "head_dim": 16,
                           "short_conv_kernel_size": 4},
    "moe_shared_expert_intermediate_size": 64, "num_mtp_modules": 1, "num_shared_experts": 1, "use_residual": False,
    "hybrid_override_pattern": "M*", "moe_layers_enum": "1", "moe_layer_frequency": 1,
}  # fmt: skip
NESTED = ("text_config", "vision_config", "audio_config", "llm_config")


def checkpoint(pack: Mapping[str, Any], architecture: str) -> CheckpointFacts:
    """A made-up float checkpoint of an architecture."""
    tree = ModuleTree(pack, architecture)
    config = {**CONFIG, **{key: dict(CONFIG) for key in NESTED}, "architectures": [architecture]}
    groups = {group.template: group for leaves in tree.leaves.values() for group in _tensors(pack, tree, leaves[0])}
    return CheckpointFacts("benchmark", "local", None, config, ("config.json",), tuple(groups.values()), True, shards=1)


def _tensors(pack: Mapping[str, Any], tree: ModuleTree, leaf: Leaf) -> Iterator[TensorGroup]:
    parent, _, last = leaf.path.rpartition(".")
    stem = f"{parent}." if parent else ""
    if leaf.cls.endswith(".Parameter"):
        yield _group(leaf.path, (64,))
    elif leaf.kind == MOE:
        for name, shape in (("gate_proj", (64, 64)), ("up_proj", (64, 64)), ("down_proj", (64, 64))):
            yield _group(f"{leaf.path}.*.{name}.weight", shape)
    elif leaf.kind in (LINEAR, EMBEDDING):
        for name in tree.packed.get(last, [last]):
            yield _group(f"{stem}{name}.weight", (64, 64))
    else:
        known = TORCH_PARAMETERS.get(leaf.cls.rpartition(".")[2]) if leaf.cls.startswith("torch.") else None
        names = pack.get("layer_classes", {}).get(leaf.cls, {}).get("parameters", ()) if known is None else known
        for name in names:
            yield _group(f"{leaf.path}.{name}", (64,))


def _group(template: str, shape: tuple[int, ...]) -> TensorGroup:
    layers = LAYERS if "*" in template else ()
    count = max(1, len(layers)) * EXPERTS ** max(0, template.count("*") - 1)
    return TensorGroup(template, "BF16", shape, count, 2 * count * shape[0], layers)


def run(pack: Mapping[str, Any], rules: Rules, architecture: str) -> Loading | None:
    """The loader of one architecture on its made-up checkpoint."""
    facts = checkpoint(pack, architecture)
    profile = classify(facts)
    target = make_target(pack, resolve_soc("A2", None, rules.directory / "curated"))
    found = match(pack, rules, facts, profile, target, LaunchProfile(), CheckpointFiles(facts))
    return load(pack, facts, profile, found)


def measure(pack: Mapping[str, Any], rules: Rules, verbose: bool) -> None:
    """Print one line for a release, with ``verbose`` what stopped the rest."""
    classes: dict[str, str] = {}
    for name, entry in pack["architectures"].items():
        classes.setdefault(f"{entry['module']}:{entry['class']}", name)
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    started = time.perf_counter()
    for name in classes.values():
        loading = run(pack, rules, name)
        if loading is None or not loading.outcomes:
            counts["nothing to run"] += 1
            reasons[f"nothing to run: {name}"] += 1
            continue
        if loading.error is not None and loading.error.kind in OWN:
            counts["refused"] += 1
            continue
        stopped = loading.of(Result.UNKNOWN)
        counts["all" if not stopped else "some" if len(stopped) < len(loading.outcomes) / 2 else "few"] += 1
        if stopped:
            reasons[f"{stopped[0].at} {stopped[0].message}: e.g. {name}"] += 1
    seconds = time.perf_counter() - started
    read = counts["all"] + counts["some"] + counts["refused"]
    print(
        f"{pack['release']['vllm_ascend']}: {len(classes)} model classes; every name decided {counts['all']}, most "
        f"{counts['some']}, refused as a whole {counts['refused']}, few or none {counts['few']}, nothing to run "
        f"{counts['nothing to run']}; interpreted {100 * read / max(len(classes), 1):.1f} %, {seconds:.0f} s"
    )
    for reason, number in reasons.most_common(60) if verbose else ():
        print(f"  {number:4} {reason}")


def main() -> None:
    """Measure every pack that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--rules", type=Path)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    rules = Rules(rules_directory(args.rules))
    for path in args.packs:
        measure(read_pack(path), rules, args.verbose)


if __name__ == "__main__":
    main()
