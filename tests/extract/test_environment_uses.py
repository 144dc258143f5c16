"""Which lines of a text may read the environment: too many are fine, one too few loses a variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import make_trees

from ascend_compat.extract.variables import extract_environment

READS = [
    'x = os.getenv("NEW")', 'x = os.environ["NEW"]', "x = os.environ.get('NEW', '1')", 'x = environ.pop(\n    "NEW")',
    'x = "NEW" in os.environ', "x = 'NEW' not in os.environ", 'x = ("NEW" in\n     os.environ)',
    'x = os.environ.get(NAME)', 'x = NAME in os.environ', 'x = os.environ[NAME] == "1"',
    'x = os.getenv("KNOWN") or os.getenv("NEW")', 'x = os.environ.get("NE" "W")', 'x = os.environ["NEW"] == "1"',
    'x = (os.environ  # of the process\n     .get("NEW"))', 'x = f"{os.environ.get(\'NEW\')}"',
    'x = "#", os.getenv("NEW")', '"""it\'s"""; x = os.getenv("NEW")  # isn\'t it', "x = '\\'' + os.getenv('NEW')",
    'x = config.getenv("NEW")', '# os.getenv("NEW")\nx = environ.get("NEW")',
]  # fmt: skip
OTHERS = [
    'x = os.environ.get("KNOWN")', '"""os.getenv(\'NEW\')"""', '# os.environ["NEW"]', 'os.environ["NEW"] = "1"',
    'x = my_getenv("NEW")', 'x = "os.getenv(\'NEW\')"', 'x = config.environ.get("NEW")',
    'os.environ[NAME] = "1"', "x = dict(os.environ)", 'x = "NEW" in os.environ.values()', 'x = environment["NEW"]',
]  # fmt: skip
TABLE = 'import os\nenvironment_variables = {"KNOWN": lambda: os.getenv("KNOWN")}\n'


def unlisted(folder: Path, code: str) -> bool:
    text = f'import os\nfrom os import environ\nNAME = "NEW"\n{code}\n'
    found = extract_environment(make_trees(folder, {"vllm/envs.py": TABLE, "vllm/user.py": text}))
    assert "KNOWN" in found
    return "NEW" in found


@pytest.mark.parametrize("code", READS)
def test_a_read_of_an_unknown_variable_is_found(tmp_path: Path, code: str) -> None:
    assert unlisted(tmp_path, code)


@pytest.mark.parametrize("code", OTHERS)
def test_what_reads_no_unknown_variable_adds_none(tmp_path: Path, code: str) -> None:
    assert not unlisted(tmp_path, code)
