"""What the checkpoint is judged against: release, SoC, and how the server would be launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Soc:
    """An Ascend device generation. ``memory_bytes`` is what the runtime sees, not what the data sheet says.

    ``device_type`` is what most releases call it, ``versions`` the chips of that generation as CANN names them.
    """

    name: str
    memory_bytes: int
    npus_per_node: int
    device_type: str
    versions: tuple[str, ...] = ()


#: ``max_model_len`` that asks for the longest context that fits, as vLLM's own ``-1`` does.
LONGEST = -1


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the user's own log says of a start with these weights, in bytes; ``None`` where it says nothing."""

    source: str
    weights: int | None = None
    activation: int | None = None
    non_torch: int | None = None
    graph: int | None = None
    kv_cache: int | None = None
    device: int | None = None


@dataclass(frozen=True, slots=True)
class LaunchProfile:
    """What ``vllm serve`` would be given; ``None`` means the release's own default.

    Layout fields that are ``None`` are searched; ``quantization`` ``None`` means auto-detection by the release;
    ``max_model_len`` may be :data:`LONGEST`. ``calibration`` is no option: it is what a log of this launch measured.
    ``environment`` holds variables as set, ``flags`` flags of no field here with their value (``--load-format``).
    """

    tp: int | None = None
    dp: int | None = None
    pp: int | None = None
    ep: bool | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    quantization: str | None = None
    dtype: str | None = None
    speculative: Mapping[str, Any] | None = None
    additional_config: Mapping[str, Any] | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool | None = None
    kv_cache_memory_bytes: int | None = None
    environment: Mapping[str, str] | None = None
    flags: Mapping[str, str | None] | None = None
    pcp: int | None = None
    dcp: int | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One release on one SoC. Versions are ``None`` when the tree does not say."""

    vllm_ascend: str
    vllm: str | None
    soc: Soc
    pack_digest: str
    cann: str | None = None
    torch_npu: str | None = None
