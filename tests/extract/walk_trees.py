"""A small model on a small platform, written for the tests of the operator walk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ascend_compat.extract.tree import Trees
from ascend_compat.extract.walk.section import extract_operators
from ascend_compat.knowledge.walked import Use, Walked

FILES = {
    "vllm/__init__.py": "",
    "vllm/config/__init__.py": """
class ModelConfig:
    dtype: str = "auto"
class VllmConfig:
    model_config: ModelConfig = None
""",
    "vllm/forward_context.py": "class ForwardContext: pass\n",
    "vllm/platforms/__init__.py": "from vllm.platforms.interface import Platform\ncurrent_platform: Platform\n",
    "vllm/platforms/interface.py": """
import enum
class PlatformEnum(enum.Enum):
    CUDA = 1
    OOT = 2
class Platform:
    _enum: PlatformEnum
    def is_cuda(self) -> bool:
        return self._enum == PlatformEnum.CUDA
    def is_out_of_tree(self) -> bool:
        return self._enum == PlatformEnum.OOT
""",
    "vllm/custom_op.py": """
from torch import nn
class CustomOp(nn.Module):
    def __init__(self):
        super().__init__()
        self._forward_method = self.forward_cuda
    def forward(self, *args):
        return self._forward_method(*args)
    def forward_native(self, *args):
        raise NotImplementedError
    def forward_oot(self, *args):
        return self.forward_native(*args)
    def forward_cuda(self, *args):
        raise NotImplementedError
""",
    "vllm/layers.py": """
import torch
from vllm.custom_op import CustomOp
from vllm.kernels import scan
class Norm(CustomOp):
    def forward_cuda(self, x):
        torch.ops._C.norm(x)
        return x
class Scan(torch.nn.Module):
    def forward(self, x):
        return scan(x)
""",
    "vllm/kernels.py": """
import triton
@triton.jit
def scan_kernel(x):
    pass
def scan(x):
    scan_kernel[(1,)](x)
    return x
""",
    "vllm/models.py": """
import torch
from vllm.layers import Norm, Scan
from vllm.platforms import current_platform
class Tiny(torch.nn.Module):
    def __init__(self, vllm_config, prefix=""):
        super().__init__()
        config = vllm_config.model_config.hf_config
        self.norm = Norm()
        if config.layer_type == "scan":
            self.mixer = Scan()
        else:
            self.mixer = Norm()
    def forward(self, x):
        x = self.norm(x)
        if current_platform.is_cuda():
            torch.ops._C.fast(x)
        return self.mixer(x)
""",
    "vllm_ascend/__init__.py": "",
    "vllm_ascend/platform.py": """
from vllm.platforms.interface import Platform, PlatformEnum
class NPUPlatform(Platform):
    _enum = PlatformEnum.OOT
""",
    "vllm_ascend/utils.py": """
from enum import Enum
class AscendDeviceType(Enum):
    A2 = 0
    _310P = 1
def is_310p():
    return get_ascend_device_type() == AscendDeviceType._310P
def get_ascend_device_type():
    return _device
def register_ascend_customop():
    from vllm_ascend.norm import AscendNorm
    REGISTERED_ASCEND_OPS = {"Norm": AscendNorm}
""",
    "vllm_ascend/norm.py": """
import torch_npu
from vllm.layers import Norm
class AscendNorm(Norm):
    def forward_oot(self, x):
        return torch_npu.npu_norm(x)
""",
    "vllm_ascend/patch/__init__.py": "",
    "vllm_ascend/patch/worker/__init__.py": """
from vllm_ascend.utils import is_310p
if not is_310p():
    import vllm_ascend.patch.worker.patch_scan
""",
    "vllm_ascend/patch/worker/patch_scan.py": """
import torch_npu
import vllm.layers
def npu_scan(x):
    return torch_npu.npu_scan(x)
vllm.layers.scan = npu_scan
""",
}
REQUIREMENTS = "torch-npu\ntriton-ascend==3.2.0\n"
ARCHITECTURES = {"Tiny": {"module": "vllm.models", "class": "Tiny", "kind": "text", "at": "vllm/registry.py:1"}}
SCAN, PLAIN = {"layer_type": "scan"}, {"layer_type": "norm"}


def section(root: Path, *changes: tuple[str, str, str]) -> dict[str, Any]:
    """The section of the small trees; a change is ``(file, old, new)``, ``(file, "", text)`` for a new one."""
    files = dict(FILES)
    for name, old, new in changes:
        files.setdefault(name, "")
        assert old in files[name], f"{old!r} is not in {name}"
        files[name] = files[name].replace(old, new)
    for name, content in files.items():
        path = root / ("ascend" if name.startswith("vllm_ascend") else "engine") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (root / "ascend" / "requirements.txt").write_text(REQUIREMENTS, encoding="utf-8")
    return extract_operators(Trees(root / "ascend", root / "engine"), ARCHITECTURES)


def met(found: dict[str, Any], soc: str = "A2", config: dict[str, Any] | None = None) -> list[Use]:
    """What the small model meets."""
    return Walked(found, soc).uses("Tiny", PLAIN if config is None else config)


def kinds(uses: list[Use], certain: bool = True) -> set[tuple[str, str]]:
    """``(kind, name)`` of what is met for certain, or of what is open."""
    return {(use.kind, use.name.rpartition(":")[2]) for use in uses if use.certain is certain}
