"""Where a checkpoint declares its quantization: config.json, ModelOpt's file, ModelSlim's description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ascend_compat.classify.config import NESTED
from ascend_compat.classify.quant.arguments import text
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind

CONFIG, MODELOPT, MODELSLIM = "config.json", "hf_quant_config.json", "quant_model_description.json"
_KEYS = ("quantization_config", "compression_config")
#: Configuration files of older AWQ and GPTQ tools, for checkpoints whose config.json says nothing.
#: Source: vLLM 0.18.0, ``get_config_filenames`` of quantization/awq.py and gptq.py.
SIDE_FILES = {"quant_config.json": "awq", "quantize_config.json": "gptq"}
#: Other names that tools, engines and older releases give a method. Source: vLLM 0.30.0, quantization/__init__.py and
#: the ``override_quantization_method`` of its classes.
_ALIASES = {
    "compressed_tensors": "compressed-tensors", "auto_awq": "awq", "awq_marlin": "awq", "auto_gptq": "gptq",
    "gptq_marlin": "gptq", "gptqmodel": "gptq", "auto_round": "auto-round", "intel/auto-round": "auto-round",
    "inc": "auto-round", "gpt_oss_mxfp4": "mxfp4", "modelopt_fp8": "modelopt", "petit_nvfp4": "modelopt_fp4",
    "ascend": "modelslim",
}  # fmt: skip
#: Values of quant_method that say the description file holds the quantization.
_DEFERRED = ("ascend", "modelslim")


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration: the file it stands in, the path of the object in it, the method it names."""

    file: str
    path: str
    method: str | None
    body: Mapping[str, Any]

    @property
    def family(self) -> str | None:
        """The format that the method names, under one name."""
        return _ALIASES.get(self.method or "", self.method)

    def evidence(self, *keys: str) -> tuple[Evidence, ...]:
        """The declared method and some fields of the object, with their paths."""
        fields = [key for key in ("quant_method", *keys) if isinstance(self.body.get(key), (str, int, float, bool))]
        where = f"{self.path}." if self.path else ""
        found = tuple(self._field(f"{where}{key}", self.body[key]) for key in fields)
        return found or (Evidence(EvidenceKind.CONFIG, self.file, None, self.path or self.file),)

    def _field(self, name: str, value: object) -> Evidence:
        return Evidence(EvidenceKind.CONFIG, self.file, None, f"{name} = {value!r}"[:160])


def declarations(facts: CheckpointFacts) -> tuple[Declaration, ...]:
    """All declarations, the one an engine follows first.

    A named method in config.json outweighs the other files; vllm-ascend only warns about a description file beside it.
    Source: vllm-ascend 0.18.0rc1, quantization/utils.py ``maybe_auto_detect_quantization``.
    """
    in_config = list(_in_config(facts.config))
    named = [found for found in in_config if found.method is not None and found.method not in _DEFERRED]
    others = [found for found in in_config if found not in named]
    side = () if in_config else _side_files(facts)
    return (*named, *_modelslim(facts), *_modelopt(facts), *_mlx(facts.config), *others, *side)


def _in_config(config: Mapping[str, Any]) -> Iterator[Declaration]:
    path, level = "", config
    for _ in range(len(NESTED) + 1):
        for key in _KEYS:
            body = level.get(key)
            if isinstance(body, Mapping) and body:
                inner = body.get("quantization")
                nested = isinstance(inner, Mapping) and "quant_algo" in inner
                whole = {**body, **inner} if nested and isinstance(inner, Mapping) else body
                yield Declaration(CONFIG, path + key, method_of(whole), whole)
        name = next((name for name in NESTED if isinstance(level.get(name), Mapping)), None)
        if name is None:
            return
        path, level = f"{path}{name}.", level[name]


def method_of(body: Mapping[str, Any]) -> str | None:
    """``quant_method`` in lower case; ModelOpt's objects are known by their algorithm where they name no method."""
    method = text(body.get("quant_method"))
    if method is not None:
        return method.lower()
    producer = body.get("producer")
    made_by = producer.get("name") if isinstance(producer, Mapping) else None
    return "modelopt" if made_by == "modelopt" or "quant_algo" in body else None


def _modelslim(facts: CheckpointFacts) -> Iterator[Declaration]:
    if facts.quant_description is not None:
        yield Declaration(MODELSLIM, "", "modelslim", facts.quant_description)


def _modelopt(facts: CheckpointFacts) -> Iterator[Declaration]:
    inner = facts.hf_quant_config.get("quantization") if facts.hf_quant_config is not None else None
    if isinstance(inner, Mapping):
        yield Declaration(MODELOPT, "quantization", "modelopt", inner)


def _mlx(config: Mapping[str, Any]) -> Iterator[Declaration]:
    """MLX writes ``quantization`` beside, or instead of, a ``quantization_config`` that names no method."""
    body = config.get("quantization")
    if isinstance(body, Mapping) and {"bits", "group_size"} <= body.keys():
        yield Declaration(CONFIG, "quantization", "mlx", body)


def _side_files(facts: CheckpointFacts) -> Iterator[Declaration]:
    for file, body in facts.quantize_configs.items():
        yield Declaration(file, "", method_of(body) or SIDE_FILES.get(file), body)
