"""Which vllm a vllm-ascend tree is read with: the one it pins, and a pack that says when it is another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from releases import Index, ascend_files, sdist, serve, vllm_files, wheel, write
from test_origin_git import git

from ascend_compat.errors import TreeError
from ascend_compat.extract.obtain import obtain_pack
from ascend_compat.extract.origin.index import Access
from ascend_compat.extract.origin.pairing import pinned


@pytest.fixture
def index() -> Iterator[Index]:
    with serve() as running:
        yield running


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write(root / name, text.encode())
    return root


def release(index: Index, project: str, version: str, files: dict[str, str]) -> None:
    name = f"{project.replace('-', '_')}-{version}"
    index.add(project, f"{name}.tar.gz", sdist(name, files))


def test_a_requirement_brings_the_engine_it_pins(index: Index) -> None:
    release(index, "vllm-ascend", "0.5.0rc1", ascend_files())
    release(index, "vllm", "0.9.0", vllm_files())
    release(index, "vllm", "0.9.1", vllm_files("0.9.1"))
    pack = obtain_pack("vllm-ascend==0.5.0rc1", None, Access(index.url))
    assert pack["release"] == {"vllm_ascend": "0.5.0rc1", "vllm": "0.9.0"}
    assert pack == obtain_pack("vllm-ascend==0.5.0rc1", None, Access(offline=True))


def test_every_form_of_a_tree_gives_the_same_pack(index: Index, tmp_path: Path) -> None:
    release(index, "vllm-ascend", "0.5.0rc1", ascend_files())
    index.add("vllm", "vllm-0.9.0-py3-none-any.whl", wheel(vllm_files()))
    ascend = tree(tmp_path / "a", ascend_files())
    git(tmp_path, "init", "-q", str(ascend))
    git(ascend, "add", "-A")
    git(ascend, "commit", "-qm", "one")
    engine = tree(tmp_path / "v", vllm_files())
    archives = [
        write(tmp_path / "x.tar.gz", sdist("a", ascend_files())),
        write(tmp_path / "v.whl", wheel(vllm_files())),
    ]
    forms = [
        (str(ascend), str(engine)),
        (f"{ascend}@HEAD", str(engine)),
        (str(archives[0]), str(archives[1])),
        (str(ascend), None),
        ("vllm-ascend", "vllm==0.9.0"),
    ]
    packs = [obtain_pack(*form, Access(index.url)) for form in forms]
    assert all(pack == packs[0] for pack in packs)


def test_a_release_candidate_nobody_has_is_read_from_its_final_release(index: Index, tmp_path: Path) -> None:
    release(index, "vllm", "0.9.0", vllm_files())
    ascend = tree(tmp_path / "a", ascend_files(pinned="0.9.0rc3"))
    pack = obtain_pack(str(ascend), None, Access(index.url))
    assert pack["versions"]["vllm"]["value"] == "0.9.0rc3"
    assert pack["release"] == {"vllm_ascend": "0.5.0rc1", "vllm": "0.9.0rc3", "vllm_source": "0.9.0"}


def test_a_final_release_is_never_replaced(index: Index, tmp_path: Path) -> None:
    release(index, "vllm", "0.9.1", vllm_files("0.9.1"))
    ascend = tree(tmp_path / "a", ascend_files())
    with pytest.raises(TreeError, match=r"paired with vllm 0\.9\.0: 127\.0\.0\.1 has no vllm==0\.9\.0") as caught:
        obtain_pack(str(ascend), None, Access(index.url))
    assert "--vllm" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "fits"), [("0.9.0", True), ("0.9.0+cpu", True), ("0.9.1", False), ("0.9.0rc1", False)]
)
def test_a_given_engine_has_to_be_the_pinned_one(tmp_path: Path, given: str, fits: bool) -> None:
    ascend, engine = tree(tmp_path / "a", ascend_files()), tree(tmp_path / "v", vllm_files(given))
    if fits:
        assert "vllm_source" not in obtain_pack(str(ascend), str(engine), Access(offline=True))["release"]
        return
    with pytest.raises(TreeError, match=rf"is vllm {given}, and the vllm-ascend tree is paired with vllm 0\.9\.0"):
        obtain_pack(str(ascend), str(engine), Access(offline=True))


def test_a_checkout_beside_is_read_at_the_pinned_tag(tmp_path: Path) -> None:
    ascend = tree(tmp_path / "vllm-ascend", ascend_files())
    engine = tree(tmp_path / "vllm", {name: text for name, text in vllm_files().items() if name != "PKG-INFO"})
    git(tmp_path, "init", "-q", str(engine))
    git(engine, "add", "-A")
    git(engine, "commit", "-qm", "one")
    git(engine, "tag", "v0.9.0")
    registry = engine / "vllm/model_executor/models/registry.py"
    registry.write_text(registry.read_text(encoding="utf-8").replace("OldFor", "NewFor"), encoding="utf-8")
    pack = obtain_pack(str(ascend), None, Access(offline=True))
    assert list(pack["removed_architectures"]) == ["OldForCausalLM"]
    git(engine, "tag", "-d", "v0.9.0")
    assert list(obtain_pack(str(ascend), None, Access(offline=True))["removed_architectures"]) == ["NewForCausalLM"]


def test_without_a_pin_nothing_is_guessed(tmp_path: Path) -> None:
    files = {name: text for name, text in ascend_files().items() if name != "Dockerfile"}
    ascend = tree(tmp_path / "vllm-ascend", files)
    with pytest.raises(TreeError, match="does not say which vllm"):
        obtain_pack(str(ascend), None, Access(offline=True))
    for version in ("0.8.0", "0.9.0"):
        tree(tmp_path / f"vllm-{version}", vllm_files(version))
    with pytest.raises(TreeError, match="does not say which vllm"):
        obtain_pack(str(ascend), None, Access(offline=True))


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"Dockerfile": "ARG VLLM_TAG=v1.2.3\n", ".github/vllm-release-tag.commit": "v4.5.6\n"}, "1.2.3"),
        ({".github/vllm-release-tag.commit": "v4.5.6\n"}, "4.5.6"),
        ({"docs/a/versioning_policy.md": "| v0.5.0rc1 | v7.8.9 | x |\n| v0.4.0 | v0.1.0 | x |\n"}, "7.8.9"),
        ({"docs/a/versioning_policy.md": "| v0.4.0 | v0.1.0 | x |\n"}, None),
    ],
)
def test_where_the_pin_is_read(tmp_path: Path, files: dict[str, str], version: str | None) -> None:
    rest = {name: text for name, text in ascend_files().items() if name != "Dockerfile"}
    assert pinned(tree(tmp_path / "a", {**rest, **files})) == version


@pytest.mark.parametrize("text", ["nothing", "other==1.0", "vllm-ascend @ https://x/y.tar.gz", "vllm-ascend[x]==1", ""])
def test_what_names_no_tree_is_one_line_that_says_what_would(tmp_path: Path, text: str) -> None:
    with pytest.raises(TreeError) as caught:
        obtain_pack(text or str(tmp_path / "no"), None, Access(offline=True))
    assert "path@rev" in str(caught.value)
    assert "vllm-ascend==X" in str(caught.value)


def test_a_directory_without_the_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="not a source tree of vllm_ascend"):
        obtain_pack(str(tmp_path), None, Access(offline=True))
