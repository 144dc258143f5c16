"""Which quantization schemes a release registers, and the dtypes each allocates, by running the release's own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.evaluate.frames import Frame, Return
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import (
    Bound,
    Class,
    External,
    Function,
    Instance,
    Native,
    Raised,
    Tensor,
    Undecided,
)
from ascend_compat.knowledge.replay import DTYPES, PLATFORM, Replay
from ascend_compat.knowledge.variables import variables

MAIN = "main"
#: The folder of the plugin's quantization code, wherever it stands.
_QUANT = "quantization"
#: The model's own dtype, whatever it is.
MODEL_DTYPE = "model dtype"
#: dtypes of a model that the allocation is run with; a parameter that follows both follows the model.
_MODEL_DTYPES = ("bfloat16", "float16")
#: Sizes to allocate with: only dtypes are read off. A multiple of every group size in use.
_SIZE = 4096
_EXPERTS = 8
#: A parameter class of vLLM that hands its tensor on; it is outside every pack.
_WRAPPER = "vllm.model_executor.parameter.PerTensorScaleParameter"
#: dtype of a parameter that could not be followed.
OPEN = "?"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One registered class. ``dtypes`` maps parameters to torch dtypes: ``model dtype`` for the model's own, two with
    a slash where it depends on that one; ``why`` (reason) and ``why_at`` (line) say what stopped the allocation.
    """

    registry: str
    quant_type: str
    layer: str
    cls: str
    at: str
    dtypes: Mapping[str, str] | None = None
    why: str = ""
    why_at: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Registry, quantization type, layer type."""
        return self.registry, self.quant_type, self.layer


@dataclass(slots=True)
class Registered:
    """Every scheme of a release, and what could not be followed on the way, as ``(reason, line)``."""

    schemes: dict[tuple[str, str, str], Scheme] = field(default_factory=dict)
    unfollowed: list[tuple[str, str]] = field(default_factory=list)


def opened(pack: Mapping[str, Any], device: str, values: Mapping[str, Any], dtype: str = "bfloat16") -> Replay:
    """A release on a device type with no checkpoint in sight."""
    environment = Environment(
        device_type=device,
        config={},
        files={},
        dtype=dtype,
        vllm_version=pack.get("release", {}).get("vllm"),
        values={**variables(pack, {}), **values},
    )
    replay = Replay(pack.get("code", {}), environment)
    replay.vllm_config.names["quant_config"] = Instance(None, {"quant_description": {}}, closed=False)
    replay.model_config.names["hf_config"].closed = False
    replay.machine.externals[_WRAPPER] = Native("parameter", lambda args, keywords, at: keywords.get("data"))
    return replay


def register(replay: Replay) -> tuple[str, str] | None:
    """Import what the platform class imports as vLLM starts; the reason and line where that can't be followed."""
    machine = replay.machine
    platform = machine.member(*PLATFORM)
    if not isinstance(platform, Class):
        return "the platform class was not found", "vllm_ascend/platform.py"
    machine.externals["vllm.platforms.current_platform"] = Instance(platform)

    def run() -> None:
        machine.call(machine.attribute(platform, "pre_register_and_update", platform.at), [], {}, platform.at)

    return _attempt(run)


def registered(pack: Mapping[str, Any], devices: Mapping[str, str], values: Mapping[str, Any]) -> Registered:
    """The schemes of a release. ``devices`` maps SoC names to device types: a registry in a folder of one SoC
    (``_310p``) is that SoC's, every other one is ``main``."""
    out = Registered()
    seen: dict[tuple[str, str, str], dict[str, Scheme]] = {}
    device = next(iter(devices.values()), "A2")
    for dtype in _MODEL_DTYPES:
        replay = opened(pack, device, values, dtype)
        register(replay)
        _import_packages(replay.machine)
        out.unfollowed += [(error.reason, error.at) for error in replay.machine.lost]
        for scheme in _schemes(replay, devices):
            seen.setdefault(scheme.key, {})[dtype] = scheme
    out.unfollowed = sorted(set(out.unfollowed))
    for key in sorted(seen):
        out.schemes[key] = _combined(seen[key])
    return out


