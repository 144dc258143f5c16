"""Rule files: one schema, and every mistake of every file at once, each with its line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ascend_compat.cli.main import main
from ascend_compat.core.rulefile import Entry, Rule, Sourced, examine
from ascend_compat.core.toml_places import places
from ascend_compat.errors import RuleError
from ascend_compat.knowledge.curated import FILES, problems
from ascend_compat.knowledge.fact_names import FACTS
from ascend_compat.knowledge.load import Rules
from ascend_compat.memory.soc import FILES as MEMORY

CURATED = Path(__file__).parents[2] / "rules" / "curated"
GOOD = """
[[defect]]
id = "one"
kind = "limit"
severity = "info"
effect = "none"
releases = ">=0.18.0rc1,<0.21.0rc1"
soc = ["A2"]
en = "It is slow."
zh = "较慢。"
remedy_en = "Wait."
remedy_zh = "等待。"
source = "issue 1"
seen = "2026-11-21"
level = "inferred"
when = { moe = true }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rules directory of the test's own."""
    shutil.copytree(CURATED, tmp_path / "curated")
    (tmp_path / "packs").mkdir()
    return tmp_path


def found(folder: Path, content: str, name: str = "defects.toml") -> list[str]:
    (folder / "curated" / name).write_text(content, encoding="utf-8")
    return problems(folder / "curated", MEMORY)


def test_the_shipped_rules_have_no_problem() -> None:
    assert problems(CURATED, MEMORY) == []


def test_the_documentation_lists_every_fact() -> None:
    text = (CURATED.parents[1] / "docs" / "rules.md").read_text(encoding="utf-8")
    missing = [name for name, says in FACTS.items() if f"| `{name}` | {says} |" not in text]
    assert missing == []


def test_every_entry_says_where_it_comes_from() -> None:
    """Whatever has an id or a source is an entry of the one schema."""
    models = [model for file in (*FILES.values(), *MEMORY.values()) for model in _models(file)]
    own = [m for m in models if "source" in m.model_fields or "level" in m.model_fields]
    assert own and all(issubclass(model, Sourced) for model in own)
    assert sum(issubclass(model, Entry) for model in own) >= 9


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [m for field in model.model_fields.values() for m in _inside(field.annotation)]
    return [model, *(each for m in inner for each in _models(m))]


def _inside(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _inside(part)]


