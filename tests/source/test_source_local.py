"""A local directory is read, and nothing outside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ascend_compat.errors import SourceError
from ascend_compat.source.local import LocalSource
from ascend_compat.source.spec import open_source


def test_lists_files_of_the_directory_and_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b.txt").write_text("12")
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "sub" / "c").write_text("123")
    (tmp_path / ".git" / "d").write_text("1234")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert dict(LocalSource("m", tmp_path).list()) == {"a.txt": 1, "b.txt": 2, "sub/c": 3}


def test_reads_ranges(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    source = LocalSource("m", tmp_path)
    assert source.read_head("a", 3) == b"012"
    assert source.read_range("a", 8, 5) == b"89"
    assert source.read_bytes("a", 10) == b"0123456789"
    with pytest.raises(SourceError, match="more than the 9"):
        source.read_bytes("a", 9)


@pytest.mark.parametrize("path", ["../secret", "sub/../../secret", "/etc/hostname", "link", "linked/secret"])
def test_nothing_outside_is_opened(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "linked").symlink_to(tmp_path)
    with pytest.raises(SourceError, match="outside the directory"):
        LocalSource("m", root).read_head(path, 10)


def test_hugging_face_cache_layout_is_followed(tmp_path: Path) -> None:
    blobs = tmp_path / "models--org--name" / "blobs"
    snapshot = tmp_path / "models--org--name" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "1").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    (tmp_path / "secret").write_text("secret")
    (snapshot / "evil").symlink_to("../../../secret")
    source = LocalSource("m", snapshot)
    assert source.read_head("config.json", 9) == b"{}"
    with pytest.raises(SourceError, match="outside the directory"):
        source.read_head("evil", 9)


def test_special_files_are_not_listed_or_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    source = LocalSource("m", tmp_path)
    assert "config.json" not in source.list()
    with pytest.raises(SourceError, match="not a regular file"):
        source.read_head("config.json", 9)


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no file 'x'") as caught:
        LocalSource("m", tmp_path).read_head("x", 1)
    assert "\n" not in str(caught.value)


def test_a_configuration_file_alone_is_a_model_without_weights(tmp_path: Path) -> None:
    (tmp_path / "org--x_config.json").write_text('{"a": 1}')
    (tmp_path / "org--x_hf_quant_config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"not looked at")
    source = open_source(str(tmp_path / "org--x_config.json"))
    assert dict(source.list()) == {"config.json": 8, "hf_quant_config.json": 2}
    assert source.read_bytes("config.json", 100) == b'{"a": 1}'
    with pytest.raises(SourceError, match="has no file"):
        source.read_range("model.safetensors", 0, 1)
