"""Tables of a pack, from small trees that imitate the mechanisms of both projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ascend_compat.extract.additional import extract_additional_config
from ascend_compat.extract.backends import extract_backends
from ascend_compat.extract.defaults import extract_defaults
from ascend_compat.extract.documented import extract_documented
from ascend_compat.extract.knobs import extract_flags
from ascend_compat.extract.parsers import extract_parsers
from ascend_compat.extract.patches import extract_patches
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.variables import extract_environment, extract_environment_set
from ascend_compat.extract.versions import extract_versions


def trees_of(root: Path, files: dict[str, str]) -> Trees:
    """Both trees below ``root``; every folder of a package gets an ``__init__.py``."""
    for name, text in {"p/vllm_ascend/__init__.py": "", "v/vllm/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        folder = path.parent
        while path.suffix == ".py" and folder.parent not in (root, root.parent):
            if not (folder / "__init__.py").exists():
                (folder / "__init__.py").write_text("")
            folder = folder.parent
    return Trees(root / "p", root / "v")


ENVS = """
import os
import tempfile
FALLBACK = "7"
def choices(name, default, allowed):
    def read():
        value = os.getenv(name)
        if value is None:
            return default
        return value
    return read
def probe():
    return unknown_library.version() > 3
variables = {
    "A_BOOL": lambda: bool(int(os.getenv("A_BOOL", "0"))),
    "A_WORD": lambda: os.environ.get("A_WORD", "False").lower() in ("true", "1"),
    "A_NONE": lambda: os.getenv("A_NONE"),
    "A_NUMBER": lambda: int(os.getenv("A_NUMBER", FALLBACK)),
    "A_CHOICE": choices("A_CHOICE", "fork", ["spawn", "fork"]),
    "A_GUARD": lambda: int(os.environ["A_GUARD"]) if "A_GUARD" in os.environ else None,
    "A_WALRUS": lambda: value if (value := float(os.getenv("A_WALRUS", "10."))) > 0.0 else 1.0,
    "A_PATH": lambda: os.path.join(os.getenv("A_PATH", tempfile.gettempdir()), "x"),
    "A_PROBE": probe,
    "A_SET": lambda: os.getenv("A_SET", "0") == "1",
    "SHARED": lambda: os.getenv("SHARED", "a"),
}
"""


def test_environment_defaults_are_what_an_empty_environment_gives(tmp_path: Path) -> None:
    trees = trees_of(
        tmp_path,
        {
            "v/vllm/envs.py": ENVS,
            "p/vllm_ascend/envs.py": 'import os\nv = {"SHARED": lambda: os.getenv("SHARED", "b"),\n'
            ' "P_ONLY": lambda: int(os.getenv("P_ONLY", 1))}\n',
            "p/vllm_ascend/platform.py": 'import os\nos.environ["A_SET"] = "1"\n',
        },
    )
    found = extract_environment(trees)
    defaults = {name: entry["default"] for name, entry in found.items() if "default" in entry}
    assert defaults == {
        "A_BOOL": False,
        "A_WORD": False,
        "A_NONE": None,
        "A_NUMBER": 7,
        "A_CHOICE": "fork",
        "A_GUARD": None,
        "A_WALRUS": 10.0,
        "A_SET": True,  # the plugin's platform module sets it
        "P_ONLY": 1,
    }
    assert {"A_PATH", "A_PROBE", "SHARED"} <= set(found), "an uncertain default leaves the variable"
    assert found["P_ONLY"]["owner"] == "vllm_ascend" and found["A_BOOL"]["owner"] == "vllm"
    assert found["A_BOOL"]["at"] == "vllm/envs.py:15"
    assert found["SHARED"]["also"] == "vllm_ascend/envs.py:2"


def test_environment_reads_elsewhere_count_and_writes_do_not(tmp_path: Path) -> None:
    source = (
        "import os\nNAME = 'BY_CONSTANT'\n"
        "def f():\n    os.environ['WRITTEN'] = '1'\n    if 'TESTED' in os.environ:\n"
        "        return os.environ['READ'], os.getenv(NAME), os.environ.get(f())\n"
    )
    trees = trees_of(tmp_path, {"p/vllm_ascend/worker/w.py": source})
    found = extract_environment(trees)
    assert set(found) == {"TESTED", "READ", "BY_CONSTANT"}
    assert found["TESTED"] == {"owner": "vllm_ascend", "at": "vllm_ascend/worker/w.py:5", "unlisted": True}
    assert extract_environment_set(trees) == {"WRITTEN": {"at": "vllm_ascend/worker/w.py:4"}}


@pytest.mark.parametrize("module", ["ascend_config", "settings"])
def test_additional_config_keys_and_sections_wherever_they_are_read(tmp_path: Path, module: str) -> None:
    source = """
