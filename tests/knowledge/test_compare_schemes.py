"""Schemes found by running a release's own registration, in every form the releases have used."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from small_trees import write_trees

from ascend_compat.extract.build import build_pack
from ascend_compat.extract.translate import block
from ascend_compat.knowledge.compare import compare
from ascend_compat.knowledge.compare_formats import accepted
from ascend_compat.knowledge.compare_schemes import registered

DEVICES = {"A2": "A2", "310P": "_310P"}
SCHEMES = "vllm_ascend/quantization/schemes.py"
PLATFORM = "vllm_ascend/platform.py"


def pack(root: Path, changes: Any = None) -> dict[str, Any]:
    return build_pack(*write_trees(root, changes))


def kinds(a: dict[str, Any], b: dict[str, Any]) -> dict[str, list[str]]:
    groups = compare(a, b, DEVICES, {}).groups
    return {group.kind: [item.subject for item in group.items] for group in groups if group.topic == "checkpoints"}


def test_a_decorated_scheme_is_found_with_what_it_allocates(tmp_path: Path) -> None:
    found = registered(pack(tmp_path), DEVICES, {}).schemes
    assert list(found) == [("main", "INT8", "linear")]
    scheme = found["main", "INT8", "linear"]
    assert (scheme.cls, scheme.dtypes, scheme.why) == ("Int8Scheme", {"weight": "int8"}, "")
    assert ast.literal_eval(scheme.at.rpartition(":")[2]) > 1


ADAPTER = """
def create_weights(self, layer, output_partition_sizes, params_dtype, **extra):
    for name, tensor in self.quant_method.get_weight(1).items():
        layer.register_parameter(name, tensor)
"""
WEIGHT = """
def get_weight(self, input_size):
    return {"weight": torch.empty(1, dtype=torch.int8)}
"""
BUILDER = """
def build_linear_method():
    return Scheme()
def build_moe_method():
    raise NotImplementedError("no experts")
"""


def code(package: str, table: str) -> dict[str, Any]:
    """A package of the plugin with a scheme, its adapter, a builder, and ``table`` at its end."""
    classes = [("Adapter", ADAPTER), ("Scheme", WEIGHT), ("Builder", BUILDER)]
    made = [["class", n, name, [], block(ast.parse(body).body), [], []] for n, (name, body) in enumerate(classes, 1)]
    for node in made[-1][4]:
        node[3]["kind"] = "staticmethod"
    body = [*block(ast.parse("import torch").body), *made, *block(ast.parse(table).body)]
    return {package: {"path": f"{package.replace('.', '/')}/__init__.py", "package": True, "body": body}}


@pytest.mark.parametrize(
    ("package", "registry"),
    [("vllm_ascend.quantization", "main"), ("vllm_ascend._310p.quantization", "310P")],
)
@pytest.mark.parametrize(
    "table",
    ["T = {('INT8', 'linear'): Scheme}", "T = {'INT8': {'linear': Scheme}}", "T = {'INT8': Builder}"],
)
def test_every_form_of_a_table_is_read_and_belongs_to_the_soc_of_its_folder(
    package: str, registry: str, table: str
) -> None:
    found = registered({"code": code(package, table)}, DEVICES, {})
    assert list(found.schemes) == [(registry, "INT8", "linear")]
    scheme = found.schemes[registry, "INT8", "linear"]
    assert (scheme.cls, scheme.dtypes) == ("Scheme", {"weight": "int8"})


def test_a_dictionary_of_other_things_is_no_registry() -> None:
    assert (
        registered({"code": code("vllm_ascend.quantization", "T = {'a': 1, 'b': {'c': 2}}")}, DEVICES, {}).schemes == {}
    )


def test_another_dtype_is_told_and_a_moved_class_is_not(tmp_path: Path) -> None:
    old = pack(tmp_path / "a")
    new = pack(tmp_path / "b", {SCHEMES: ("torch.int8", "torch.uint8")})
    assert kinds(old, new)["checkpoints.scheme.dtypes"] == ["INT8 linear"]
    shifted = pack(tmp_path / "c", {SCHEMES: ("import torch", "import torch\n\n\n")})
    assert kinds(old, shifted) == kinds(old, {**old, "digest": "other"})


def test_a_scheme_under_another_name_is_renamed_and_one_that_is_gone_is_gone(tmp_path: Path) -> None:
    old = pack(tmp_path / "a")
    renamed = pack(tmp_path / "b", {SCHEMES: ('"INT8"', '"W8"')})
    told = kinds(old, renamed)
    assert told["checkpoints.scheme.renamed"] == ["INT8 linear"]
    assert "checkpoints.scheme.removed" not in told
    other = pack(tmp_path / "c", {SCHEMES: ('"INT8", "linear")\nclass Int8', '"W4", "linear")\nclass Int4')})
    told = kinds(old, other)
    assert (told["checkpoints.scheme.removed"], told["checkpoints.scheme.added"]) == (["INT8 linear"], ["W4 linear"])


def test_what_a_soc_accepts_is_what_registration_leaves_there(tmp_path: Path) -> None:
    found = accepted(pack(tmp_path), "A2", {})
    assert {name: method.handler and method.handler[0] for name, method in found.methods.items()} == {
        "tiny8": "TinyConfig"
    }
    assert found.methods["tiny8"].at.startswith(PLATFORM)


def test_a_method_that_vllm_would_handle_is_accepted_by_name_only(tmp_path: Path) -> None:
    old = pack(tmp_path / "a")
    new = pack(tmp_path / "b", {PLATFORM: ('["tiny8"]', '["tiny8", "awq"]')})
    groups = compare(old, new, {"A2": "A2"}, {}).groups
    added = next(group for group in groups if group.kind == "checkpoints.method.added").items
    assert [(item.subject, item.note and item.note.id) for item in added] == [("awq", "compare.note.by_name")]


def test_a_soc_where_no_registration_is_seen_is_undetermined_with_a_line(tmp_path: Path) -> None:
    found = accepted(pack(tmp_path), "_310P", {})
    assert found.why is not None
    assert found.why[1].startswith(f"{PLATFORM}:")


@pytest.mark.parametrize("change", ["dtype=mystery(input_size)", "dtype=torch.int8 if unknown_flag() else None"])
def test_an_allocation_that_cannot_be_followed_has_a_reason_or_an_open_dtype(tmp_path: Path, change: str) -> None:
    found = registered(pack(tmp_path, {SCHEMES: ("dtype=torch.int8", change)}), DEVICES, {}).schemes
    scheme = found["main", "INT8", "linear"]
    assert scheme.why or scheme.dtypes == {"weight": "?"}