def _import_packages(machine: Machine) -> None:
    """Import every package of the plugin's quantization code: a package imports what registers itself."""
    for name, module in sorted(machine.modules.items()):
        if module.package and name.startswith("vllm_ascend.") and _QUANT in name.split("."):
            machine.load(name)


def _schemes(replay: Replay, devices: Mapping[str, str]) -> list[Scheme]:
    """Every row of every table that importing filled; all are read before the first one allocates and imports more."""
    folders = {device.lower(): soc for soc, device in devices.items()}
    found: list[tuple[Scheme, Class]] = []
    for name, module in sorted(replay.machine.modules.items()):
        if not module.ready or not name.startswith("vllm_ascend."):
            continue
        registry = next((folders[part] for part in name.split(".") if part in folders), MAIN)
        for table in [value for value in module.names.values() if isinstance(value, dict)]:
            for quant_type, layer, cls in _rows(replay.machine, table):
                found.append((Scheme(registry, quant_type, layer, cls.name, cls.at), cls))
    return [_allocated(replay, scheme, cls) for scheme, cls in found]


def _rows(machine: Machine, table: Mapping[Any, Any]) -> Iterator[tuple[str, str, Class]]:
    """The three forms in use: ``{(type, layer): class}``, ``{type: {layer: class}}``, ``{type: builder class}``."""
    for key, value in table.items():
        if isinstance(key, tuple) and len(key) == 2 and isinstance(value, Class):
            yield str(key[0]), str(key[1]), value
        elif isinstance(key, str) and isinstance(value, dict):
            yield from ((key, str(layer), cls) for layer, cls in value.items() if isinstance(cls, Class))
        elif isinstance(key, str) and isinstance(value, Class):
            yield from ((key, layer, cls) for layer, cls in _built(machine, value))


def _built(machine: Machine, builder: Class) -> Iterator[tuple[str, Class]]:
    """What ``build_<layer>_method()`` of a builder class makes; a method that raises builds nothing."""
    names = {name for cls in builder.lineage() if isinstance(cls, Class) for name in cls.names}
    for name in sorted(names):
        if name.startswith("build_") and name.endswith("_method"):
            try:
                made = machine.call(machine.attribute(builder, name, builder.at), [], {}, builder.at)
            except (Raised, Undecided):
                continue
            if isinstance(made, Instance) and made.cls is not None:
                yield name.removeprefix("build_").removesuffix("_method"), made.cls


def _allocated(replay: Replay, scheme: Scheme, cls: Class) -> Scheme:
    """The scheme with its dtypes. A constructor that stops half-way leaves what it has set so far."""
    machine = replay.machine
    params: dict[str, str] = {}

    def keep(args: list[Any], keywords: dict[str, Any], at: str) -> None:
        if len(args) == 2 and isinstance(args[0], str):
            params[args[0]] = (args[1].dtype or OPEN) if isinstance(args[1], Tensor) else OPEN

    layer = Instance(None, {"register_parameter": Native("register_parameter", keep)}, closed=False, label="layer")
    made = Instance(cls)
    stopped = _construct(machine, made)
    failed = _attempt(lambda: _create(replay, made, layer))
    if failed is None:
        return _with(scheme, params)
    return _with(scheme, params or None, *(stopped or failed))


def _with(scheme: Scheme, dtypes: Mapping[str, str] | None, why: str = "", why_at: str = "") -> Scheme:
    return Scheme(scheme.registry, scheme.quant_type, scheme.layer, scheme.cls, scheme.at, dtypes, why, why_at)


