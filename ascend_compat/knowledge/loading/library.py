"""What loaders use of torch and vLLM's process groups, with the meaning it has on one rank."""

from __future__ import annotations

from typing import Any

from ascend_compat.knowledge.environment import DISTRIBUTED, Parallel
from ascend_compat.knowledge.evaluate.values import (
    Class,
    Instance,
    Native,
    Raised,
    Tensor,
    Unknown,
)
from ascend_compat.knowledge.loading.configuration import DEFAULTED
from ascend_compat.knowledge.loading.machine import LoadingMachine
from ascend_compat.knowledge.loading.python import Python
from ascend_compat.knowledge.loading.stand_ins import View, copied, known, opaque

WEIGHT_UTILS = "vllm.model_executor.model_loader.weight_utils"
MODELS = "vllm.model_executor.models.utils"
#: Bases that add nothing a loader asks for.
MODULE_BASES = (
    "torch.nn.Module", "torch.nn.modules.Module", "vllm.model_executor.custom_op.CustomOp",
    "vllm.model_executor.custom_op.PluggableLayer",
)  # fmt: skip
#: What the platform says of itself. Source: vLLM, ``platforms/interface.py``; the plugin, ``platform.py``.
PLATFORM: dict[str, Any] = {
    "device_name": "npu", "device_type": "npu",
    **{f"is_{name}": Native(f"is_{name}", lambda args, keywords, at: False)
       for name in ("cuda", "cuda_alike", "rocm", "cpu", "tpu", "xpu", "hpu", "neuron")},
    "is_out_of_tree": Native("is_out_of_tree", lambda args, keywords, at: True),
}  # fmt: skip


def library(machine: LoadingMachine) -> dict[str, Any]:
    """Dotted names to values."""
    module = Class("Module", "torch.nn", "", (), {})
    out: dict[str, Any] = dict.fromkeys(MODULE_BASES, module)
    out.update(Parallel().groups())
    for home in DISTRIBUTED:
        for name in ("pp", "tp", "dp", "ep", "pcp"):
            names = {"is_first_rank": True, "is_last_rank": True, "world_size": 1, "rank_in_group": 0, "rank": 0}
            out[f"{home}.get_{name}_group"] = _fixed(Instance(None, names, closed=False, label=f"{name} group"))
        out[f"{home}.divide"] = Native("divide", lambda args, keywords, at: args[0] // args[1])
    out[f"{WEIGHT_UTILS}.default_weight_loader"] = Native("default_weight_loader", default_weight_loader)
    for name in ("row_parallel_weight_loader", "sharded_weight_loader", "composed_weight_loader"):
        out[f"{WEIGHT_UTILS}.{name}"] = Native(name, sharded_loader if name.startswith("row") else _made_loader)
    out[f"{MODELS}.is_pp_missing_parameter"] = _fixed(False)
    out["vllm.model_executor.model_loader.mtp_validation.is_mtp_completeness_check_enabled"] = _fixed(True)
    out["vllm.platforms.current_platform"] = Instance(None, dict(PLATFORM), closed=False, label="current_platform")
    options = Instance(None, {}, label=DEFAULTED)
    out["vllm_ascend.ascend_config.get_ascend_config"] = _fixed(options)
    out["torch.*"] = True
    out["vllm.logger.init_logger"] = _fixed(_logger(machine))
    for name in ("cat", "stack", "concat", "concatenate", "zeros_like", "ones_like", "empty_like", "tensor", "arange"):
        out[f"torch.{name}"] = Native(name, lambda args, keywords, at: opaque(at, *_flat(args)))
    for name, call in Python(machine).calls().items():
        out[name] = Native(name, call)
    return out


def default_weight_loader(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """vLLM's default: sizes have to be equal, unless both hold one element. Raises ``AssertionError``."""
    param, loaded = (*args, *keywords.values())[:2]
    if not isinstance(param, View) or not isinstance(loaded, Tensor):
        return Unknown(at, "loading what is no tensor")
    single = known(param) and known(loaded) and _elements(param) == 1 == _elements(loaded)
    if known(param) and known(loaded) and not single and param.shape != loaded.shape:
        message = f"Attempted to load weight ({list(loaded.shape)}) into parameter ({list(param.shape)})"
        raise Raised("AssertionError", message, at)
    copied(param, None, at) if single else copied(param, loaded, at)
    if single and isinstance(loaded, View) and param.buffer is not None:
        region, _, _ = param.buffer.written.pop()
        param.buffer.written.append((region, loaded.origins, at))
    return None


def sharded_loader(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """A loader that cuts the tensor for its rank: what it writes is not computed, that it writes is."""
    views = [item for item in (*args, *keywords.values()) if isinstance(item, View)]
    param = next((view for view in views if view.buffer is not None), None)
    loaded = next((view for view in views if view.buffer is None), None)
    if param is None or param.buffer is None or loaded is None:
        return Unknown(at, "loading what is no tensor")
    param.buffer.written.append(((), loaded.origins, at))
    return True


def _made_loader(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    return Native("weight_loader", sharded_loader)


def _elements(view: Tensor) -> int:
    count = 1
    for size in view.shape:
        count *= size
    return count


def _flat(args: list[Any]) -> list[Any]:
    return [part for item in args for part in (item if isinstance(item, (list, tuple)) else [item])]


def _fixed(value: Any) -> Native:
    return Native("fixed", lambda args, keywords, at: value)


def _logger(machine: LoadingMachine) -> Instance:
    def warn(args: list[Any], keywords: dict[str, Any], at: str) -> None:
        for fate in machine.fates.note(machine.fates.current):
            fate.warned = True

    def quiet(args: list[Any], keywords: dict[str, Any], at: str) -> None:
        return None

    names = {name: Native(name, warn) for name in ("warning", "warning_once", "error", "exception")}
    names.update({name: Native(name, quiet) for name in ("debug", "debug_once", "info", "info_once")})
    return Instance(None, dict(names), closed=False, label="logger")