class Sections:
    def __init__(self, vllm_config):
        extra = vllm_config.additional_config if vllm_config.additional_config else {}
        self.plain = extra.get("plain", False)
        self.helped = self._value(extra, "helped", "AN_ENV", 0)
        part = extra.get("by_class", {})
        self.part = Part(part, vllm_config)
        spread = extra.get("by_keywords", {})
        self.spread = Spread(**spread)
        if "tested" in extra:
            raise ValueError("tested is gone")
        self.deep = vllm_config.additional_config.get("deep", {}).get("inner", 3)
class Part:
    _defaults = {"looped": 400}
    def __init__(self, given, vllm_config):
        self.enabled = given.get("enabled", True)
        for key, value in given.items():
            assert key in self._defaults
class Spread:
    def __init__(self, fuse: bool = True, **kwargs):
        self.other = kwargs.get("other", None)
"""
    found = extract_additional_config(trees_of(tmp_path, {f"p/vllm_ascend/{module}.py": source}))
    assert set(found) == {"plain", "helped", "by_class", "by_keywords", "tested", "deep"}
    assert found["plain"] == {"at": f"vllm_ascend/{module}.py:5", "default": False}
    assert {k: v.get("default") for k, v in found["by_class"]["keys"].items()} == {"enabled": True, "looped": 400}
    assert {k: v.get("default") for k, v in found["by_keywords"]["keys"].items()} == {"fuse": True, "other": None}
    assert found["deep"]["keys"]["inner"]["default"] == 3


def test_flags_from_literals_and_from_the_fields_of_a_renamed_class(tmp_path: Path) -> None:
    arguments = """
from vllm.config.cache import CacheConfig
class EngineArgs:
    @staticmethod
    def add_cli_args(parser):
        cache = get_kwargs(CacheConfig)
        parser.add_argument("--share", **cache["share"])
        parser.add_argument("--caching", "-c", **cache["caching"])
        parser.add_argument("model_tag")
        parser.add_argument("--sharing", type=json.loads)
"""
    front = """
import argparse
class WebArgs:
    api_key: list[str] = field(default_factory=list)
    @classmethod
    def add_cli_args(cls, parser):
        for key in kwargs(cls):
            parser.add_argument(f"--{key.replace('_', '-')}")
class MoreWebArgs(WebArgs):
    open_docs: bool | None = None
class Unrelated:
    not_a_flag: int = 0
def make(parser):
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--log", action=argparse.BooleanOptionalAction)
    EngineArgs.add_cli_args(parser)
