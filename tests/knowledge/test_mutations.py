"""Decisions changed as pull requests change them: the verdict changes accordingly, or nothing is claimed any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_trees import changed, write_files

from ascend_compat.extract.code import extract_code
from ascend_compat.extract.kernels import extract_kernels
from ascend_compat.extract.patches import extract_patches
from ascend_compat.extract.tree import Trees
from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.outcomes import LayerOutcome, LayerSpec, Startup
from ascend_compat.knowledge.replay import Replay

Files = dict[str, str]
LINEAR = "vllm.model_executor.layers.linear"
SPEC = LayerSpec("layers.0.proj", f"{LINEAR}:RowParallelLinear", (f"{LINEAR}:LinearBase",), "linear", 8, (16,))
TINY = {"quant_method": "tiny8", "bits": 8}
AWQ = {"quant_method": "awq", "bits": 4}
CONFIG = "vllm_ascend/quantization/tiny_config.py"
PLATFORM = "vllm_ascend/platform.py"


def start(
    root: Path, files: Files, quantization: dict[str, Any] = TINY, device: str = "A2"
) -> tuple[Startup, LayerOutcome | None]:
    """What a server of the trees does with a checkpoint, and with one linear module of it."""
    read = Trees(*write_files(root, files))
    config = {"architectures": ["TinyForCausalLM"], "quantization_config": quantization}
    environment = Environment(device, config, {"config.json": config})
    replay = Replay(extract_code(read, extract_patches(read)), environment, extract_kernels(read))
    startup = replay.start()
    return startup, None if startup.trouble else replay.layer(SPEC)


def trouble(found: Startup | LayerOutcome | None) -> tuple[str | None, str]:
    """The exception and what it says; no exception and the reason where nothing could be decided."""
    assert found is not None
    return (found.trouble.kind, found.trouble.message) if found.trouble else (None, "")


# patches of the plugin ------------------------------------------------------------------------------------------------

PATCH = """
from vllm.config.model import ModelConfig
_original = ModelConfig._verify_quantization
def _lenient(self):
    if self.model_arch_config.quantization_config["quant_method"] == "awq":
        self.quantization = None
        return None
    return _original(self)
ModelConfig._verify_quantization = _lenient
"""


def patched(text: str = PATCH, module: str = "patch_config", imported: str | None = None) -> Files:
    """The small plugin with a patch of the engine, imported as the platform is registered."""
    loads = "def pre_register_and_update(cls, parser=None):\n        import vllm_ascend.patch.platform"
    return {
        **changed(PLATFORM, ("def pre_register_and_update(cls, parser=None):", loads)),
        "vllm_ascend/patch/__init__.py": "",
        "vllm_ascend/patch/platform/__init__.py": f"import vllm_ascend.patch.platform.{imported or module}\n",
        f"vllm_ascend/patch/platform/{module}.py": text,
    }


@pytest.mark.parametrize(
    "files",
    [
        patched(),
        patched(module="moved_by_a_pull_request"),
        patched(PATCH.replace("_lenient", "_renamed")),
        patched(PATCH.replace("_original", "_kept")),
    ],
    ids=["as it is", "in another module", "function renamed", "original renamed"],
)
def test_a_patched_method_decides_wherever_it_is_and_whatever_it_is_called(tmp_path: Path, files: Files) -> None:
    startup, _ = start(tmp_path, files, AWQ)
    assert (startup.method, trouble(startup)) == (None, (None, ""))


@pytest.mark.parametrize(
    "files",
    [
        {},
        patched(PATCH.replace('== "awq"', '== "other"')),
        patched(PATCH.replace("ModelConfig._verify_quantization = _lenient", "")),
        {**patched(), "vllm_ascend/patch/platform/__init__.py": ""},
    ],
    ids=["no patch", "for another format", "not assigned", "not imported"],
)
def test_without_an_effective_patch_the_engine_decides(tmp_path: Path, files: Files) -> None:
    startup, _ = start(tmp_path, files, AWQ)
    assert trouble(startup) == ("ValueError", "awq is refused here")


def test_a_patch_that_asks_what_nobody_knows_is_undetermined(tmp_path: Path) -> None:
    startup, _ = start(tmp_path, patched(PATCH.replace('== "awq"', "== ask_the_moon()")), AWQ)
    assert startup.trouble is not None
    assert startup.trouble.kind is None


# kernel tables --------------------------------------------------------------------------------------------------------

KERNELS = """
from vllm.platforms import current_platform
from vllm.platforms.interface import PlatformEnum
_KERNELS: dict = {PlatformEnum.CUDA: [object]}
def choose():
    for kernel in _KERNELS[current_platform._enum]:
        return kernel
