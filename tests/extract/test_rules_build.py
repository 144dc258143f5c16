"""``rules build`` and ``rules show``: the pack is data on stdout, what it holds is talk, a bar is for a terminal."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from releases import ascend_files, sdist, serve, vllm_files, write
from test_origin_git import git
from test_origin_pairing import tree

from ascend_compat.cli.main import main
from ascend_compat.extract.build import STEPS, build_pack
from ascend_compat.extract.statistics import statistics, unfollowed


@pytest.fixture
def trees(tmp_path: Path) -> list[str]:
    return [
        *("--vllm-ascend", str(tree(tmp_path / "vllm-ascend", ascend_files()))),
        *("--vllm", str(tree(tmp_path / "vllm", vllm_files()))),
    ]


def test_stdout_is_the_pack_and_stderr_says_what_it_holds(
    trees: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "build", *trees]) == 0
    out, err = capsys.readouterr()
    pack = json.loads(out)
    assert pack["architectures"]
    assert "release                  vllm-ascend 0.5.0rc1, vllm 0.9.0" in err.splitlines()
    assert f"{len(pack['unfollowed'])} not followed:" in err
    assert f"and {len(pack['unfollowed']) - 5} more" in err
    assert "\x1b" not in err
    assert main(["rules", "build", *trees, "-o", str(tmp_path / "p.json"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "p.json").read_text(encoding="utf-8") == out
    assert main(["rules", "show", str(tmp_path / "p.json")]) == 0
    assert capsys.readouterr().out.strip() == err.strip()
    assert main(["rules", "show", str(tmp_path / "p.json"), "--verbose"]) == 0
    shown = capsys.readouterr().out
    assert all(line in shown for line in pack["unfollowed"])


def test_a_revision_and_a_release_are_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path / "ascend", ascend_files())
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    (root / "vllm_ascend/platform.py").unlink()
    with serve() as index:
        index.add("vllm-ascend", "vllm_ascend-0.5.0rc1.tar.gz", sdist("vllm_ascend-0.5.0rc1", ascend_files()))
        index.add("vllm", "vllm-0.9.0.tar.gz", sdist("vllm-0.9.0", vllm_files()))
        packs = []
        for source in (f"{root}@HEAD", "vllm-ascend==0.5.0rc1"):
            assert main(["rules", "build", "--vllm-ascend", source, "--index-url", index.url]) == 0
            packs.append(capsys.readouterr().out)
    assert packs[0] == packs[1]
    assert main(["rules", "build", "--vllm-ascend", "vllm-ascend==0.5.0rc1", "--offline"]) == 0
    assert capsys.readouterr().out == packs[0]


@pytest.mark.parametrize(
    "source", ["vllm-ascend==0.1.0", "no/such/place", "{place}", "{place}@main", "{place}/x.tar.gz"]
)
def test_what_can_not_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str) -> None:
    write(tmp_path / "x.tar.gz", b"no archive")
    text = source.format(place=tmp_path)
    assert main(["rules", "build", "--vllm-ascend", text, "--offline"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("ascend-compat: error: ")


def test_every_step_of_a_build_is_said(trees: list[str]) -> None:
    seen: list[tuple[str, int, int | None]] = []
    build_pack(Path(trees[1]), Path(trees[3]), lambda *step: seen.append(step))
    assert [step for step, _, _ in seen] == [*(f"extract {name}" for name in STEPS), "extract"]
    assert [done for _, done, _ in seen] == list(range(len(STEPS) + 1))
    assert {total for _, _, total in seen} == {len(STEPS)}


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")
@pytest.mark.parametrize(("more", "shown"), [((), True), (("--quiet",), False)])
def test_a_terminal_sees_a_bar(trees: list[str], tmp_path: Path, more: tuple[str, ...], shown: bool) -> None:
    import pty
    import subprocess

    master, slave = pty.openpty()
    command = [sys.executable, "-m", "ascend_compat", "rules", "build", *trees, "-o", str(tmp_path / "p.json"), *more]
    env = {**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave, env=env)
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError:  # the other end of a pseudo-terminal was closed
        pass
    os.close(master)
    assert process.wait() == 0
    assert (b"extract" in seen) is shown


def test_counts_say_what_a_reader_wants() -> None:
    call = ["call", 1, ["name", "register_scheme"], []]
    method = [
        "def",
        2,
        "f",
        {"line": 2, "params": [], "body": [["unknown", 3, "why"], ["const", ["unknown", 1, "x"]]]},
        [],
    ]
    pack = {
        "release": {"vllm_ascend": "1", "vllm": "2rc1", "vllm_source": "2"},
        "architectures": {"A": {"kind": "text"}, "B": {"kind": "text"}, "C": {"kind": "pooling"}},
        "code": {"vllm_ascend.quantization.x": {"body": [["class", 1, "C", [], [method], [call], []]]}},
        "additional_config": {"a": {"keys": {"b": {}, "c": {}}}, "d": {}},
        "custom_ops": {"Op": [{"soc": ["A5"]}, {"guard": "x"}]},
        "unfollowed": ["x"],
    }
    assert dict(statistics(pack)) == {
        "release": "vllm-ascend 1, vllm 2rc1 (read from 2)",
        "architectures": "3 entries: 2 text, 1 pooling",
        "code": "1 entries: 1 functions, 1 classes, 1 unknown nodes; 1 register_scheme in vllm_ascend.quantization",
        "additional_config": "2 entries: 2 more inside sections",
        "custom_ops": "1 entries: 2 replacements, 1 for some SoCs, 1 under an open condition",
    }
    assert unfollowed(pack, every=False) == ["1 not followed:", "  x"]
    assert unfollowed({}, every=True) == ["everything was followed"]


@pytest.mark.parametrize("section", [{"a": 1}, [1], [[1]], {"a": {"body": 5}}, {"a": {"kind": []}}, {"a": [None]}])
def test_a_damaged_section_still_has_a_size(section: object) -> None:
    names = ("release", "versions", "architectures", "custom_ops", "patches", "code", "environment", "model_classes")
    assert all("entries" in line for _, line in statistics(dict.fromkeys(names, section)) if line != "1 entries")
