"""The attributes a loader reads off modules: the part of each constructor that sets them, run on what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ascend_compat.knowledge.evaluate.frames import Frame, Return
from ascend_compat.knowledge.evaluate.values import Class, Function, Instance, Native, Raised, Undecided, Unknown
from ascend_compat.knowledge.loading.configuration import nested_config, vllm_config
from ascend_compat.knowledge.loading.machine import LoadingMachine
from ascend_compat.knowledge.loading.skeleton import Node
from ascend_compat.knowledge.modules import EMBEDDING, LINEAR, MOE


@dataclass(frozen=True, slots=True)
class Given:
    """What constructors are given: the configuration, the quantization, and the dtype of the model."""

    config: Instance
    quantization: str | None
    quant_config: Instance | None
    dtype: str
    experts: int = 0
    hidden: int = 0
    projections: tuple[str, str, str] = ("gate_proj", "down_proj", "up_proj")


def construct(machine: LoadingMachine, root: Node, given: Given) -> None:
    """Run every module's constructor part, the base classes' first; what it can't set stays unknown.

    Inner modules come before those that are built of them and ask them.
    """
    nodes = list(root.walk())
    for _, node in nodes:
        node.instance.names.update(node.parameters)
    for path, node in reversed(nodes):
        if node.leaf is not None:
            if node.leaf.kind == MOE:
                _experts(node, given)
            if node.leaf.kind in (LINEAR, EMBEDDING):
                node.instance.names["quant_config"] = given.quant_config if node.leaf.quantized else None
            continue
        for name, value in DEFAULTS.items():
            node.instance.names.setdefault(name, value)
        cls = node.instance.cls
        for item in reversed(cls.lineage() if cls else []):
            init = item.names.get("__init__") if isinstance(item, Class) else None
            if isinstance(init, Function):
                _run(machine, node, init, _arguments(init.spec, path, given))


#: What models take from the launch, at its default: a start with none of it. Source: vLLM, ``config/parallel.py``.
DEFAULTS = {
    "num_redundant_experts": 0, "n_redundant_experts": 0, "num_fused_shared_experts": 0, "enable_eplb": False,
    "is_fused_shared_expert_enabled": False,
}  # fmt: skip


def _run(machine: LoadingMachine, node: Node, init: Function, arguments: Mapping[str, Any]) -> None:
    """Statement by statement: one that fails leaves the others their effect."""
    kept = set(node.instance.names)
    local = {init.spec["params"][0][0]: node.instance, **arguments}
    frame = Frame(init.module, (local, *init.scopes), init)
    before = {name: node.instance.names[name] for name in kept}
    for statement in init.spec["body"]:
        try:
            machine.run(statement, frame)
        except (Undecided, Raised):
            continue
        except Return:
            break
    node.instance.names.update(before)  # modules and their methods stay as the tree says


def _arguments(spec: Mapping[str, Any], path: str, given: Given) -> dict[str, Any]:
    """Values for the parameters of a constructor, by what models call them; the rest by default or unknown."""
    config = nested_config(given.config, path)
    whole = vllm_config(config, given.quantization, given.quant_config, given.dtype)
    values: dict[str, Any] = {
        "vllm_config": whole, "config": config, "quant_config": given.quant_config, "prefix": path,
        "cache_config": whole.names["cache_config"], "parallel_config": whole.names["parallel_config"],
        "model_config": whole.names["model_config"],
        **{key: given.config.names.get(key, config) for key in ("vision_config", "audio_config", "text_config")},
        "hf_config": config, "vit_config": config, "llm_config": config,
    }  # fmt: skip
    at = f"constructor of {path or 'the model'}"
    out: dict[str, Any] = {}
    for name, default in [*spec["params"][1:], *spec.get("keyword", [])]:
        if name in values:
            out[name] = values[name]
        elif default is not None and default[0] == "const":
            out[name] = default[1]
        else:
            out[name] = Unknown(at, f"argument {name}")
    if "kwarg" in spec:  # handed on to the constructor that it stands in front of
        out[spec["kwarg"]] = {name: values[name] for name in ("vllm_config", "prefix") if name not in out}
    if "vararg" in spec:
        out[spec["vararg"]] = ()
    return out


def _experts(node: Node, given: Given) -> None:
    """What the loader of an expert layer reads: one rank holds every expert."""
    alone: dict[str, Any] = {"tp_size": 1, "tp_rank": 0, "ep_size": 1, "ep_rank": 0, "use_ep": False}
    count = given.experts
    counts = dict.fromkeys(("num_experts", "num_local_experts", "num_logical_experts", "num_physical_experts"), count)
    placed = Native("map_global_to_local", lambda args, keywords, at: args[0])
    names = node.instance.names
    names.update(
        alone, quant_config=given.quant_config if node.leaf and node.leaf.quantized else None, _expert_map=None,
        expert_map=None, global_num_experts=count, local_num_experts=count, logical_num_experts=count,
        num_redundant_experts=0, num_fused_shared_experts=0, layer_name=node.path,
        aiter_fmoe_shared_expert_enabled=False, rocm_aiter_fmoe_enabled=False, lora_base_layer_prefix="",
        ckpt_gate_proj_name=given.projections[0], ckpt_down_proj_name=given.projections[1],
        ckpt_up_proj_name=given.projections[2],
        moe_config=_open("moe_config", is_act_and_mul=True, hidden_dim=given.hidden, hidden_dim_unpadded=given.hidden,
                         moe_parallel_config=_open("moe_parallel_config", **alone), **counts, **alone),
        moe_parallel_config=_open("moe_parallel_config", **alone),
        expert_map_manager=_open("expert_map_manager", map_global_to_local=placed, num_fused_shared_experts=0,
                                 expert_map=None, local_num_experts=count, **alone),
    )  # fmt: skip


def _open(label: str, **names: Any) -> Instance:
    return Instance(None, dict(names), closed=False, label=label)
