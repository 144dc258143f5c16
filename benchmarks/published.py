"""Published rows and the models they name: reads the shared data beside the repository, judges one row."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from model_tables import make_facts

from ascend_compat.classify.profile import classify
from ascend_compat.cli.options import human_readable
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import LaunchProfile, Soc, Target
from ascend_compat.core.units import GIB
from ascend_compat.memory.plan import make_plan
from ascend_compat.memory.rules import MemoryRules, load_memory_rules
from ascend_compat.memory.soc import resolve_soc

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("ASCEND_COMPAT_SHARED", str(ROOT.parent / "shared"))) / "data"
RULES = ROOT / "rules" / "curated"
_ROW_OPTIONS = (
    "tp", "dp", "pp", "ep", "pcp", "dcp", "max_model_len", "max_num_seqs", "max_num_batched_tokens",
    "gpu_memory_utilization", "kv_cache_memory_bytes",
)  # fmt: skip
_FLAGS = {"kv_cache_dtype": "--kv-cache-dtype"}


class NoModel(Exception):
    """The sizes of a row's model are not known."""


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of ``DATA/name.jsonl``; exits with a sentence where the data is not there."""
    path = DATA / f"{name}.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; set ASCEND_COMPAT_SHARED to the folder that has data/")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def same_launch(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The published deployment that is the same launch as a row, redundant experts included; ``None`` without one."""
    names = ("base_model", "precision", "soc", "tp", "dp", "max_model_len", "gpu_memory_utilization")
    for other in rows("deployments"):
        same = all(row.get(name) == other.get(name) for name in names) and row["npus"] == other["npus_total_used"]
        if same and _redundant(row) == _redundant(other):
            return other
    return None


def _redundant(row: Mapping[str, Any]) -> Any:
    options = _json((row.get("extra") or {}).get("additional_config") or "{}")
    return options.get("init_redundancy_expert") if isinstance(options, dict) else None


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    found = tomllib.loads((ROOT / "benchmarks" / "models.toml").read_text(encoding="utf-8"))["models"]
    return {name: entry for entry in found for name in entry["names"]}


def models() -> list[str]:
    """Names of the models whose sizes are known."""
    return list(_table())


def config_of(name: str | None) -> dict[str, Any]:
    """``config.json`` of a published model; :class:`NoModel` when its sizes are not known."""
    entry = _table().get(name or "")
    if entry is None:
        raise NoModel(f"the sizes of {name} are not published")
    if "base" in entry:
        return {key: value for key, value in config_of(entry["base"]).items() if key not in entry["without"]}
    config: dict[str, Any] = {}
    if "fixture" in entry:
        facts = tomllib.loads((ROOT / "fixtures" / f"{entry['fixture']}.toml").read_text(encoding="utf-8"))
        config = facts["config"]
    elif "config" in entry or "text" in entry:
        path = DATA / "configs" / f"{entry.get('config') or entry['text']}_config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config = config.get(entry.get("part", ""), config)
    if "text" in entry:
        text = {k: v for k, v in config.items() if k != "architectures"}
        config = {"text_config": text, "tie_word_embeddings": text.get("tie_word_embeddings", False)}
    config = {**config, **entry.get("set", {})}
    if "text_set" in entry:
        text = {**config["text_config"], **entry["text_set"]}
        kinds = config["text_config"].get("layer_types")
        if kinds and text["layer_types"] == "repeat":
            text["layer_types"] = [kinds[n % len(kinds)] for n in range(text["num_hidden_layers"])]
        config["text_config"] = text
    for key in ("vision", "audio"):
        if key in entry:
            config[f"{key}_config"] = {**config.get(f"{key}_config", {}), **entry[key]}
    return config


def page(name: str | None) -> Mapping[str, Any]:
    """What the page of a model says of all its launches: ``release`` and ``additional_config``, where it does."""
    entry = _table().get(name or "", {})
    return _table().get(entry.get("base", ""), entry)


def form(row: Mapping[str, Any]) -> str:
    """The model of a row with the towers of the form that its case names (``5.3 image Online Deployment``)."""
    base = str(row["base_model"])
    names = (f"{base.partition(' (')[0]}, {word}" for word in re.findall(r"\w+", str(row.get("case") or "")))
    return next((name for name in names if name in _table()), base)


@lru_cache(maxsize=64)
def model(name: str | None, precision: str) -> tuple[CheckpointFacts, ModelProfile]:
    """Facts and profile of a published model in a precision."""
    facts = make_facts(str(name), config_of(name), precision, _table()[str(name)].get("float", ()))
    return facts, classify(facts)


@lru_cache(maxsize=1)
def memory_rules() -> MemoryRules:
    """The curated rules of this tree."""
    return load_memory_rules(RULES)


def release_of(row: Mapping[str, Any]) -> str:
    """The release of a row, else of the model's page; rows of no release count as the newest."""
    text = str(row.get("release") or "").lstrip("v")
    if not text[:1].isdigit():
        text = page(row["base_model"]).get("release", "")
    return text if text[:1].isdigit() else "0.25.1rc1"


def device(row: Mapping[str, Any]) -> Soc:
    """The device of a row with the memory its runtime sees; 310P rows name no size and get the larger board."""
    name = row.get("soc") or "A2"
    nominal = row.get("mem_per_npu_gib") or max(row.get("mem_candidates_gib") or [48 if name == "310P" else 64])
    return resolve_soc(name, f"{nominal}G", RULES)


def target(row: Mapping[str, Any]) -> Target:
    """Release and device of a row."""
    release = release_of(row)
    return Target(release, release.partition("rc")[0], device(row), "published")


def launch(row: Mapping[str, Any], **changes: Any) -> LaunchProfile:
    """The launch profile of a row."""
    options: dict[str, Any] = {name: row.get(name) for name in _ROW_OPTIONS}
    spec = row.get("speculative")
    if spec:
        options["speculative"] = {"method": spec.get("method"), "num_speculative_tokens": spec.get("num_tokens") or 1}
    extra = row.get("extra") or {}
    said = page(row["base_model"]).get("additional_config")
    if isinstance(extra.get("additional_config"), str):
        options["additional_config"] = _json(extra["additional_config"])
    if said:
        options["additional_config"] = {**said, **(options.get("additional_config") or {})}
    flags = {flag: str(row[name]) for name, flag in _FLAGS.items() if row.get(name)}
    if extra.get("kv-cache-memory-bytes"):
        options["kv_cache_memory_bytes"] = human_readable(str(extra["kv-cache-memory-bytes"]))
    for name in ("block-size", "hf-overrides", "mm-encoder-tp-mode", "mamba-cache-mode"):
        if extra.get(name):
            flags[f"--{name}"] = str(extra[name])
    return LaunchProfile(**{
        **options, "flags": flags, "enforce_eager": bool(row.get("enforce_eager")),
        "enable_prefix_caching": extra.get("prefix_caching"), "environment": row.get("envs") or None, **changes,
    })  # fmt: skip


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def judged(row: Mapping[str, Any], **changes: Any) -> MemoryPlan:
    """The memory plan of a row; :class:`NoModel` when its sizes are not known.

    A row that states no length is judged at the model's own maximum, which is what vLLM takes.
    """
    facts, profile = model(form(row), row.get("precision") or "bf16")
    changes.setdefault("max_model_len", row.get("max_model_len") or profile.max_positions)
    return make_plan(facts, profile, target(row), launch(row, **changes), memory_rules(), {})


def gib(size: float | None) -> str:
    """GiB with two digits, ``-`` for nothing."""
    return "-" if size is None else f"{size / GIB:.2f}"
