"""A small engine whose model loads its own weights, and checkpoints for it."""

from __future__ import annotations

from pathlib import Path

from checkpoints import group
from small_trees import changed, write_files

from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.target import LaunchProfile
from ascend_compat.extract.build import build_pack
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.loading.results import Loading, Outcome
from ascend_compat.location import rules_directory
from ascend_compat.memory.soc import resolve_soc

MODEL = "vllm/model_executor/models/tiny.py"
PATCH = "vllm_ascend/patch/worker/patch_tiny.py"
LOADER = "vllm/model_executor/model_loader/default_loader.py"
LAYERS = changed(
    "vllm/model_executor/layers/linear.py",
    ("class UnquantizedLinearMethod", "class MergedLinear(LinearBase):\n    pass\nclass UnquantizedLinearMethod"),
)
NORM = {
    "vllm/model_executor/layers/layernorm.py": """
import torch
class Norm(torch.nn.Module):
    def __init__(self, size):
        self.weight = torch.nn.Parameter(torch.ones(size))
"""
}
STRICT = {
    LOADER: """
class DefaultModelLoader:
    def load_weights(self, model, model_config):
        missing = {name for name, _ in model.named_parameters()} - model.load_weights(self.weights)
        if model_config.quantization is None and missing:
            raise ValueError(f"Following weights were not initialized from checkpoint: {missing}")
"""
}
TINY = """
from torch import nn
from vllm.model_executor.layers.layernorm import Norm
from vllm.model_executor.layers.linear import MergedLinear, RowParallelLinear
from vllm.model_executor.model_loader.weight_utils import default_weight_loader
class TinyLayer(nn.Module):
    def __init__(self, quant_config=None, prefix=""):
        self.pair = MergedLinear(8, 8, quant_config=quant_config, prefix=f"{prefix}.pair")
        self.proj = RowParallelLinear(8, 8, quant_config=quant_config, prefix=f"{prefix}.proj")
        self.norm = Norm(8)
class TinyModel(nn.Module):
    def __init__(self, vllm_config, prefix=""):
        self.config = vllm_config.model_config.hf_config
        self.layers = nn.ModuleList([TinyLayer(vllm_config.quant_config, prefix) for _ in range(2)])
    def load_weights(self, weights):
        fused = [("pair", "left", 0), ("pair", "right", 1)]
        params = dict(self.named_parameters())
        loaded = set()
        for name, tensor in weights:
            if self.config.tie_word_embeddings and name.startswith("lm_head"):
                continue
            for whole, part, index in fused:
                if part in name:
                    name = name.replace(part, whole)
                    params[name].weight_loader(params[name], tensor, index)
                    break
            else:
                if name.endswith("_scale") and name not in params:
                    continue
                loader = getattr(params[name], "weight_loader", default_weight_loader)
                loader(params[name], tensor)
            loaded.add(name)
        return loaded
class TinyForCausalLM(nn.Module):
    packed_modules_mapping = {"pair": ["left", "right"]}
    def __init__(self, vllm_config, prefix=""):
        self.model = TinyModel(vllm_config, prefix)
    def load_weights(self, weights):
        return self.model.load_weights((name.removeprefix("model."), tensor) for name, tensor in weights)
class TinyMTP(nn.Module):
    pass
"""
NAMES = ("left.weight", "right.weight", "proj.weight", "norm.weight")


def tiny(*changes: tuple[str, str]) -> dict[str, str]:
    """The model's file with some of its text replaced."""
    text = TINY
    for old, new in changes:
        assert old in text, f"{old!r} is not in the model"
        text = text.replace(old, new)
    return {MODEL: text}


def checkpoint(*more: TensorGroup) -> CheckpointFacts:
    """A float checkpoint of the small model."""
    shapes = {name: (8,) if name.startswith("norm") else (8, 8) for name in NAMES}
    tensors = [*(group(f"model.layers.*.{name}", "BF16", shape, (0, 1)) for name, shape in shapes.items()), *more]
    config = {"architectures": ["TinyForCausalLM"], "model_type": "tiny", "num_hidden_layers": 2, "hidden_size": 8,
              "torch_dtype": "bfloat16", "tie_word_embeddings": False, "vocab_size": 8}  # fmt: skip
    return CheckpointFacts("test", "local", None, config, ("config.json",), tuple(tensors), True, shards=1)


def judged(root: Path, files: dict[str, str], facts: CheckpointFacts) -> Judgement:
    """The judgement of a checkpoint on the small trees with ``files`` in them."""
    pack = build_pack(*write_files(root, {**LAYERS, **NORM, **STRICT, **files}))
    rules = Rules(rules_directory(None))
    return judge(
        pack, rules, facts, classify(facts), resolve_soc("A2", None, rules.directory / "curated"), LaunchProfile()
    )


def loading(root: Path, files: dict[str, str], facts: CheckpointFacts | None = None) -> Loading:
    """What the small model's loader does."""
    found = judged(root, files, facts or checkpoint()).loading
    assert found is not None
    return found


def fate(found: Loading, ending: str) -> Outcome:
    """The outcome of the tensor whose name ends like this."""
    return next(item for item in found.outcomes if item.sample.name.endswith(ending))


def line_of(files: dict[str, str], text: str) -> str:
    """``path:line`` of the first line of the model that has a text."""
    lines = files[MODEL].splitlines()
    return f"{MODEL}:{next(n for n, line in enumerate(lines, 1) if text in line)}"
