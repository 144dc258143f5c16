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


@dataclass(frozen=True, slots=True)
class LaunchProfile:
    """What ``vllm serve`` would be given; ``None`` means the release's own default.

    Layout fields that are ``None`` are searched; ``quantization`` ``None`` means auto-detection by the release.
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


@dataclass(frozen=True, slots=True)
class Target:
    """One release on one SoC. Versions are ``None`` when the tree does not say."""

    vllm_ascend: str
    vllm: str | None
    soc: Soc
    pack_digest: str
    cann: str | None = None
    torch_npu: str | None = None
