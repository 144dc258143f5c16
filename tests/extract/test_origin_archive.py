"""Archives are unpacked inside one directory, within limits, or refused with one clear line."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releases import ascend_files, sdist, vllm_files, wheel, write

from ascend_compat.errors import TreeError
from ascend_compat.extract.build import build_pack
from ascend_compat.extract.origin import wanted as limits
from ascend_compat.extract.origin.archive import unpack
from ascend_compat.extract.origin.stated import tree_version


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, link, size
    return found


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


def test_an_sdist_gives_the_folder_that_holds_the_package(tmp_path: Path) -> None:
    content = {
        **ascend_files(),
        "docs/page.md": "page",
        ".github/a.commit": "v1",
        "csrc/asks.cpp": 'std::getenv("X")',
    }
    other = {"csrc/kernel.cpp": "int x;", "vllm_ascend/x.json": "{}", "tools/x.py": "", ".venv/vllm_ascend/x.py": ""}
    root = unpack(
        write(tmp_path / "a.tar.gz", sdist("vllm_ascend-0.5.0rc1", {**content, **other})),
        tmp_path / "out",
        "vllm_ascend",
    )
    assert root.name == "vllm_ascend-0.5.0rc1"
    assert files(root) == set(content)
    assert (root / "docs/page.md").read_text(encoding="utf-8") == "page"


@pytest.mark.parametrize("top", [".", "./some-name", "a"])
def test_it_does_not_matter_how_the_archive_was_made(tmp_path: Path, top: str) -> None:
    root = unpack(write(tmp_path / "a.tgz", sdist(top, ascend_files())), tmp_path / "out", "vllm_ascend")
    assert files(root) == set(ascend_files())


def test_a_wheel_gives_the_same_modules_and_says_its_version(tmp_path: Path) -> None:
    root = unpack(write(tmp_path / "v.whl", wheel(vllm_files())), tmp_path / "out", "vllm")
    assert files(root) == {*vllm_files(), "vllm-0.9.0.dist-info/METADATA"}
    assert tree_version(root) == "0.9.0"


def refused(tmp_path: Path, content: bytes, name: str = "a.tar.gz") -> str:
    with pytest.raises(TreeError) as caught:
        unpack(write(tmp_path / name, content), tmp_path / "in" / "out", "vllm_ascend")
    assert files(tmp_path) - {name} == {f for f in files(tmp_path) if f.startswith("in/out/")}
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", "/tmp/evil.py", "a\\..\\evil.py", "C:evil.py"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    assert "leads out of it" in refused(tmp_path, sdist("t", ascend_files(), (member(name),)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_place_of_code_is_refused(tmp_path: Path, kind: bytes) -> None:
    bad = member("t/vllm_ascend/x.py", kind, "/etc/passwd")
    assert "link or device" in refused(tmp_path, sdist("t", ascend_files(), (bad,)))


def test_other_links_are_left_out(tmp_path: Path) -> None:
    more = (member("t/notes.md", tarfile.SYMTYPE, "/etc/passwd"), member("t/d", tarfile.SYMTYPE, "/etc"),
            member("t/d/x.md"))  # fmt: skip
    root = unpack(write(tmp_path / "a.tar.gz", sdist("t", ascend_files(), more)), tmp_path / "out", "vllm_ascend")
    assert not (root / "notes.md").exists()
    assert not (root / "d").is_symlink()
    assert not Path("/etc/x.md").exists()


def test_a_wheels_link_in_place_of_code_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("vllm_ascend/__init__.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "link or device" in refused(tmp_path, out.getvalue(), "a.whl")


@pytest.mark.parametrize("wanted", ["t/bomb.py", "t/bomb.bin"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    for module in ("archive", "wanted"):
        monkeypatch.setattr(f"ascend_compat.extract.origin.{module}.BYTES", 1 << 20)
    assert "more than 1 MiB" in refused(tmp_path, sdist("t", ascend_files(), (member(wanted, size=2 << 20),)))


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BYTES", 1 << 20)
    content = {"vllm_ascend/__init__.py": "", **{f"vllm_ascend/m{n}.py": "#" * 200_000 for n in range(6)}}
    assert "more than 1 MiB" in refused(tmp_path, wheel(content), "a.whl")


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMBERS", 5)
    assert "more than 5 files" in refused(tmp_path, sdist("t", ascend_files()))


def test_a_header_that_claims_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    long_name = member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    long_name.size = 4 << 30
    import gzip

    assert "impossible size" in refused(tmp_path, gzip.compress(long_name.tobuf(tarfile.GNU_FORMAT) + b"x" * 10_000))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["a.tar.gz", "a.whl"])
def test_a_truncated_archive_is_damaged(tmp_path: Path, kind: str, share: float) -> None:
    whole = sdist("t", ascend_files()) if kind == "a.tar.gz" else wheel(ascend_files())
    assert "is damaged" in refused(tmp_path, whole[: int(len(whole) * share)], kind)


def test_a_damaged_member_is_noticed_even_where_it_is_not_wanted(tmp_path: Path) -> None:
    whole = bytearray(sdist("t", {**ascend_files(), "x.bin": "".join(map(chr, range(32, 120))) * 50}))
    whole[-6] ^= 0xFF  # the checksum of the whole stands in the last eight bytes
    assert "is damaged" in refused(tmp_path, bytes(whole))


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    assert "not a source archive of vllm_ascend" in refused(tmp_path, sdist("vllm-0.9.0", vllm_files()))


def test_a_file_where_a_folder_has_to_be_is_refused(tmp_path: Path) -> None:
    content = {**ascend_files(), "vllm_ascend/x.py": "", "vllm_ascend/x.py/y.py": ""}
    assert "can't be written" in refused(tmp_path, sdist("t", content))


def test_a_real_sdist_gives_the_pack_of_its_directory() -> None:
    """What the extractor reads of a directory has to be among the files that are taken out of an archive."""
    home = Path(os.environ.get("ASCEND_COMPAT_TREES", "no such folder"))
    pair = [home / "vllm_ascend-0.23.0", home / "vllm-0.23.0"]
    if not all(path.is_dir() and Path(f"{path}.tar.gz").is_file() for path in pair):
        pytest.skip("ASCEND_COMPAT_TREES names no folder with the sdists of 0.23.0 and their directories")
    with tempfile.TemporaryDirectory() as folder:
        roots = [
            unpack(Path(f"{path}.tar.gz"), Path(folder) / package, package)
            for path, package in zip(pair, ("vllm_ascend", "vllm"), strict=True)
        ]
        assert build_pack(*roots) == build_pack(*pair)


_PARTS = st.sampled_from(
    ["..", ".", "", "a", "vllm_ascend", "x.py", "PKG-INFO", "con.md", "\\", "C:", "\x1b[2J", "ü", "-"]
)
_NAMES = st.lists(_PARTS, min_size=1, max_size=5).map("/".join) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: "\0" not in name)


@settings(deadline=None, max_examples=150)
@given(
    names=st.lists(st.tuples(_NAMES, st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])), max_size=4)
)
def test_no_name_writes_outside(names: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        more = tuple(member(name, kind, "../../outside.py") for name, kind in names)
        write(home / "a.tar.gz", sdist("t", {"vllm_ascend/__init__.py": ""}, more))
        try:
            unpack(home / "a.tar.gz", home / "in" / "out", "vllm_ascend")
        except TreeError as error:
            assert len(str(error).splitlines()) == 1
        assert {path.name for path in home.iterdir()} <= {"a.tar.gz", "in"}
        assert [path.name for path in (home / "in").iterdir()] == ["out"]
        assert not any(path.is_symlink() for path in home.rglob("*"))


@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=3000), at=st.floats(0, 1), kind=st.sampled_from(["a.tar.gz", "a.whl"]))
def test_damage_never_ends_in_anything_but_one_line(data: bytes, at: float, kind: str) -> None:
    whole = sdist("t", ascend_files()) if kind == "a.tar.gz" else wheel(ascend_files())
    place = int(at * len(whole))
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / kind, whole[:place] + data + whole[place + len(data) :])
        try:
            unpack(path, Path(folder) / "out", "vllm_ascend")
        except TreeError as error:
            assert len(str(error).splitlines()) == 1
