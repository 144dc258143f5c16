"""The hubs are read through their real clients, against a server on this machine that speaks their protocols."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fake_hubs import COMMIT, FakeHub

from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource
from ascend_compat.source.ranges import fetch_range
from ascend_compat.source.spec import open_source

SPECS = ["hf:org/model", "ms:org/model"]


@pytest.fixture(params=SPECS)
def source(hub: FakeHub, request: pytest.FixtureRequest) -> CheckpointSource:
    return open_source(request.param)


def test_lists_files_with_sizes(source: CheckpointSource) -> None:
    assert dict(source.list()) == {
        "config.json": 19,
        "large.safetensors": 3 << 30,
        "model.safetensors": 10240,
        "sub/x": 1,
    }


def test_reads_documents_and_ranges(source: CheckpointSource) -> None:
    assert source.read_bytes("config.json", 100) == b'{"model_type": "x"}'
    assert source.read_range("model.safetensors", 255, 3) == b"\xff\x00\x01"
    assert source.read_range("model.safetensors", 10239, 50) == b"\xff"


def test_only_the_asked_bytes_of_a_large_file_travel(hub: FakeHub, source: CheckpointSource) -> None:
    assert source.read_head("large.safetensors", 4) == b"head"
    assert hub.sent == 4


def test_server_that_ignores_ranges_is_refused(hub: FakeHub, source: CheckpointSource) -> None:
    hub.ignore_range = True
    assert source.read_bytes("config.json", 100) == b'{"model_type": "x"}'
    with pytest.raises(SourceError, match="ignores range requests"):
        source.read_head("large.safetensors", 1000)


def test_file_that_is_not_there(source: CheckpointSource) -> None:
    with pytest.raises(SourceError, match=r"has no file 'x\.json'"):
        source.read_bytes("x.json", 100)


def test_hub_revision_is_pinned_to_its_commit(hub: FakeHub) -> None:
    assert open_source("hf:org/model@v1").revision == COMMIT


def test_modelscope_revision_is_sent(hub: FakeHub) -> None:
    source = open_source("ms:org/model@v9")
    assert source.revision == "v9"
    assert any("Revision=v9" in path for path, _ in hub.requests)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("org/none", "neither a directory nor a model"),
        ("hf:org/none", "is not a model"),
        ("hf:org/model@none", "no such revision"),
        ("hf:org/gated", "is gated"),
        ("ms:org/none", "is not a model on ModelScope"),
    ],
)
def test_wrong_repository_is_one_line(hub: FakeHub, spec: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)
    assert "hf_secret" not in str(caught.value) + caught.value.hint


def test_unreachable_hub_is_one_line(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="can't be reached") as caught:
        open_source("hf:org/model")
    assert "HF_ENDPOINT" in caught.value.hint


def test_server_error_is_retried_after_the_time_it_asks_for(hub: FakeHub) -> None:
    hub.failures["config.json"] = [(503, {}), (429, {"Retry-After": "7"}), (500, {"Retry-After": "9999"})]
    waits: list[float] = []
    url = f"{hub.url}/cdn/config.json"
    assert fetch_range(url, 0, 5, {}, sleep=waits.append) == b'{"mod'
    assert waits[0] < 1
    assert waits[1:] == [7, 60]


def test_retries_end(hub: FakeHub) -> None:
    hub.failures["config.json"] = [(503, {})] * 9
    with pytest.raises(SourceError, match="failed 3 times: HTTP 503"):
        fetch_range(f"{hub.url}/cdn/config.json", 0, 5, {}, attempts=3, sleep=lambda _: None)


def test_refusal_is_not_retried(hub: FakeHub) -> None:
    hub.failures["config.json"] = [(403, {})] * 9
    with pytest.raises(SourceError, match="refuses access"):
        fetch_range(f"{hub.url}/cdn/config.json", 0, 5, {}, sleep=lambda _: pytest.fail("waited"))


def test_credentials_stay_with_their_host(hub: FakeHub, tmp_path: Path) -> None:
    with FakeHub(hub.directory).running() as cdn:
        hub.redirect_to = cdn.url
        assert open_source("hf:org/model").read_head("config.json", 5) == b'{"mod'
        sent = {name.lower(): value for name, value in cdn.requests[0][1].items()}
    assert "authorization" not in sent
    assert "range" in sent
    assert any("hf_secret" in headers.get("Authorization", "") for _, headers in hub.requests)


@pytest.mark.parametrize("spec", SPECS)
def test_offline_asks_no_server(hub: FakeHub, spec: str, tmp_path: Path) -> None:
    """Run in a fresh interpreter: the clients read the cache location when they are imported."""
    program = (
        "from ascend_compat.source.spec import open_source\n"
        "from ascend_compat.errors import SourceError\n"
        f"try:\n    print(dict(open_source({spec!r}, offline=True).list()))\n"
        "except SourceError as error:\n    print(error)\n"
    )
    env = {
        "PATH": "",
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.url,
        "MODELSCOPE_ENDPOINT": hub.url,
        "MODELSCOPE_CACHE": str(tmp_path / "ms"),
    }

    def run() -> str:
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert "is not in the local" in run()
    snapshot = tmp_path / "hf" / "hub" / "models--org--model" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    if spec.startswith("hf:"):
        assert run() == "{'config.json': 2}"
    assert hub.requests == []
