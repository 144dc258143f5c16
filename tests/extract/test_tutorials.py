"""Launch commands of tutorials and end-to-end tests, as names, sizes and lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extract.trees import make_trees
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.extract.documented import (
    extract_documented,
    extract_documented_columns,
    extract_documented_features,
)
from ascend_compat.extract.launch import launch_of, read_json
from ascend_compat.extract.runners import machines
from ascend_compat.extract.shell import commands, exported
from ascend_compat.extract.tested import extract_tested_models
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.tutorials import extract_tutorials

PAGE = """# Model X
Runs on Atlas 800 A3 servers; weights: [here](https://www.modelscope.cn/models/Org/Model-X-w8a8).

```shell
nic_name="eth0"
export GLOO_SOCKET_IFNAME=$nic_name
export SHARED=1
export LOCAL_ONLY=/data
echo $LOCAL_ONLY  # a comment isn't a quote
KNOB_A=1 vllm serve Org/Model-X-w8a8 \\
  --tensor-parallel-size 4 -dp=2 \\
  --enable-expert-parallel --quantization ascend --max_model_len 4096 \\
  --speculative-config '{"method": "mtp",
    "num_speculative_tokens": 2}' \\
  --additional-config '{"section": {"inner": true}, "port": "'$PORT'",}' \\
  --compilation-config.mode 3

  --tool-call-parser parser_x
```

```python
LLM(model="not/shell")
```
"""


def ascend(root: Path, files: dict[str, str]) -> Trees:
    return make_trees(root, {f"vllm_ascend/../{name}": text for name, text in files.items()})


def tutorials(root: Path, page: str) -> dict:
    return extract_tutorials(ascend(root, {"docs/source/tutorials/models/X.md": page}))


def test_a_page_is_kept_as_names_sizes_and_lines(tmp_path: Path) -> None:
    found = tutorials(tmp_path, PAGE)
    (page,) = found["pages"]
    assert page["models"] == {"Org/Model-X-w8a8": 2} and page["hardware"] == ["A3"]
    assert page["launches"] == [
        {"line": 10, "model": "Org/Model-X-w8a8", "tp": 4, "dp": 2, "ep": True, "quantization": "ascend",
         "max_model_len": 4096, "tool_parser": "parser_x", "method": "mtp"}
    ]  # fmt: skip
    assert found["env"] == {"GLOO_SOCKET_IFNAME": "0:6", "SHARED": "0:7", "KNOB_A": "0:10"}
    assert found["flags"]["--max-model-len"] == "0:12" and found["flags"]["--tool-call-parser"] == "0:18"
    assert found["keys"]["--speculative-config"] == {"method": "0:13", "num_speculative_tokens": "0:14"}
    assert found["keys"]["--additional-config"] == {"section": "0:15", "section.inner": "0:15", "port": "0:15"}
    assert found["keys"]["--compilation-config"] == {"mode": "0:16"}
    assert found["tool_parsers"] == {"parser_x": "0:18"}


def test_no_sentence_of_a_page_is_kept(tmp_path: Path) -> None:
    secret = "The quick brown fox is upstream prose"
    text = str(tutorials(tmp_path, f"{secret}\n{PAGE}\n```bash\n# {secret}\n```\n"))
    assert "quick" not in text and "prose" not in text


def test_a_tree_without_tutorials_says_so(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {})
    assert extract_tutorials(trees)["pages"] == []
    assert extract_tested_models(trees)["models"] == {}
    assert {"docs/**/tutorials: no launch command found", ".github/workflows: no runner of a test found"} <= set(
        trees.unfollowed
    )


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("python3 -m vllm.entrypoints.openai.api_server --model m/x --port 1", ["--model", "--port"]),
        ("nohup /usr/bin/vllm serve m/x --a > log 2>&1 &", ["--a"]),
        ("vllm bench serve --model x", None),
        ("echo vllm; serve x", None),
        ("torchrun -m other.module --a", None),
    ],
)
def test_what_is_a_launch(line: str, wanted: list[str] | None) -> None:
    launches = [found for words in commands([(1, line)]) if (found := launch_of(words))]
    assert ([flag for flag, _, _ in launches[0].flags] if launches else None) == wanted


def test_quotes_continuations_and_comments() -> None:
    text = "export A='x # y' B=\"1 $HOME\" # end\nC=2 run --x 'multi\nline' \\\n last#word; two"
    found = list(commands(list(enumerate(text.splitlines(), 5))))
    assert [[word.text for word in words] for words in found] == [
        ["export", "A=x # y", "B=1 $HOME"], ["C=2", "run", "--x", "multi\nline", "last#word"], ["two"]]  # fmt: skip
    assert found[1][4].line == 8
    assert [name for words in found for name, _, _ in exported(words)] == ["A", "B", "C"]


@given(st.text(alphabet="ab'\"\\\n #;|&$(){}=-[],:0", max_size=80))
def test_any_shell_text_gives_words_with_lines(text: str) -> None:
    lines = list(enumerate(text.split("\n"), 1))
    for words in commands(lines):
        assert words
        for word in words:
            assert len(word.text) == len(word.lines)
            assert all(1 <= line <= len(lines) + 1 for line in word.lines)
        launch_of(words)


@given(st.text(max_size=60))
def test_any_json_text_is_read_or_refused(text: str) -> None:
    found = read_json(text)
    try:
        assert repr(found) == repr(json.loads(text))
    except ValueError:
        assert json.dumps(found)  # forgiven, or refused as null: plain data either way


def test_json_of_a_script_may_hold_variables_and_trailing_commas() -> None:
    assert read_json('{"a": $PORT, "b": [1, ${N},],}') == {"a": 0, "b": [1, 0]}
    assert read_json("{'a': 1}") is None


CONFIG = """_server: &server
  - "--tensor-parallel-size"
  - "8"
  - "--quantization"
  - "ascend"
test_cases:
  - name: "x"
    model: "Org/Model-X"
    dataset_path: data/set-1
"""
SCRIPT = """
MODELS = ["Org/Model-Y", "image/png"]
DATA = "some/dataset-2"
@pytest.mark.parametrize("model_name", ["Org/Model-Z"])
def test(model_name):
    with VllmRunner("Org/Model-Y", tensor_parallel_size=2, enforce_eager=True): ...
"""
WORKFLOW = """jobs:
  nightly:
    strategy:
      matrix:
        include:
          - name: x
            os: linux-aarch64-a3-16
            config_file_path: Model-X.yaml
          - name: y
            config_file_path: Other.yaml
"""


def test_models_of_end_to_end_tests_with_their_machines(tmp_path: Path) -> None:
    trees = ascend(
        tmp_path,
        {
            "tests/e2e/nightly/configs/Model-X.yaml": CONFIG,
            "tests/e2e/two_card/test_y.py": SCRIPT,
            "tests/e2e/310p/conftest.py": 'model = "Org/Not-A-Test"\n',
            ".github/workflows/nightly_a2.yaml": WORKFLOW,
        },
    )
    assert machines(trees) == {"Model-X.yaml": ("A3", 16), "Other.yaml": ("A2", None)}
    found = extract_tested_models(trees)
    assert found["files"] == [
        {"in": 0, "name": "Model-X.yaml", "soc": "A3", "npus": 16, "tp": 8, "quantization": "ascend"},
        {"in": 1, "name": "test_y.py", "npus": 2, "tp": 2},
    ]
    assert found["folders"] == ["tests/e2e/nightly/configs", "tests/e2e/two_card"]
    assert found["models"] == {"Org/Model-X": "0:8", "Org/Model-Y": "1:2", "Org/Model-Z": "1:4"}


MATRIX = """
=== "A2"

    | Model | Support | Note | Supported Hardware | BF16 | LoRA | max-model-len | Doc |
    |-------|---------|------|--------------------|------|------|---------------|-----|
    | [Big](x.md) | ✅ | | A2/A3 | ✅ | ❌ | 8k | [Big](../../tutorials/models/Big.md) |

| Model | Supported | Note |
|---|---|---|
| Old | | Need test |
| Gone | ❌ | |
"""
FEATURES = """
| Feature | V0 Engine | V1 Engine | Next |
|---|---|---|---|
| Chunked | 🔴 No plan | 🟢 Functional | [note][cp] |
"""
PAIRS = """
| Feature | [DP](u) | <abbr title="t">TP</abbr> |
| - | - | - |
| [Chunked](u) | ✅ | 🟠<sup>1</sup> |
| LoRA | ❌ | |
"""


def test_the_support_matrix_with_features_and_pairs(tmp_path: Path) -> None:
    home = "docs/source/user_guide/support_matrix"
    trees = ascend(
        tmp_path,
        {
            f"{home}/supported_models.md": MATRIX,
            "docs/source/user_guide/suppoted_features.md": FEATURES,
            f"{home}/feature_matrix.md": PAIRS,
        },
    )
    assert extract_documented_columns(trees) == ["bf16", "lora"]
    found = extract_documented(trees)
    assert found["Big"] == {
        "status": "supported", "hardware": "A2/A3", "max_model_len": "8k", "tutorial": "models/Big.md",
        "features": "+-", "at": f"{home}/supported_models.md:6"}  # fmt: skip
    assert {name: entry["status"] for name, entry in found.items()} == {
        "Big": "supported", "Old": "untested", "Gone": "unsupported"}  # fmt: skip
    features = extract_documented_features(trees)
    assert features["Chunked"]["status"] == "functional" and features["Chunked"]["partly"] == ["tp"]
    assert features["LoRA"] == {"at": f"{home}/feature_matrix.md:5", "without": ["dp"]}
