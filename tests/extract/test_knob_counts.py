"""How many knobs each release has, against counts made by hand from the same releases."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from extract.trees import real_trees

from ascend_compat.extract.build import TABLES
from ascend_compat.extract.parsers import extract_parsers
from ascend_compat.knowledge.load import Rules

RULES = Path(__file__).resolve().parents[2] / "rules"
SECTIONS = ("versions", "environment", "environment_set", "additional_config", "flags", "config_keys")
#: The classes whose fields were counted.
COUNTED = (
    "ModelConfig ParallelConfig CompilationConfig SpeculativeConfig VllmConfig CacheConfig SchedulerConfig "
    "MultiModalConfig PassConfig KVTransferConfig ProfilerConfig AttentionConfig KVEventsConfig EPLBConfig "
    "StructuredOutputsConfig KernelConfig"
).split()
#: ``-h`` and ``--help``, which argparse adds to every command; no line of the trees does.
HELP = 2
COLUMNS = ("vllm", "flags", "keys", "vllm_env", "ascend_env", "env_anywhere", "additional", "nested", "tool",
           "reasoning", "cann", "torch_npu", "triton_ascend")  # fmt: skip
TABLE = {
    "0.11.0": ("0.11.0", 194, 234, 196, 32, 52, 31, 15, 24, 9, "8.3.rc2", "2.7.1", None),
    "0.13.0rc1": ("0.13.0", 216, 280, 222, 25, 41, 23, 10, 29, 16, "8.3.rc2", "2.8.0", None),
    "0.13.0": ("0.13.0", 216, 280, 222, 25, 45, 27, 10, 29, 16, "8.5.0", "2.8.0.post2", "3.2.0"),
    "0.18.0rc1": ("0.18.0", 248, 314, 233, 21, 40, 20, 22, 33, 18, "8.5.1", "2.9.0", "3.2.0"),
    "0.18.0": ("0.18.0", 248, 314, 233, 21, 40, 20, 22, 33, 18, "8.5.1", "2.9.0", "3.2.0"),
    "0.19.1rc1": ("0.19.1", 254, 326, 238, 22, 44, 24, 25, 34, 19, "8.5.1", "2.9.0", "3.2.0"),
    "0.20.2rc1": ("0.20.2", 262, 342, 250, 23, 45, 39, 27, 37, 22, "9.0.0", "2.10.0", "3.2.1"),
    "0.21.0rc1": ("0.21.0", 270, 353, 253, 21, 44, 41, 31, 41, 25, "9.0.0", "2.10.0", "3.2.1"),
    "0.22.1rc1": ("0.22.1", 285, 359, 266, 21, 45, 40, 31, 42, 25, "9.0.0", "2.10.0", "3.2.1"),
    "0.23.0": ("0.23.0", 285, 359, 268, 21, 46, 44, 33, 43, 25, "9.1.0", "2.10.0.post4", "3.2.2"),
    "0.24.0rc1": ("0.24.0", 291, 366, 268, 21, 46, 41, 31, 43, 27, "9.0.1", "2.10.0.post2", "3.2.1"),
    "0.25.1rc1": ("0.25.1", 295, 373, 273, 19, 43, 32, 25, 43, 27, "9.0.1", "2.10.0.post2", "3.2.1"),
}
_DSA = "the count misses enable_dsa_cp, which vllm_ascend/utils.py looks for with `in`"
_PAIR = "the sdist of 0.21.0rc1 pins vllm 0.22.1 (Dockerfile:50); the count was made of a checkout paired with 0.21.0"
#: Cells where the trees say otherwise: what they say, and why the count differs.
EXCEPTIONS: dict[tuple[str, str], tuple[Any, str]] = {
    ("0.11.0", "additional"): (20, "TorchairGraphConfig is given its section and the whole mapping: its 11 keys were"
                                   " counted on both levels"),
    ("0.11.0", "nested"): (14, "multistream_overlap_shared_expert is read off the whole mapping there"),
    ("0.13.0", "nested"): (17, "the 7 keys of eplb_config are read in refresh_eplb_config, which is given it"),
    ("0.20.2rc1", "additional"): (40, _DSA),
    ("0.22.1rc1", "additional"): (41, _DSA),
    ("0.23.0", "additional"): (45, _DSA),
    ("0.24.0rc1", "additional"): (42, _DSA),
    ("0.24.0rc1", "nested"): (34, "the 3 keys of short_request_first_config: its class is handed the read itself"),
    ("0.25.1rc1", "additional"): (38, _DSA + "; the 5 keys that moved into scheduler_config are still read"),
    ("0.25.1rc1", "nested"): (44, "the 5 keys of scheduler_config, and 14 of its sections by their old place"),
    ("0.21.0rc1", "vllm"): ("0.22.1", _PAIR),
    ("0.21.0rc1", "flags"): (285, _PAIR),
    ("0.21.0rc1", "keys"): (359, _PAIR),
    ("0.21.0rc1", "vllm_env"): (266, _PAIR),
    ("0.21.0rc1", "tool"): (42, _PAIR),
    ("0.21.0rc1", "additional"): (43, _DSA + "; the sdist has one key more than the checkout that was counted"),
}  # fmt: skip


def counts(pack: dict[str, Any]) -> dict[str, Any]:
    flags, keys, environment = pack["flags"], pack["config_keys"], pack["environment"]
    given = [name for name in flags if not (name.startswith("--no-") and f"--{name[5:]}" in flags)]
    listed = {
        name: {entry["at"], entry.get("also", "")} for name, entry in environment.items() if "unlisted" not in entry
    }
    plugin = {name for name, entry in environment.items()
              if any(entry.get(place, "").startswith("vllm_ascend/") for place in ("at", "also"))}  # fmt: skip
    additional = {k: v for k, v in pack["additional_config"].items() if v["at"].startswith("vllm_ascend/")}
    versions = {name: entry["value"] for name, entry in pack["versions"].items()}
    return {
        "vllm": versions["vllm"],
        "flags": len(given) + HELP,
        "keys": sum(len(keys[c]["keys"]) + len(keys[c].get("fixed", ())) for c in COUNTED if c in keys),
        "vllm_env": sum(any(at.startswith("vllm/envs.py") for at in places) for places in listed.values()),
        "ascend_env": sum(any(at.startswith("vllm_ascend/envs.py") for at in places) for places in listed.values()),
        # The count took what is set for what is read.
        "env_anywhere": len(plugin | set(pack["environment_set"])),
        "additional": len(additional),
        "nested": sum(len(entry.get("keys", ())) for entry in additional.values()),
        "tool": len(pack["tool_parsers"]),
        "reasoning": len(pack["reasoning_parsers"]),
        **{name: versions.get(name) for name in ("cann", "torch_npu", "triton_ascend")},
    }


def expected(release: str) -> dict[str, Any]:
    row = dict(zip(COLUMNS, TABLE[release], strict=True))
    return row | {column: value for (of, column), (value, _) in EXCEPTIONS.items() if of == release}


def paired(release: str) -> str:
    return str(expected(release)["vllm"])


@cache
def extracted(release: str, vllm: str) -> dict[str, Any]:
    trees = real_trees(release, vllm)
    pack = {name: TABLES[name](trees) for name in SECTIONS}
    pack["tool_parsers"], pack["reasoning_parsers"] = extract_parsers(trees)
    return pack


@pytest.mark.parametrize("release", TABLE)
def test_counts_of_a_release_from_its_trees(release: str) -> None:
    assert counts(extracted(release, paired(release))) == expected(release)


@pytest.mark.parametrize("release", TABLE)
def test_counts_of_a_release_from_its_pack(release: str) -> None:
    pack = Rules(RULES).pack(release)
    if "config_keys" not in pack:
        pytest.skip(f"the pack of {release} was built before it held the keys of configuration classes")
    assert counts(pack) == expected(release)


def test_an_exception_is_an_exception() -> None:
    for (release, column), (value, reason) in EXCEPTIONS.items():
        assert TABLE[release][COLUMNS.index(column)] != value, f"{release} {column} is no exception"
        assert len(reason) > 20


def _releases() -> list[tuple[str, str]]:
    """Every release at hand that nobody counted, with the engine it pins."""
    home = Path(os.environ.get("ASCEND_COMPAT_TREES", "."))
    return [(path.name.partition("-")[2], str(path)) for path in sorted(home.glob("vllm_ascend-*")) if path.is_dir()]


@pytest.mark.parametrize(
    ("release", "path"), [row for row in _releases() if row[0] not in TABLE][::5], ids=lambda v: v[-12:]
)
def test_a_release_that_nobody_counted_has_every_kind_of_knob(release: str, path: str) -> None:
    engines = sorted(Path(path).parent.glob("vllm-[0-9]*/vllm/__init__.py"))
    if not engines:
        pytest.skip("no vllm tree beside it")
    wanted = TABLES["versions"](real_trees(release, engines[0].parents[1].name.partition("-")[2]))["vllm"]["value"]
    found = counts(extracted(release, wanted))
    low = {"flags": 150, "keys": 150, "vllm_env": 100, "ascend_env": 10, "env_anywhere": 20, "additional": 5,
           "nested": 5, "tool": 10, "reasoning": 2}  # fmt: skip
    assert {name: found[name] for name, least in low.items() if found[name] < least} == {}
