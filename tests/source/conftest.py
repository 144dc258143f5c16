"""A served checkpoint for the source tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hubs import FakeHub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub serving a directory with config.json, one shard-like file and one large sparse file."""
    served = tmp_path / "served"
    (served / "sub").mkdir(parents=True)
    (served / "sub" / "x").write_text("x")
    (served / "config.json").write_text('{"model_type": "x"}')
    (served / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    with (served / "large.safetensors").open("wb") as file:
        file.write(b"head")
        file.truncate(3 << 30)
    with FakeHub(served).running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "ms-home"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms-cache"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield server
