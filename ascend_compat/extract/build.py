"""Build a pack from a vllm-ascend tree and the vllm tree it is paired with: same trees, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ascend_compat.errors import TreeError
from ascend_compat.extract.additional import extract_additional_config
from ascend_compat.extract.backends import extract_backends
from ascend_compat.extract.code import extract_code
from ascend_compat.extract.custom_ops import extract_custom_ops
from ascend_compat.extract.defaults import extract_defaults
from ascend_compat.extract.documented import extract_documented, extract_documented_columns, extract_documented_features
from ascend_compat.extract.knobs import extract_flags
from ascend_compat.extract.modules import extract_modules
from ascend_compat.extract.parsers import extract_parsers
from ascend_compat.extract.patches import extract_patches
from ascend_compat.extract.reads import extract_reads
from ascend_compat.extract.registry import extract_registry
from ascend_compat.extract.subconfig import extract_config_keys
from ascend_compat.extract.tested import extract_tested_models
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.tutorials import extract_tutorials
from ascend_compat.extract.variables import extract_environment, extract_environment_set
from ascend_compat.extract.versions import extract_versions

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
    "code": extract_code,
    "scheme_reads": extract_reads,
}


def build_pack(vllm_ascend: Path, vllm: Path) -> dict[str, Any]:
    """The pack of a pair of trees. Raises :class:`TreeError` when one of them is not a source tree."""
    trees = Trees(Path(vllm_ascend), Path(vllm))
    pack: dict[str, Any] = {"schema": SCHEMA}
    pack.update({name: extract(trees) for name, extract in TABLES.items()})
    pack["architectures"], pack["removed_architectures"] = extract_registry(trees)
    pack["model_classes"], pack["layer_classes"] = extract_modules(trees, pack["architectures"])
    pack["tool_parsers"], pack["reasoning_parsers"] = extract_parsers(trees)
    versions = pack["versions"]
    pack["release"] = {name: versions.get(name, {}).get("value") for name in ("vllm_ascend", "vllm")}
    pack["unfollowed"] = sorted(set(trees.unfollowed))
    pack["digest"] = digest(pack)
    return pack


def build_from_tree(vllm_ascend: Path) -> dict[str, Any]:
    """The pack of a vllm-ascend checkout with the vllm tree it pins, looked for beside it and in ``vllm/`` below.

    A tree of another version is refused: pairing a release with a guessed engine gives answers about neither.
    """
    root = Path(vllm_ascend).resolve()
    places = (root.parent / "vllm", root / "vllm", *sorted(root.parent.glob("vllm-[0-9]*")))
    candidates = [place for place in places if (place / "vllm" / "__init__.py").is_file()]
    wanted = _pinned(root, candidates[0]) if candidates else None
    exact = [place for place in candidates if wanted is not None and _version(place) == wanted]
    open_ones = [place for place in candidates if wanted is None or _version(place) is None]
    if exact or open_ones:
        return build_pack(root, (exact or open_ones)[0])
    found = ", ".join(f"{place.name} ({_version(place)})" for place in candidates) or "none"
    raise TreeError(
        f"{vllm_ascend} is paired with vllm {wanted or '(not pinned)'}, and beside it there is: {found}",
        "build it with: ascend-compat rules build --vllm-ascend TREE --vllm TREE -o FILE, and pass FILE as --target",
    )


def _pinned(root: Path, any_vllm: Path) -> str | None:
    value = extract_versions(Trees(root, any_vllm)).get("vllm", {}).get("value")
    return str(value) if value is not None else None


def _version(tree: Path) -> str | None:
    """The version an unpacked sdist says it is; a git checkout does not say."""
    metadata = tree / "PKG-INFO"
    lines = metadata.read_text(encoding="utf-8", errors="replace").splitlines() if metadata.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Version:")), None)


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
