"""What a release sees around it when it starts: device type, checkpoint files, libraries outside the trees."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.version import InvalidVersion, Version

from ascend_compat.knowledge.evaluate.values import External, Instance, Native, Raised, Tensor, Unknown

#: Where the engine offers its parallel sizes.
DISTRIBUTED = ("vllm.distributed", "vllm.distributed.parallel_state")
#: Fields of compressed-tensors' ``QuantizationArgs`` with their defaults.
#: Source: compressed-tensors, ``quantization/quant_args.py``, class ``QuantizationArgs``.
_ARGS_DEFAULTS: dict[str, Any] = {
    "num_bits": 8, "type": "int", "symmetric": True, "group_size": None, "strategy": None, "block_structure": None,
    "dynamic": False, "actorder": None, "observer": None, "observer_kwargs": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parallel:
    """Sizes of the layout a start is replayed with: as launched, else one rank, which allocates whole modules."""

    tensor: int = 1
    data: int = 1
    pipeline: int = 1
    experts: bool = False

    def groups(self) -> dict[str, Native]:
        """The engine's functions that give sizes and groups of processes, by dotted name; the rank is the first."""
        sizes = {"tp": self.tensor, "dp": self.data, "pp": self.pipeline, "ep": self.tensor * self.data}
        out = {}
        for home in DISTRIBUTED:
            out[f"{home}.get_tensor_model_parallel_world_size"] = _fixed(self.tensor)
            out[f"{home}.get_tensor_model_parallel_rank"] = _fixed(0)
            for name, size in sizes.items():
                group = Instance(None, {"world_size": size, "rank_in_group": 0}, closed=False, label=f"{name} group")
                out[f"{home}.get_{name}_group"] = _fixed(group)
        return out

    def config(self) -> Instance:
        """The engine's ``parallel_config``."""
        names = {
            "tensor_parallel_size": self.tensor,
            "data_parallel_size": self.data,
            "pipeline_parallel_size": self.pipeline,
            "enable_expert_parallel": self.experts,
        }
        return Instance(None, names, closed=False, label="parallel_config")


@dataclass(frozen=True, slots=True)
class Environment:
    """``values`` are the curated externals; ``files`` the parsed JSON files of the checkpoint by name."""

    device_type: str
    config: Mapping[str, Any]
    files: Mapping[str, Any]
    quantization: str | None = None
    dtype: str = "bfloat16"
    kv_cache_dtype: str = "auto"
    enforce_eager: bool = False
    parallel: Parallel = Parallel()
    soc_version: str | None = None
    vllm_version: str | None = None
    model_path: str = "/model"
    additional_config: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def externals(self) -> dict[str, Any]:
        """Dotted names outside the trees to values."""
        return {
            **self.values,
            "vllm_ascend._build_info.__device_type__": self.device_type,
            **({"vllm_ascend._build_info.__soc_version__": self.soc_version} if self.soc_version else {}),
            "typing.TYPE_CHECKING": False,
            "torch.npu.is_available": _fixed(True),
            "compressed_tensors.quantization.QuantizationArgs.model_validate": Native("model_validate", _quant_args),
            "pathlib.Path": Native("Path", lambda args, keywords, at: self._path(args, at)),
            "os.path.isdir": _fixed(True),
            "os.path.join": Native("join", lambda args, keywords, at: "/".join(map(str, args))),
            "os.path.exists": Native("exists", lambda args, keywords, at: self._exists(args, at)),
            "os.path.isfile": Native("isfile", lambda args, keywords, at: self._exists(args, at)),
            "os.path.basename": Native("basename", lambda args, keywords, at: str(args[0]).rpartition("/")[2]),
            "glob.glob": Native("glob", lambda args, keywords, at: self._glob()),
            **self.parallel.groups(),
            "os.getenv": Native("getenv", self._variable),
            "os.environ.get": Native("get", self._variable),
            "open": Native("open", lambda args, keywords, at: args[0]),
            "json.load": Native("load", self._load),
            "vllm.model_executor.utils.set_weight_attrs": Native("set_weight_attrs", _set_attributes),
            "packaging.version.Version": Native("Version", _version),
            "packaging.version.parse": Native("parse", _version),
            **({"vllm.__version__": self.vllm_version} if self.vllm_version else {}),
        }

    def _variable(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """What the launch sets a variable to, else what the caller falls back on."""
        if not args or not isinstance(args[0], str):
            return Unknown(at, "a variable whose name can't be known")
        return self.variables.get(args[0], args[1] if len(args) > 1 else keywords.get("default"))

    def _path(self, args: list[Any], at: str) -> Any:
        if args and isinstance(args[0], Instance):
            return args[0]
        if not args or not isinstance(args[0], str):
            return Unknown(at, "a path that can't be known")
        path = args[0]
        names = {
            "joinpath": Native("joinpath", lambda parts, keywords, where: self._path([f"{path}/{parts[0]}"], where)),
            "exists": _fixed(path == self.model_path or self._name(path) in self.files),
            "is_file": _fixed(self._name(path) in self.files),
            "is_dir": _fixed(path == self.model_path),
            "name": path.rpartition("/")[2],
            "path": path,
        }
        return Instance(None, names, label="path")

    def _name(self, path: str) -> str:
        return path.removeprefix(f"{self.model_path}/")

    def _exists(self, args: list[Any], at: str) -> Any:
        if not args or isinstance(args[0], Unknown):
            return args[0] if args else Unknown(at, "a path that can't be known")
        path = args[0].names.get("path", "") if isinstance(args[0], Instance) else str(args[0])
        return path == self.model_path or self._name(path) in self.files

    def _glob(self) -> list[str]:
        return [f"{self.model_path}/{name}" for name in self.files]

    def _load(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        item = args[0] if args else None
        path = item.names.get("path") if isinstance(item, Instance) else item
        if not isinstance(path, str):
            return Unknown(at, "content of a file that can't be known")
        if self._name(path) not in self.files:
            raise Raised("FileNotFoundError", path, at)
        return copy.deepcopy(self.files[self._name(path)])


def _version(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """A version of the packaging library, which the trees compare with."""
    if not args or not isinstance(args[0], str):
        return args[0] if args else Unknown(at, "a version that can't be known")
    try:
        return Version(args[0])
    except InvalidVersion as error:
        raise Raised("InvalidVersion", str(error), at) from None


def _set_attributes(args: list[Any], keywords: dict[str, Any], at: str) -> None:
    """vLLM's ``set_weight_attrs``."""
    if len(args) == 2 and isinstance(args[0], Tensor) and isinstance(args[1], dict):
        args[0].attributes.update(args[1])


def _fixed(value: Any) -> Native:
    return Native("constant", lambda args, keywords, at: value)


def _quant_args(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """``QuantizationArgs.model_validate``: defaults, and the strategy compressed-tensors infers when none is given."""
    declared = args[0] if args else None
    if isinstance(declared, (Unknown, External)):
        return declared
    if not isinstance(declared, dict):
        raise Raised("ValidationError", "QuantizationArgs needs a mapping", at)
    names = {**_ARGS_DEFAULTS, **declared}
    for key in ("type", "strategy"):
        if isinstance(names[key], str):
            names[key] = names[key].lower()
    if names["strategy"] is None:
        names["strategy"] = _inferred_strategy(names["group_size"])
    return Instance(None, names, closed=False, label="QuantizationArgs")


def _inferred_strategy(group_size: Any) -> str:
    if group_size is None:
        return "tensor"
    return "group" if isinstance(group_size, int) and group_size > 0 else "channel"
