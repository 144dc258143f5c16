"""Releases from a package index: the right file, its hash checked, downloaded once, credentials never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from releases import Index, sdist, serve, vllm_files, wheel

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin import index as module
from ascend_compat.extract.origin.index import Access, ReleaseMissing, fetch

SDIST, ANY, LINUX = "vllm-0.9.0.tar.gz", "vllm-0.9.0-py3-none-any.whl", "vllm-0.9.0-cp38-abi3-manylinux1_x86_64.whl"


@pytest.fixture
def index() -> Iterator[Index]:
    with serve() as running:
        yield running


def add(index: Index, *names: str) -> None:
    for name in names:
        content = sdist("vllm-0.9.0", vllm_files()) if name.endswith(".gz") else wheel(vllm_files())
        index.add("vllm", name, content)


def get(index: Index, tmp_path: Path, requirement: str = "vllm==0.9.0", offline: bool = False) -> Path:
    return fetch(Requirement(requirement), Access(index.url, offline), tmp_path / "scratch")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("there", "taken"), [((ANY, LINUX, SDIST), SDIST), ((LINUX, ANY), ANY), ((LINUX, "vllm-0.9.0.zip.sig"), LINUX)]
)
def test_an_sdist_comes_first_and_then_a_wheel(
    index: Index, tmp_path: Path, cache: Path, as_json: bool, there: tuple[str, ...], taken: str
) -> None:
    index.json = as_json
    add(index, *there)
    path = get(index, tmp_path)
    assert path == cache / "archives" / "vllm" / "0.9.0" / taken
    assert path.read_bytes() == index.files["vllm"][taken]


def test_a_release_is_downloaded_once(index: Index, tmp_path: Path) -> None:
    add(index, SDIST)
    first = get(index, tmp_path)
    index.asked.clear()
    assert get(index, tmp_path) == first
    assert get(index, tmp_path, offline=True) == first
    assert index.asked == []


def test_a_download_that_was_changed_on_disk_is_not_used(index: Index, tmp_path: Path) -> None:
    add(index, SDIST)
    path = get(index, tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReleaseMissing):
        get(index, tmp_path, offline=True)
    assert get(index, tmp_path).read_bytes() == index.files["vllm"][SDIST]


@pytest.mark.parametrize(
    ("asked", "taken"),
    [("vllm", "0.10.0"), ("vllm<0.10", "0.9.0"), ("vllm==0.11.0rc1", "0.11.0rc1"), ("vllm>=0.11.0rc0", "0.11.0rc1")],
)
def test_a_range_gives_its_newest_release(index: Index, tmp_path: Path, asked: str, taken: str) -> None:
    for version in ("0.9.0", "0.10.0", "0.11.0rc1"):
        index.add("vllm", f"vllm-{version}.tar.gz", sdist(f"vllm-{version}", vllm_files(version)))
    assert get(index, tmp_path, asked).parent.name == taken


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wrong_hash_is_refused_and_not_kept(index: Index, tmp_path: Path, cache: Path, as_json: bool) -> None:
    index.json = as_json
    add(index, SDIST)
    index.hashes[SDIST] = "0" * 64
    with pytest.raises(TreeError, match="does not match its hash"):
        get(index, tmp_path)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_file_without_a_hash_is_refused(index: Index, tmp_path: Path) -> None:
    add(index, SDIST)
    index.hashes[SDIST] = ""
    with pytest.raises(TreeError, match="no SHA-256"):
        get(index, tmp_path)


def test_a_missing_release_names_those_that_are_there(index: Index, tmp_path: Path) -> None:
    add(index, SDIST)
    with pytest.raises(ReleaseMissing, match=r"127\.0\.0\.1 has no vllm==0\.8\.0") as caught:
        get(index, tmp_path, "vllm==0.8.0")
    assert "0.9.0" in caught.value.hint
    with pytest.raises(ReleaseMissing, match="no project vllm-ascend"):
        get(index, tmp_path, "vllm-ascend==0.8.0")


def test_a_cut_connection_is_one_line_and_leaves_nothing(index: Index, tmp_path: Path, cache: Path) -> None:
    add(index, SDIST)
    index.cut.add(SDIST)
    with pytest.raises(TreeError, match="while downloading"):
        get(index, tmp_path)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_download_that_never_ends_is_stopped(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWNLOAD_BYTES", 100)
    add(index, SDIST)
    with pytest.raises(TreeError, match="is larger than"):
        get(index, tmp_path)


@pytest.mark.parametrize("name", ["../../../evil-0.9.0.tar.gz", "/tmp/vllm-0.9.0.tar.gz", "..%2fvllm-0.9.0.tar.gz"])
def test_a_file_name_of_the_index_never_leads_out_of_the_cache(
    index: Index, tmp_path: Path, cache: Path, name: str
) -> None:
    index.json = True
    index.add("vllm", name, b"x")
    with pytest.raises(ReleaseMissing):
        get(index, tmp_path)
    assert not any(path.name.startswith(("evil", "vllm-")) for path in tmp_path.rglob("*"))


def test_user_and_password_reach_the_index_and_no_message(index: Index, tmp_path: Path) -> None:
    add(index, SDIST)
    index.login = ("me", "s3cr@t")
    url = index.url.replace("//", "//me:s3cr%40t@")
    assert fetch(Requirement("vllm==0.9.0"), Access(url), tmp_path).name == SDIST
    wrong = index.url.replace("//", "//me:hunter2@")
    for requirement in ("vllm==0.7.0", "vllm"):
        with pytest.raises(TreeError, match="401") as caught:
            fetch(Requirement(requirement), Access(wrong), tmp_path)
        assert "hunter2" not in f"{caught.value} {caught.value.hint}"
        assert "me:" not in str(caught.value)


def test_credentials_are_for_the_index_alone() -> None:
    from requests import Request

    sign = module._credentials("https", "index.example", "me", "secret")
    for url, signed in {
        "https://index.example/simple/vllm/": True,
        "http://index.example/simple/vllm/": False,
        "https://index.example:444/x": False,
        "https://files.example/vllm.tar.gz": False,
    }.items():
        assert ("Authorization" in sign(Request("GET", url).prepare()).headers) is signed


def test_an_index_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match=r"127\.0\.0\.1 failed") as caught:
        fetch(Requirement("vllm==0.9.0"), Access("http://u:pass@127.0.0.1:9/simple"), tmp_path)
    assert "pass" not in str(caught.value)
    with pytest.raises(TreeError, match="no http address"):
        fetch(Requirement("vllm==0.9.0"), Access("file:///simple"), tmp_path)


def test_the_index_comes_from_pips_variable(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(index, SDIST)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    assert fetch(Requirement("vllm==0.9.0"), Access(), tmp_path).name == SDIST


def test_a_cache_that_can_not_be_written_is_done_without(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(index, SDIST)
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert get(index, tmp_path).parent == tmp_path / "scratch"


def test_how_far_a_download_is_can_be_seen(index: Index, tmp_path: Path) -> None:
    add(index, SDIST)
    seen: list[tuple[str, int, int | None]] = []
    fetch(Requirement("vllm==0.9.0"), Access(index.url, progress=lambda *step: seen.append(step)), tmp_path)
    size = len(index.files["vllm"][SDIST])
    assert seen[-1] == (f"download {SDIST}", size, size)