"""
#: The platform of the plugin accepts what the engine's own class serves.
OPEN = changed(PLATFORM, ('["tiny8"]', '["tiny8", "awq"]'))
SERVED = {
    **OPEN,
    **changed(
        "vllm/model_executor/layers/quantization/awq.py",
        (
            "    @classmethod",
            "    @classmethod\n    def from_config(cls, config):\n        return cls()\n    @classmethod",
        ),
    ),
}


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (KERNELS, "KeyError"),
        (KERNELS.replace("_KERNELS", "_TABLE_OF_A_PULL_REQUEST"), "KeyError"),
        (
            KERNELS.replace("_KERNELS[current_platform._enum]", "_KERNELS.get(current_platform._enum, [])")
            + "    raise RuntimeError('none')\n",
            "RuntimeError",
        ),
        (KERNELS.replace("CUDA: [object]", "CUDA: [object], PlatformEnum.OOT: [object]"), None),
    ],
    ids=["subscripted", "renamed", "asked for", "an entry for the platform"],
)
def test_a_format_of_the_engine_needs_a_kernel_for_the_platform(tmp_path: Path, table: str, kind: str | None) -> None:
    startup, _ = start(tmp_path, {**SERVED, "vllm/model_executor/kernels/linear.py": table}, AWQ)
    found, message = trouble(startup)
    assert found == kind
    assert (kind is None) is ("not followed" in message)  # with a kernel, the engine's own class would have to be read


# dataclasses ----------------------------------------------------------------------------------------------------------

FIELDS = """
from dataclasses import dataclass, field
@dataclass
class Args:
    bits: int
    kinds: list = field(default_factory=list)
    strict: bool = False
    def __post_init__(self):
        if self.strict and self.bits != 8:
            raise ValueError("eight bits only")
"""


def with_args(call: str, fields: str = FIELDS) -> Files:
    """The small plugin with a dataclass between the checkpoint's configuration and the decision."""
    body = f"        args = {call}\n        return cls(args.bits)"
    imported = "from .args import Args\nfrom vllm.model_executor.layers.linear"
    return {
        **changed(
            CONFIG,
            ('        return cls(config["bits"])', body),
            ("from vllm.model_executor.layers.linear", imported),
        ),
        "vllm_ascend/quantization/args.py": fields,
    }


@pytest.mark.parametrize(
    ("call", "fields", "bits", "kind"),
    [
        ('Args(config["bits"])', FIELDS, 8, None),
        ('Args(bits=config["bits"], strict=True)', FIELDS, 8, None),
        ('Args(config["bits"])', FIELDS, 4, "NotImplementedError"),
        ('Args(config["bits"], strict=True)', FIELDS, 4, "ValueError"),
        ('Args(config["bits"])', FIELDS.replace("strict: bool = False", "strict: bool = True"), 4, "ValueError"),
        ('Args(config["bits"])', FIELDS.replace("    bits: int\n", "    bits: int\n    more: int\n"), 8, "TypeError"),
        ('Args(config["bits"])', FIELDS.replace("bits: int", "width: int").replace("self.bits", "self.width"), 8,
         "AttributeError"),
        ("Args()", FIELDS.replace("bits: int", "bits: int = 8"), 8, None),
    ],
    ids=["positional", "by name", "other bits", "checked", "checked by default", "a field more", "renamed", "default"],
)  # fmt: skip
def test_the_constructor_of_a_dataclass_is_followed(
    tmp_path: Path, call: str, fields: str, bits: int, kind: str | None
) -> None:
    startup, layer = start(tmp_path, with_args(call, fields), {"quant_method": "tiny8", "bits": bits})
    found: Startup | LayerOutcome | None = startup if startup.trouble else layer
    assert trouble(found)[0] == kind
    assert startup.trouble or layer is None or layer.trouble or layer.scheme == "Int8Scheme"