def test_a_good_file_has_no_problem(folder: Path) -> None:
    assert found(folder, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('soc = ["A2"]', 'soc = ["A2", "H100"]', 8, "unknown SoC 'H100'"),
        ('">=0.18.0rc1,<0.21.0rc1"', '"0.18 to 0.21"', 7, "not an interval"),
        ('soc = ["A2"]', 'except = ["newest"]', 8, "'newest' is not a release"),
        ("when = { moe = true }", "when = { mo = true }", 16, "when.mo: unknown condition key"),
        ("when = { moe = true }", "when = 3", 16, "when: Input should be a valid dictionary"),
        ('zh = "较慢。"\n', "", 2, "zh: Field required"),
        ('zh = "较慢。"', 'zh = ""', 10, "zh: String should have at least 1 character"),
        ('zh = "较慢。"', 'zh = "It is slow."', 10, "zh: not Chinese"),
        ('level = "inferred"', 'level = "rumour"', 15, "level: Input should be 'verified', 'documented' or 'inferred'"),
        ('seen = "2026-11-21"', 'seen = "21.11.2026"', 14, "is not a day such as 2026-11-21"),
        ('seen = "2026-11-21"', 'seen = "2026-02-30"', 14, "is not a day"),
        ('source = "issue 1"', 'source = "  "', 13, "source: String should have at least 1 character"),
        ('id = "one"', 'id = "One!"', 3, "id: String should match pattern"),
        ('id = "one"', 'id = "one"\nsurprise = 1', 4, "surprise: Extra inputs are not permitted"),
        ('kind = "limit"', 'kind = "rumour"', 4, "kind: Input should be 'defect' or 'limit'"),
        ('severity = "info"', 'severity = "blocker"', 2, "a blocker needs level verified, not inferred"),
        ('effect = "none"', 'effect = "sad"', 6, "effect: Input should be"),
        ('effect = "none"', 'effect = "none"\nconditional = true', 2, "only a blocker can be conditional"),
        ('level = "inferred"', "level = inferred", 15, "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(folder: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    lines = found(folder, GOOD.replace(old, new))
    assert len(lines) == 1
    assert lines[0].startswith(f"defects.toml:{line}: ")
    assert says in lines[0]


def test_a_limit_never_blocks(folder: Path) -> None:
    text = GOOD.replace('severity = "info"', 'severity = "blocker"').replace('"inferred"', '"verified"')
    assert "a limit is a warning or an info" in found(folder, text)[0]


def test_all_mistakes_of_all_files_come_at_once(folder: Path) -> None:
    curated = folder / "curated"
    (curated / "soc.toml").write_text('[[socs]]\nid = "a2"\n', encoding="utf-8")
    (curated / "stray.toml").write_text("", encoding="utf-8")
    (curated / "casts.toml").unlink()
    (curated / "memory.toml").write_text("[constants.x]\nvalue = 1\n[switches]\n", encoding="utf-8")
    second = GOOD.replace('seen = "2026-11-21"', 'seen = "today"').replace("moe = true", 'moe = true, "pack.x" = 1')
    lines = found(folder, GOOD + second)
    assert [line.partition(":")[0] for line in lines] == [
        *["casts.toml"], *["defects.toml"] * 3, *["memory.toml"] * 3, *["soc.toml"] * 6, *["stray.toml"],
    ]  # fmt: skip
    assert "defects.toml:19: defect.1.id: 'one' is the id of an earlier entry too" in lines
    assert any(line.startswith("defects.toml:30: defect.1.seen: 'today'") for line in lines)
    assert any(line.startswith("defects.toml:32: defect.1.when.pack.x: unknown condition key") for line in lines)
    assert all(line.startswith("memory.toml:1: constants.x.") for line in lines if line.startswith("memory"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"defect = [[[", b"a = 1\na = 2", b"[" * 5000])
def test_what_is_not_toml_is_one_problem(content: bytes) -> None:
    file = examine(content, "x.toml", FILES["defects.toml"])
    assert len(file.problems) == 1
    assert file.problems[0].startswith("x.toml:")
    with pytest.raises(RuleError):
        file.sound()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_content_raises(content: bytes) -> None:
    file = examine(content, "x.toml", Rule)
    assert (file.rules is None) == bool(file.problems)


def test_lines_of_tables_keys_and_rows() -> None:
    text = (
        "# head\ntop = 1\n[a]\nb = [\n  1, # one\n  2,\n]\nc.d = '''\nx = 1\n[no]\n'''\n\n"
        "[[rows]]\nid = 1\n[rows.inner]\nx = { y = 2 }\n[[rows]]\n[[rows.deep]]\nz = 1\n[[rows.deep]]\nz = 2\n"
    )
    known = places(text)
    expected: dict[tuple[str | int, ...], int] = {
        ("top",): 2, ("a",): 3, ("a", "b"): 4, ("a", "b", 1): 4, ("a", "c", "d"): 8, ("rows", 0): 13,
        ("rows", 0, "inner", "x", "y"): 16, ("rows", 1): 17, ("rows", 1, "deep", 0, "z"): 19,
        ("rows", 1, "deep", 1): 20, ("rows", 1, "deep", 1, "z"): 21, ("absent",): 1, (): 1,
    }  # fmt: skip
    assert {loc: known.line(loc) for loc in expected} == expected


def test_rules_check_prints_every_problem_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found(folder, GOOD.replace("2026-11-21", "today").replace('"A2"', '"H100"'))
    code = main(["rules", "check", "--rules", str(folder)])
    out = capsys.readouterr()
    assert code == 1
    assert [line.split(": ")[0] for line in out.out.splitlines()] == ["defects.toml:8", "defects.toml:14"]
    assert "Traceback" not in out.out + out.err


def test_a_bad_rule_file_ends_an_analysis_with_its_lines_and_no_traceback(
    folder: Path, checkpoint: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found(folder, GOOD.replace("2026-11-21", "today").replace('level = "inferred"', 'level = "rumour"'))
    pack = Rules(CURATED.parent).releases()[0]
    argv = ["--rules", str(folder), "--target", str(Rules(CURATED.parent).file(pack))]
    code = main(["check", str(checkpoint("qwen3.5-0.8b")), *argv])
    err = capsys.readouterr().err
    assert code == 3
    assert "defects.toml:14: defect.0.seen: 'today'" in err
    assert "defects.toml:15: defect.0.level" in err
    assert "Traceback" not in err
