"""A server's start replayed on small trees, and on trees that were changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_trees import write_trees

from ascend_compat.extract.code import extract_code
from ascend_compat.extract.patches import extract_patches
from ascend_compat.extract.tree import Trees
from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.outcomes import LayerOutcome, LayerSpec, Startup
from ascend_compat.knowledge.replay import Replay

TINY = {"quant_method": "tiny8", "bits": 8}
CONFIG = "vllm_ascend/quantization/tiny_config.py"
SCHEMES = "vllm_ascend/quantization/schemes.py"
LINEAR = "vllm.model_executor.layers.linear"
SPEC = LayerSpec("layers.0.proj", f"{LINEAR}:RowParallelLinear", (f"{LINEAR}:LinearBase",), "linear", 8, (16,))


def start(
    root: Path, quantization: Any, changes: Any = None, device: str = "A2", asked: str | None = None
) -> tuple[Startup, LayerOutcome | None]:
    trees = Trees(*write_trees(root, changes))
    config = {"architectures": ["TinyForCausalLM"], "quantization_config": quantization}
    if quantization is None:
        del config["quantization_config"]
    replay = Replay(
        extract_code(trees, extract_patches(trees)), Environment(device, config, {"config.json": config}, asked)
    )
    startup = replay.start()
    return startup, None if startup.trouble else replay.layer(SPEC)


def test_the_scheme_and_its_allocation_are_found_through_registration(tmp_path: Path) -> None:
    startup, layer = start(tmp_path, TINY)
    assert (startup.method, startup.trouble) == ("tiny8", None)
    assert layer is not None
    assert layer.scheme == "Int8Scheme"
    weight = layer.params["weight"]
    assert (weight.shape, weight.dtype, weight.constructor) == ((16, 8), "int8", "empty")
    assert weight.at.startswith("vllm_ascend/quantization/schemes.py:")


def test_a_float_checkpoint_starts_unquantized(tmp_path: Path) -> None:
    startup, layer = start(tmp_path, None)
    assert (startup.method, startup.trouble) == (None, None)
    assert layer is not None
    assert layer.scheme is None


def test_a_format_the_platform_refuses_raises_what_the_platform_raises(tmp_path: Path) -> None:
    startup, _ = start(tmp_path, {"quant_method": "awq", "bits": 4})
    assert startup.trouble is not None
    assert (startup.trouble.kind, startup.trouble.message) == ("ValueError", "awq is refused here")
    assert startup.trouble.at.startswith("vllm/platforms/interface.py:")


def test_a_flag_that_contradicts_the_checkpoint_raises(tmp_path: Path) -> None:
    startup, _ = start(tmp_path, TINY, asked="awq")
    assert startup.trouble is not None
    assert startup.trouble.kind == "ValueError"


def test_a_device_without_the_registration_fails_to_find_the_class(tmp_path: Path) -> None:
    startup, _ = start(tmp_path, TINY, device="_310P")
    assert startup.trouble is not None
    assert startup.trouble.kind == "KeyError"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (CONFIG, "_kind", "_renamed_by_a_pull_request"),
        (SCHEMES, "TABLE", "ANOTHER_NAME"),
        ("vllm_ascend/quantization/schemes.py", "class Int8Scheme", "class Renamed"),
    ],
)
def test_a_renamed_method_table_or_class_is_followed(tmp_path: Path, file: str, old: str, new: str) -> None:
    changes = {file: (old, new)}
    if old == "TABLE":
        changes[CONFIG] = ("TABLE", new)
    _, layer = start(tmp_path, TINY, changes)
    assert layer is not None
    assert layer.params["weight"].dtype == "int8"


def test_another_allocated_dtype_is_seen(tmp_path: Path) -> None:
    _, layer = start(tmp_path, TINY, {SCHEMES: ("torch.int8", "torch.float8_e4m3fn")})
    assert layer is not None
    assert layer.params["weight"].dtype == "float8_e4m3fn"


def test_a_new_branch_on_the_configuration_is_obeyed(tmp_path: Path) -> None:
    branch = 'if self.bits == 8:\n            raise NotImplementedError("withdrawn")\n        if self.bits == 9:'
    _, layer = start(tmp_path, TINY, {CONFIG: ("if self.bits == 8:", branch)})
    assert layer is not None
    assert layer.trouble is not None
    assert (layer.trouble.kind, layer.trouble.message) == ("NotImplementedError", "withdrawn")


@pytest.mark.parametrize("test", ["measure_the_device() > 3", "open_socket().ok", "self.unheard_of_helper(lambda: 1)"])
def test_a_branch_nobody_can_decide_is_undetermined_and_never_a_guess(tmp_path: Path, test: str) -> None:
    _, layer = start(tmp_path, TINY, {CONFIG: ("if self.bits == 8:", f"if {test}:")})
    assert layer is not None
    assert layer.trouble is not None
    assert layer.trouble.kind in (None, "AttributeError")
    assert layer.trouble.at.startswith(f"{CONFIG}:")


def test_a_registration_that_cannot_be_followed_is_undetermined(tmp_path: Path) -> None:
    changes = {
        SCHEMES: (
            "        TABLE[(kind, layer)] = cls",
            "        if ask_the_moon():\n            return None\n        TABLE[(kind, layer)] = cls",
        )
    }
    startup, _ = start(tmp_path, TINY, changes)
    assert startup.trouble is not None
    assert startup.trouble.kind is None


def test_an_endless_loop_in_a_tree_ends_as_undetermined(tmp_path: Path) -> None:
    loop = "while True:\n            pass\n        if self.bits == 8:"
    _, layer = start(tmp_path, TINY, {CONFIG: ("if self.bits == 8:", loop)})
    assert layer is not None
    assert layer.trouble is not None
    assert "limit" in layer.trouble.message
