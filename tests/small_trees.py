"""Small trees written for tests: they imitate the mechanisms of vllm and vllm-ascend, not their code."""

from __future__ import annotations

from pathlib import Path

VLLM = {
    "vllm/__init__.py": "",
    "vllm/platforms/__init__.py": "",
    "vllm/platforms/interface.py": """
import enum
class PlatformEnum(enum.Enum):
    CUDA = 1
    OOT = 2
class Platform:
    _enum: PlatformEnum
    supported_quantization: list = []
    def is_cuda(self):
        return self._enum == PlatformEnum.CUDA
    @classmethod
    def verify_quantization(cls, quant):
        if cls.supported_quantization and quant not in cls.supported_quantization:
            raise ValueError(f"{quant} is refused here")
    @classmethod
    def get_device_capability(cls, device_id=0):
        return None
""",
    "vllm/config/__init__.py": """
from vllm.config.model import ModelConfig
from vllm.config.vllm import VllmConfig
""",
    "vllm/config/model.py": """
from vllm.model_executor.layers import quantization as registry
from vllm.platforms import current_platform
class ModelConfig:
    def _verify_quantization(self):
        declared = self.model_arch_config.quantization_config
        if declared is not None:
            method = declared["quant_method"]
            for name in registry.QUANTIZATION_METHODS:
                config = registry.get_quantization_config(name)
                chosen = config.override_quantization_method(declared, self.quantization)
                if chosen is not None:
                    method = chosen
                    break
            if self.quantization is None:
                self.quantization = method
            elif self.quantization != method:
                raise ValueError(f"{self.quantization} contradicts {method}")
        if self.quantization is not None:
            current_platform.verify_quantization(self.quantization)
""",
    "vllm/config/vllm.py": """
class VllmConfig:
    @staticmethod
    def _get_quantization_config(model_config, load_config):
        if model_config.quantization is None:
            return None
        from vllm.model_executor.model_loader.weight_utils import get_quant_config
        return get_quant_config(model_config, load_config)
""",
    "vllm/model_executor/__init__.py": "",
    "vllm/model_executor/model_loader/__init__.py": "",
    "vllm/model_executor/model_loader/weight_utils.py": """
from vllm.model_executor.layers.quantization import get_quantization_config
def get_quant_config(model_config, load_config):
    cls = get_quantization_config(model_config.quantization)
    return cls.from_config(getattr(model_config.hf_config, "quantization_config", None))
""",
    "vllm/model_executor/layers/__init__.py": "",
    "vllm/model_executor/layers/linear.py": """
import torch
class LinearBase(torch.nn.Module):
    pass
class RowParallelLinear(LinearBase):
    pass
class UnquantizedLinearMethod:
    pass
""",
    "vllm/model_executor/layers/quantization/__init__.py": """
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
QUANTIZATION_METHODS = ["awq"]
_CUSTOM = {}
def register_quantization_config(name):
    def wrap(cls):
        if name not in QUANTIZATION_METHODS:
            QUANTIZATION_METHODS.append(name)
        _CUSTOM[name] = cls
        return cls
    return wrap
def get_quantization_config(name):
    from .awq import AWQConfig
    table = {"awq": AWQConfig}
    table.update(_CUSTOM)
    return table[name]
""",
    "vllm/model_executor/layers/quantization/base_config.py": """
class QuantizationConfig:
    def __init__(self):
        self.packed_modules_mapping = {}
    @classmethod
    def override_quantization_method(cls, declared, asked):
        return None
    def apply_vllm_mapper(self, mapper):
        pass
""",
    "vllm/model_executor/layers/quantization/awq.py": """
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
class AWQConfig(QuantizationConfig):
    @classmethod
    def override_quantization_method(cls, declared, asked):
        return None
""",
    "vllm/model_executor/models/__init__.py": "",
    "vllm/model_executor/models/registry.py": """
_TEXT_GENERATION_MODELS = {"TinyForCausalLM": ("tiny", "TinyForCausalLM")}
_SPECULATIVE_DECODING_MODELS = {"TinyMTP": ("tiny", "TinyMTP")}
_PREVIOUSLY_SUPPORTED_MODELS = {"OldForCausalLM": "0.1.0"}
""",
    "vllm/model_executor/models/tiny.py": """
from torch import nn
from vllm.model_executor.layers.linear import RowParallelLinear
class TinyLayer(nn.Module):
    def __init__(self, quant_config=None, prefix=""):
        self.proj = RowParallelLinear(8, 8, quant_config=quant_config, prefix=f"{prefix}.proj")
        self.gate = nn.Linear(8, 8)
class TinyForCausalLM(nn.Module):
    def __init__(self, vllm_config, prefix=""):
        def build(prefix):
            return TinyLayer(vllm_config.quant_config, prefix)
        self.start, self.end, self.layers = make_layers(2, build, prefix=prefix)
class TinyMTP(nn.Module):
    pass
""",
}
ASCEND = {
    "vllm_ascend/__init__.py": "",
    "vllm_ascend/platform.py": """
from vllm.platforms.interface import Platform, PlatformEnum
from vllm_ascend.utils import is_old_chip
class NPUPlatform(Platform):
    _enum = PlatformEnum.OOT
    supported_quantization = ["tiny8"]
    @classmethod
    def pre_register_and_update(cls, parser=None):
        if is_old_chip():
            return
        from vllm_ascend.quantization import TinyConfig
""",
    "vllm_ascend/utils.py": """
from enum import Enum
class DeviceType(Enum):
    A2 = 0
    _310P = 2
    A5 = 3
def is_old_chip():
    from vllm_ascend import _build_info
    return DeviceType[_build_info.__device_type__] == DeviceType._310P
""",
    "vllm_ascend/quantization/__init__.py": """
from .tiny_config import TinyConfig
""",
    "vllm_ascend/quantization/schemes.py": """
import torch
TABLE = {}
def register_scheme(kind, layer):
    def wrap(cls):
        TABLE[(kind, layer)] = cls
        return cls
    return wrap
@register_scheme("INT8", "linear")
class Int8Scheme:
    def get_weight(self, input_size, output_size):
        return {"weight": torch.empty(output_size, input_size, dtype=torch.int8)}
    def apply(self, layer, x):
        return layer.weight
""",
    "vllm_ascend/quantization/tiny_config.py": """
from vllm.model_executor.layers.linear import LinearBase
from vllm.model_executor.layers.quantization import register_quantization_config
from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
from .schemes import TABLE
class TinyMethod:
    def __init__(self, scheme):
        self.quant_method = scheme
    def create_weights(self, layer, input_size_per_partition, output_partition_sizes, input_size, output_size,
                       params_dtype, **extra):
        for name, tensor in self.quant_method.get_weight(input_size, sum(output_partition_sizes)).items():
            layer.register_parameter(name, tensor)
@register_quantization_config("tiny8")
class TinyConfig(QuantizationConfig):
    def __init__(self, bits):
        super().__init__()
        self.bits = bits
    @classmethod
    def from_config(cls, config):
        return cls(config["bits"])
    def _kind(self):
        if self.bits == 8:
            return "INT8"
        raise NotImplementedError(f"{self.bits} bits")
    def get_quant_method(self, layer, prefix):
        if isinstance(layer, LinearBase):
            return TinyMethod(TABLE[(self._kind(), "linear")]())
        return None
""",
}


def write_trees(root: Path, changes: dict[str, tuple[str, str]] | None = None) -> tuple[Path, Path]:
    """The two trees under ``root``; ``changes`` maps a file to (old, new) text. Returns (vllm-ascend, vllm)."""
    for folder, files in (("ascend", ASCEND), ("engine", VLLM)):
        for name, content in files.items():
            if changes and name in changes:
                old, new = changes[name]
                assert old in content, f"{old!r} is not in {name}"
                content = content.replace(old, new)
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return root / "ascend", root / "engine"


def write_files(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """The two trees under ``root``, with ``files`` in the place of theirs or beside them."""
    for name, content in {**VLLM, **ASCEND, **files}.items():
        path = root / ("ascend" if name.startswith("vllm_ascend") else "engine") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root / "ascend", root / "engine"


def changed(name: str, *changes: tuple[str, str]) -> dict[str, str]:
    """One file of the small trees with some of its text replaced."""
    text = {**VLLM, **ASCEND}[name]
    for old, new in changes:
        assert old in text, f"{old!r} is not in {name}"
        text = text.replace(old, new)
    return {name: text}
