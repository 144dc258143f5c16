"""Models that a release's end-to-end tests run, and on what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ascend_compat.extract.launch import MODEL_ID, SUMMARY, Launch, parse
from ascend_compat.extract.runners import SECTION, machines, soc_of
from ascend_compat.extract.scan import last_name
from ascend_compat.extract.shell import commands
from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Trees

FOLDERS = ("tests/e2e", "tests/multicard", "tests/singlecard", "tests/long_term")
TESTS = re.compile(r"test_.*\.py|.*\.ya?ml")
LITERAL = re.compile(r"""["'][\w.-]+/[\w.-]+["']""")
#: Devices by the words of a folder.
CARDS = re.compile(r"(?:^|/)(?:(one|single|two|four|eight|\d+)[_-]?cards?)(?:/|_|$)")
WORDS = {"one": 1, "single": 1, "two": 2, "four": 4, "eight": 8}
#: What the lines below begin with: most lines are none of them.
YAML_FIELD = re.compile(r"""\s*(?:-\s*)?["']?(?:model|num_nodes|npu_per_node|hardware|quantization)""", re.I)
YAML_MODEL = re.compile(r"""\s*(?:-\s*)?["']?(?:model|model_name|model_path)["']?\s*:\s*["']?([^\s"'#,]+)""")
YAML_NUMBER = re.compile(r"\s*(num_nodes|npu_per_node)\s*:\s*(\d+)")
HARDWARE = re.compile(r"\s*hardware\s*:.*?\b(A2|A3|A5|310P)\b", re.I)
#: Media types and data sets look like a model's name.
NOT_MODELS = re.compile(
    r"(?:application|image|audio|video|text|multipart|tests?|docs)/|.*\.(?:py|json|ya?ml|jpe?g|png|txt|jinja|sh|wav|mp4)$"
)
#: A test that starts the model's own draft layers with it.
DRAFTS = re.compile(r"""method\\?["']?\s*[:=]\s*\\?["']\w*mtp""")
RUNNERS = re.compile(r"Runner|Server|LLM|snapshot_download")


def extract_tested_models(trees: Trees) -> dict[str, Any]:
    """``{"folders": [...], "files": [{"in", "name", "soc"?, "npus"?, ...}], "models": {id: "file:line file:line"}}``.

    A file is its folder's index and its name; a model's places have the index of the file. ``soc`` and ``npus`` come
    from the folder, the file's name, its own fields, or the workflow that runs it; sizes and quantization are given
    where a file uses one value only.
    """
    root = trees.vllm_ascend.root
    where = machines(trees)
    files: list[dict[str, Any]] = []
    folders: dict[str, int] = {}
    models: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if not TESTS.fullmatch(path.name) or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8-sig", errors="replace")
            rows, facts = _script(text) if path.suffix == ".py" else _config(text)
            if rows:
                relative = path.relative_to(root).as_posix()
                home, _, name = relative.rpartition("/")
                folders.setdefault(home, len(folders))
                facts.pop("max_model_len", None)
                drafts = {"drafts": True} if DRAFTS.search(text) else {}
                files.append({"in": folders[home], "name": name, **_place(relative, where), **facts, **drafts})
                for model, line in rows.items():
                    models.setdefault(model, []).append(f"{len(files) - 1}:{line}")
    if not models:
        trees.unfollowed.append(f"{', '.join(FOLDERS)}: no tested model found")
    joined = {model: " ".join(places) for model, places in sorted(models.items())}
    return {"folders": list(folders), "files": files, "models": joined}


def _place(relative: str, where: dict[str, tuple[str, int | None]]) -> dict[str, Any]:
    """SoC and devices by the workflow, then by the names of the file and its folders."""
    soc, npus = where.get(Path(relative).name, (None, None))
    named = SECTION.search(relative.rpartition("/")[2]) or re.search(r"/(310p)/", relative, re.I)
    folder = CARDS.search(relative.rpartition("/")[0])
    soc = soc_of(named[1]) if named else soc
    if npus is None and folder:
        npus = WORDS.get(folder[1]) or int(folder[1])
    return {**({"soc": soc} if soc else {}), **({"npus": npus} if npus else {})}


def _is_model(text: str) -> bool:
    return bool(MODEL_ID.fullmatch(text)) and not NOT_MODELS.match(text)


def _config(text: str) -> tuple[dict[str, int], dict[str, Any]]:
    """A YAML file read by line: its anchors and folded commands need no parser for that."""
    rows: dict[str, int] = {}
    facts: dict[str, Any] = {}
    lines = list(enumerate(text.splitlines(), 1))
    for number, line in lines if "model" in text else ():
        if not YAML_FIELD.match(line):
            continue
        model = YAML_MODEL.match(line)
        if model and _is_model(model[1]):
            rows.setdefault(model[1], number)
        amount = YAML_NUMBER.match(line)
        if amount:
            facts["nodes" if amount[1] == "num_nodes" else "npus"] = int(amount[2])
        hardware = HARDWARE.match(line)
        if hardware:
            facts["soc"] = hardware[1].upper()
        quantization = re.match(r"\s*quantization\s*:\s*[\"']?(\w+)", line)
        if quantization:
            facts["quantization"] = quantization[1]
    if not rows:
        return {}, {}
    plain = [(number, re.sub(r"^\s*-\s+", "", line)) for number, line in lines]
    words = [word for command in commands(plain) for word in command]
    start = next((index for index, word in enumerate(words) if word.text.startswith("--")), len(words))
    launch = parse(words[start:], 0)
    return rows, {**_single(launch), **facts}


def _single(launch: Launch) -> dict[str, Any]:
    """Sizes that occur with one value only."""
    once = {flag for flags in SUMMARY.values() for flag in flags
            if len({value for name, value, _ in launch.flags if name == flag}) == 1}  # fmt: skip
    launch.flags = [row for row in launch.flags if row[0] in once]
    launch.keys = []
    return launch.summary()


def _script(text: str) -> tuple[dict[str, int], dict[str, Any]]:
    """A Python test: literals that are given as a model, and the sizes that are given with them."""
    if not LITERAL.search(text):
        return {}, {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}, {}
    rows: dict[str, int] = {}
    flags: list[tuple[str, str | None, int]] = []
    for node in every(tree):
        for value in _given(node):
            for part in every(value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and _is_model(part.value):
                    rows.setdefault(part.value, part.lineno)
        flags += _flags(node)
    return rows, _single(Launch(0, flags=flags)) if rows else {}


def _given(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that are a model by the name they are given to."""
    if isinstance(node, ast.Call):
        yield from (word.value for word in node.keywords if word.arg and "model" in word.arg)
        if node.args and RUNNERS.search(last_name(node.func)):
            yield node.args[0]
        first = node.args[0] if len(node.args) > 1 and last_name(node.func) == "parametrize" else None
        if isinstance(first, ast.Constant) and "model" in str(first.value):
            yield node.args[1]
    elif isinstance(node, ast.Assign) and any("model" in last_name(target).lower() for target in node.targets):
        yield node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and "model" in key.value:
                yield value


def _flags(node: ast.AST) -> Iterator[tuple[str, str | None, int]]:
    """``tensor_parallel_size=2`` of a call, and ``"--tensor-parallel-size", "2"`` of a list."""
    if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant):
        value = node.value.value
        if value is not None and value is not False:
            yield f"--{node.arg.replace('_', '-')}", None if value is True else str(value), node.value.lineno
    elif isinstance(node, (ast.List, ast.Tuple)):
        texts = [part.value if isinstance(part, ast.Constant) else None for part in node.elts]
        for text, following in zip(texts, [*texts, None][1:], strict=True):
            if isinstance(text, str) and text.startswith("--"):
                plain = isinstance(following, (str, int)) and not str(following).startswith("--")
                yield text, str(following) if plain else None, node.lineno
