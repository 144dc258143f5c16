"""Build a pack from a vllm-ascend tree and the vllm tree it is paired with: same trees, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ascend_compat.core.class_names import plain
from ascend_compat.core.collector import paused
from ascend_compat.extract.additional import extract_additional_config
from ascend_compat.extract.backends import extract_backends
from ascend_compat.extract.code import extract_code
from ascend_compat.extract.custom_ops import extract_custom_ops
from ascend_compat.extract.defaults import extract_defaults
from ascend_compat.extract.dequantize import extract_dequantizing
from ascend_compat.extract.devices import extract_devices
from ascend_compat.extract.documented import extract_documented, extract_documented_columns, extract_documented_features
from ascend_compat.extract.drafters import drafters
from ascend_compat.extract.kernels import extract_kernels
from ascend_compat.extract.knobs import extract_flags
from ascend_compat.extract.loaders.section import extract_loaders
from ascend_compat.extract.modules import extract_modules
from ascend_compat.extract.origin.stated import same_release, tree_version
from ascend_compat.extract.parsers import extract_parsers
from ascend_compat.extract.patches import extract_patches
from ascend_compat.extract.progress import Progress, silent
from ascend_compat.extract.reads import extract_reads
from ascend_compat.extract.registry import extract_registry
from ascend_compat.extract.subconfig import extract_config_keys
from ascend_compat.extract.tested import extract_tested_models
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.tutorials import extract_tutorials
from ascend_compat.extract.variables import extract_environment, extract_environment_set
from ascend_compat.extract.versions import extract_versions
from ascend_compat.extract.walk.section import extract_operators

SCHEMA = 1
#: Tables that one function fills.
TABLES: dict[str, Callable[[Trees], Any]] = {
    "versions": extract_versions,
    "custom_ops": extract_custom_ops,
    "patches": extract_patches,
    "attention_backends": extract_backends,
    "environment": extract_environment,
    "environment_set": extract_environment_set,
    "additional_config": extract_additional_config,
    "flags": extract_flags,
    "config_keys": extract_config_keys,
    "defaults": extract_defaults,
    "documented": extract_documented,
    "documented_columns": extract_documented_columns,
    "documented_features": extract_documented_features,
    "tutorials": extract_tutorials,
    "tested_models": extract_tested_models,
    "scheme_reads": extract_reads,
    "kernel_tables": extract_kernels,
    "device_types": extract_devices,
}
#: Tables that are filled from patches.
PATCHED: dict[str, Callable[[Trees, Any], Any]] = {"code": extract_code, "dequantizing": extract_dequantizing}
#: Steps of a build, for a progress bar: the tables, then what fills two sections or takes some.
STEPS = (*TABLES, *PATCHED, "architectures", "model_classes", "loaders", "parsers", "operators")


def build_pack(
    vllm_ascend: Path, vllm: Path, progress: Progress = silent, only: Collection[str] | None = None
) -> dict[str, Any]:
    """The pack of a pair of trees.

    ``only`` are plain names of architectures (:func:`ascend_compat.core.class_names.plain`): stages, modules and
    loaders of others are left out but for the drafters that the code may pick for them; the rest is not walked.
    ``release.vllm_source`` is there where the vllm tree is of another version than the one that is pinned. Raises
    :class:`ascend_compat.errors.TreeError` when one of them is not a source tree.
    """
    with paused():
        return _pack(Trees(Path(vllm_ascend), Path(vllm)), progress, only)


def _pack(trees: Trees, progress: Progress, only: Collection[str] | None) -> dict[str, Any]:
    pack: dict[str, Any] = {"schema": SCHEMA, **_sections(trees, progress, only)}
    versions = pack["versions"]
    pack["release"] = {name: versions.get(name, {}).get("value") for name in ("vllm_ascend", "vllm")}
    read, pinned = tree_version(trees.vllm.root), pack["release"]["vllm"]
    if read is not None and pinned is not None and not same_release(read, pinned):
        pack["release"]["vllm_source"] = read
    pack["unfollowed"] = sorted(set(trees.unfollowed))
    pack["digest"] = digest(pack)
    # As a reader of the file gets it: a built pack and a stored one are the same value, tuples and all.
    stored: dict[str, Any] = json.loads(dump(pack))
    return stored


def _sections(trees: Trees, progress: Progress, only: Collection[str] | None = None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    read: set[str] | None = None
    for done, name in enumerate(STEPS):
        progress(f"extract {name}", done, len(STEPS))
        if name == "architectures":
            if only is not None:
                read = {*only, *map(plain, drafters(trees, out["patches"], only))}
            out["architectures"], out["removed_architectures"] = extract_registry(trees, read)
        elif name == "model_classes":
            out["model_classes"], out["layer_classes"] = extract_modules(
                trees, {k: v for k, v in out["architectures"].items() if read is None or plain(k) in read}
            )
        elif name == "loaders":
            out[name] = extract_loaders(trees, out["model_classes"], out["layer_classes"])
        elif name == "operators":
            walked = None if only is None else {k for k in out["architectures"] if plain(k) in only}
            out["operators"] = extract_operators(trees, out["architectures"], out, only=walked)
        elif name == "parsers":
            out["tool_parsers"], out["reasoning_parsers"] = extract_parsers(trees)
        elif name in PATCHED:
            out[name] = PATCHED[name](trees, out["patches"])
        else:
            out[name] = TABLES[name](trees)
    progress("extract", len(STEPS), len(STEPS))
    return out


def digest(pack: dict[str, Any]) -> str:
    """SHA-256 over the pack without its own digest, first 16 hexadecimal digits."""
    content = {k: v for k, v in pack.items() if k != "digest"}
    return hashlib.sha256(dump(content).encode()).hexdigest()[:16]


def dump(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def dump_pack(pack: dict[str, Any]) -> str:
    """The pack as it is stored: one section a line, so that a change shows where it is."""
    lines = [f"{json.dumps(name)}:{dump(value)}" for name, value in sorted(pack.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"