"""
    cache = "class CacheConfig:\n    share: float = 0.9\n    caching: bool | None = None\n"
    whole = "from vllm.config.cache import CacheConfig\n@config\nclass VllmConfig:\n    sharing: CacheConfig | None\n"
    files = {
        "v/vllm/entrypoints/cli/serve.py": "from vllm.entrypoints.anywhere.args import make\nmake(command.parser)\n",
        "v/vllm/engine/options.py": arguments,
        "v/vllm/entrypoints/anywhere/args.py": "from vllm.engine.options import EngineArgs\n" + front,
        "v/vllm/config/cache.py": "@config\n" + cache,
        "v/vllm/config/__init__.py": whole,
    }
    found = extract_flags(trees_of(tmp_path, files))
    assert set(found) == {
        "--share", "--caching", "--no-caching", "-c", "--api-key", "--open-docs", "--no-open-docs", "--headless",
        "--log", "--no-log", "--sharing",
    }  # fmt: skip
    assert found["--share"] == {"at": "vllm/engine/options.py:7"}
    assert found["-c"] == {"at": "vllm/engine/options.py:8", "of": "--caching"}
    assert found["--sharing"] == {"at": "vllm/engine/options.py:10", "config": "CacheConfig"}


def test_patches_carry_guard_target_and_replacement(tmp_path: Path) -> None:
    files = {
        "v/vllm/ops/conv.py": "def conv(): ...\n",
        "v/vllm/models/m.py": "class Model:\n    def forward(self): ...\n",
        "v/vllm/models/__init__.py": "from vllm.models.m import Model\n",
        "p/vllm_ascend/ops/conv.py": "def fast(): ...\n",
        "p/vllm_ascend/patch/__init__.py": "",
        "p/vllm_ascend/patch/worker/__init__.py": "if HAS_TRITON:\n    import vllm_ascend.patch.worker.a\n"
        "if not is_310p():\n    import vllm_ascend.patch.worker.b\nelse:\n    import vllm_ascend.patch.worker.c\n",
        "p/vllm_ascend/patch/worker/a.py": "import vllm.ops.conv\nfrom vllm_ascend.ops.conv import fast\n"
        "vllm.ops.conv.conv = fast\n",
        "p/vllm_ascend/patch/worker/b.py": "from vllm.models import Model\nAlias = Model\n"
        "def g(self): ...\nAlias.forward = staticmethod(g)\nsetattr(Model, 'extra', g)\nModel.forward.mark = True\n"
        "import torch\ntorch.empty = g\nsetattr(Model, compute(), g)\n",
        "p/vllm_ascend/patch/worker/c.py": "def apply():\n    from vllm.models.m import Model\n"
        "    Model.forward = lambda self: None\napply()\n",
        "p/vllm_ascend/patch/worker/never.py": "import vllm.ops.conv\nvllm.ops.conv.conv = None\n",
    }
    trees = trees_of(tmp_path, files)
    rows = extract_patches(trees)
    assert [(r["target"], r["replacement"], r.get("guard")) for r in rows] == [
        ("vllm.models.m.Model.extra", "vllm_ascend.patch.worker.b.g", "not is_310p()"),
        ("vllm.models.m.Model.forward", "vllm_ascend.patch.worker.b.g", "not is_310p()"),
        ("vllm.models.m.Model.forward", "lambda", "is_310p()"),
        ("vllm.ops.conv.conv", "vllm_ascend.ops.conv.fast", "HAS_TRITON"),
    ]
    assert rows[3]["at"] == "vllm_ascend/patch/worker/a.py:3"
    assert any("computed name" in line for line in trees.unfollowed)


def test_parsers_in_tables_of_any_name_and_in_decorators(tmp_path: Path) -> None:
    files = {
        "v/vllm/tool_parsers/__init__.py": "from x import ToolParserManager\n"
        'RENAMED = {"glm": ("glm_file", "GlmParser")}\nOTHER = {"not_a_row": 1}\n',
        "v/vllm/reasoning/old.py": "from x import ReasoningParserManager\n"
        '@ReasoningParserManager.register_module(["r1", "r2"])\nclass P: ...\n',
        "p/vllm_ascend/extra.py": 'ToolParserManager.register_lazy_module(name="mine", class_name="B")\n',
    }
    tool, reasoning = extract_parsers(trees_of(tmp_path, files))
    assert tool == {"glm": {"at": "vllm/tool_parsers/__init__.py:2"}, "mine": {"at": "vllm_ascend/extra.py:1"}}
    assert list(reasoning) == ["r1", "r2"]


def test_backends_by_key_and_soc(tmp_path: Path) -> None:
    source = """
DENSE = "a.Dense"
class Anything:
    @classmethod
    def get_attn_backend_cls(cls, selector):
        key = (selector.use_mla, selector.use_shiny)
        table = {(True, False): "a.Mla", (False, False): DENSE, (True, True): compute()}
        table_310 = {(False, False): "a.Small"}
        if is_310p():
            return table_310[key]
        return table[key]
