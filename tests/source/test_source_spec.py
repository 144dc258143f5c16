"""What the user wrote is understood, or refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_compat.errors import SourceError
from ascend_compat.source.local import LocalSource
from ascend_compat.source.spec import ModelSpec, open_source, parse_spec


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("hf:org/name", ModelSpec("huggingface", "org/name")),
        ("hf:org/name@refs/pr/3", ModelSpec("huggingface", "org/name", "refs/pr/3")),
        ("ms:org/name@v1.0", ModelSpec("modelscope", "org/name", "v1.0")),
        ("org/name", ModelSpec("huggingface", "org/name")),
        ("org/name@abc", ModelSpec("huggingface", "org/name", "abc")),
        ("./org/name", ModelSpec("local", "./org/name")),
        ("/models/x", ModelSpec("local", "/models/x")),
        ("a/b/c", ModelSpec("local", "a/b/c")),
        ("name", ModelSpec("local", "name")),
    ],
)
def test_spec_forms(spec: str, expected: ModelSpec) -> None:
    assert parse_spec(spec) == expected


def test_existing_path_wins_over_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_source("org/name"), LocalSource)


@pytest.mark.parametrize("spec", ["", "  ", "/no/such/path", "hf:name", "ms:", "hf:a/b/c", "a\0b", "~no-such-user/x"])
def test_wrong_spec_is_one_line_with_a_hint(spec: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_file_instead_of_directory_names_the_directory(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("{}")
    with pytest.raises(SourceError, match="is a file") as caught:
        open_source(str(tmp_path / "model.safetensors"))
    assert str(tmp_path) in caught.value.hint
