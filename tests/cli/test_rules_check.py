"""``rules check PACK``: names that tutorials use and nobody reads, with their lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def test_unread_names_are_listed_with_their_lines(run: Run, tmp_path: Path) -> None:
    pack = {
        "schema": 1,
        "environment": {"VLLM_KNOWN": {"at": "vllm/envs.py:1"}},
        "additional_config": {"part": {"at": "a.py:1", "keys": {"moved": {"at": "a.py:2"}}}},
        "tutorials": {
            "pages": [{"path": "docs/t.md"}],
            "env": {"VLLM_KNOWN": "0:3", "VLLM_GONE\u001b[31m": "0:4", "HCCL_BUFFSIZE": "0:5"},
            "keys": {"--additional-config": {"moved": "0:6"}},
        },
    }
    file = tmp_path / "pack.json"
    file.write_text(json.dumps(pack))
    code, out, _ = run("rules", "check", str(file))
    assert code == 0
    assert "1 tutorials use 2 names that nobody reads" in out
    assert "docs/t.md:4" in out and "docs/t.md:6" in out and "docs/t.md:3" not in out
    assert "read as part.moved" in out
    assert "\u001b" not in out


def test_a_pack_without_tutorials_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "pack.json"
    file.write_text('{"schema": 1}')
    assert "holds no tutorials" in run("rules", "check", str(file))[1]


def test_every_rule_file_is_read(run: Run) -> None:
    assert run("rules", "check")[1].endswith("readable\n")