def _attempt(run: Callable[[], object]) -> tuple[str, str] | None:
    try:
        run()
    except Undecided as error:
        return error.reason, error.at
    except Raised as error:
        return f"{error.kind}: {error.message}", error.at
    except Return:
        return None
    return None


def _construct(machine: Machine, made: Instance) -> tuple[str, str] | None:
    """Run the constructor statement by statement; what it asks for besides itself is an object nothing is known of.

    A statement that can't be decided is passed over: a guard could only stop the server, and what one would have set is
    missing, which the allocation then says. Gives the first one's reason and line.
    """
    assert made.cls is not None
    init = made.cls.find("__init__")
    if not isinstance(init, Function):
        return None
    needed = [name for name, default in init.spec["params"][1:] if default is None]
    given = [Instance(None, {}, closed=False, label=name) for name in needed]
    frame = Frame(init.module, (machine.bind_arguments(init, [made, *given], {}, made.cls.at), *init.scopes), init)
    troubles = [_attempt(partial(machine.run, node, frame)) for node in init.spec["body"]]
    return next((trouble for trouble in troubles if trouble is not None), None)


def _create(replay: Replay, scheme: Instance, layer: Instance) -> None:
    """Allocate as the adapter does whose ``create_weights`` has the sizes that the scheme's ``get_weight`` asks for."""
    machine, cls = replay.machine, scheme.cls
    assert cls is not None
    own = cls.find("create_weights")
    if isinstance(own, Function):
        machine.call(machine.attribute(scheme, "create_weights", cls.at), [layer], {}, cls.at)
        return
    weight = cls.find("get_weight")
    asked = {name for name, _ in weight.spec["params"]} if isinstance(weight, Function) else set()
    sizes = "num_experts" if "num_experts" in asked else "output_partition_sizes"
    adapter = _adapter(machine, sizes)
    if adapter is None:
        raise Undecided(cls.at, "no class of the plugin allocates for this scheme")
    holder = Instance(adapter, {"quant_method": scheme}, closed=False)
    dtype = External(DTYPES[replay.environment.dtype])
    known: dict[str, Any] = {"layer": layer, "num_experts": _EXPERTS, "params_dtype": dtype}
    known["output_partition_sizes"] = [_SIZE]
    create = adapter.find("create_weights")
    args = [known.get(name, _SIZE) for name, default in create.spec["params"][1:] if default is None]
    machine.call(Bound(create, holder), args, {"weight_loader": External("weight_loader")}, adapter.at)


def _adapter(machine: Machine, sizes: str) -> Class | None:
    """The plugin's class whose ``create_weights`` takes ``sizes`` and hands them to a scheme.

    Some releases import it only where they use it; it is imported here.
    """
    names = [name for name in sorted(machine.modules) if name.startswith("vllm_ascend.") and _QUANT in name.split(".")]
    for name in sorted(names, key=lambda name: not machine.modules[name].ready):
        machine.load(name)
        for value in machine.modules[name].names.values():
            if isinstance(value, Class) and value.module == name:
                create = value.names.get("create_weights")
                if isinstance(create, Function) and sizes in {param for param, _ in create.spec["params"]}:
                    return value
    return None


def _combined(by_dtype: Mapping[str, Scheme]) -> Scheme:
    """One scheme from the runs with both model dtypes."""
    first = by_dtype.get(_MODEL_DTYPES[0]) or next(iter(by_dtype.values()))
    runs = [by_dtype[dtype].dtypes for dtype in _MODEL_DTYPES if dtype in by_dtype]
    if len(runs) < len(_MODEL_DTYPES) or any(run is None for run in runs):
        return first
    old, new = (run or {} for run in runs)
    return _with(
        first, {name: _either(old[name], new.get(name, old[name])) for name in sorted(old)}, first.why, first.why_at
    )


def _either(brain: str, half: str) -> str:
    if (brain, half) == _MODEL_DTYPES:
        return MODEL_DTYPE
    return brain if brain == half else f"{brain}/{half} (bf16/fp16)"