"""
    trees = trees_of(tmp_path, {"p/vllm_ascend/platform.py": source})
    rows = extract_backends(trees)
    assert [(r["key"], r["backend"], r.get("soc")) for r in rows] == [
        ({"mla": False, "shiny": False}, "a.Dense", None),
        ({"mla": True, "shiny": False}, "a.Mla", None),
        ({"mla": False, "shiny": False}, "a.Small", ["310P"]),
    ]
    assert any("not literal" in line for line in trees.unfollowed)


def test_versions_from_the_files_of_the_tag(tmp_path: Path) -> None:
    files = {
        "p/Dockerfile": "# FROM q/cann:1.0-a\nARG CANN=8.3.rc2\nFROM quay.io/x/cann:${CANN}-910b-py3.11\n"
        'ARG VLLM_TAG="v0.18.0"\n',
        "p/requirements.txt": "# torch==1\ntorch==2.9.0\ntorch-npu==2.9.0.post2\ntransformers>=4.57\n",
        "p/pyproject.toml": 'requires-python = ">=3.10"\n',
        "p/vllm_ascend/_version.py": "__version__ = version = '0.18.0rc1'\n",
    }
    trees = trees_of(tmp_path, files)
    found = extract_versions(trees)
    assert {name: entry["value"] for name, entry in found.items()} == {
        "vllm_ascend": "0.18.0rc1", "vllm": "0.18.0", "cann": "8.3.rc2", "torch": "2.9.0",
        "torch_npu": "2.9.0.post2", "transformers": ">=4.57", "python": ">=3.10",
    }  # fmt: skip
    assert found["cann"]["at"] == "Dockerfile:3"
    assert any("triton_ascend" in line for line in trees.unfollowed)


def test_defaults_leave_out_what_is_worked_out_at_start(tmp_path: Path) -> None:
    cache = """
class CacheConfig:
    DEFAULT_SIZE: ClassVar[int] = 16
    size: int = None
    share: float = Field(default=0.92, gt=0)
    length: int = Field(default=DEFAULT_SIZE, ge=1)
    derived: bool = field(default=False, init=False)
    many: int = 128
"""
    engine = "class EngineArgs:\n    share: float = CacheConfig.share\n    many: int | None = None\n"
    files = {"v/vllm/config/cache.py": cache, "v/vllm/engine/arg_utils.py": engine}
    found = extract_defaults(trees_of(tmp_path, files))
    assert found == {
        "share": {"value": 0.92, "at": "vllm/config/cache.py:5"},
        "length": {"value": 16, "at": "vllm/config/cache.py:6"},
    }


def test_documented_rows_with_status_and_hardware(tmp_path: Path) -> None:
    page = (
        "| Model | Support | Supported Hardware |\n|---|---|---|\n| [Big](x.md) | ✅ | A2/A3 |\n| Old | ❌ | |\n\n"
        "| Model | Support | Note | Supported Hardware |\n| --- | :-: | --- | --- |\n| Big | 🔵 | x | A5 |\n"
    )
    found = extract_documented(trees_of(tmp_path, {"p/docs/source/en/supported_models.md": page}))
    assert found == {
        "Big": {"status": "supported", "hardware": "A2/A3", "at": "docs/source/en/supported_models.md:3"},
        "Big (A5)": {"status": "experimental", "hardware": "A5", "at": "docs/source/en/supported_models.md:8"},
        "Old": {"status": "unsupported", "at": "docs/source/en/supported_models.md:4"},
    }


def test_empty_trees_give_empty_tables_and_say_so(tmp_path: Path) -> None:
    trees = trees_of(tmp_path, {})
    tables: list[Any] = [
        extract_environment(trees), extract_additional_config(trees), extract_flags(trees), extract_patches(trees),
        *extract_parsers(trees), extract_versions(trees), extract_backends(trees), extract_defaults(trees),
        extract_documented(trees),
    ]  # fmt: skip
    assert not any(tables)
    assert len(trees.unfollowed) >= len(tables)
