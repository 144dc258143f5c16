"""Loaders changed as pull requests change them: the fate of the names changes accordingly."""

from __future__ import annotations

from pathlib import Path

from checkpoints import group
from tiny import LOADER, PATCH, checkpoint, fate, judged, line_of, loading, tiny

from ascend_compat.core.verdict import Verdict
from ascend_compat.knowledge.loading.results import Result

SCALE = group("model.layers.*.proj.weight_scale", "F32", (8, 1), (0, 1))
HEAD = group("lm_head.weight", "BF16", (8, 8))
CHOICE = "if self.config.tie_word_embeddings and name"


def test_every_name_of_the_model_is_loaded(tmp_path: Path) -> None:
    found = loading(tmp_path, tiny())
    assert {item.result for item in found.outcomes} == {Result.LOADED}
    assert fate(found, "0.right.weight").into == ("model.layers.0.pair.weight",)
    assert fate(found, "0.norm.weight").into == ("model.layers.0.norm.weight",)


def test_layers_that_are_alike_are_run_once_and_counted(tmp_path: Path) -> None:
    found = loading(tmp_path, tiny())
    assert [item.sample.layers for item in found.outcomes] == [(0, 1)] * 4
    assert sum(item.count for item in found.outcomes) == 8


def test_a_dropped_entry_of_the_mapping_raises_where_the_name_is_looked_up(tmp_path: Path) -> None:
    files = tiny(('("pair", "left", 0), ', ""))
    found = fate(loading(tmp_path, files), "left.weight")
    assert (found.result, found.exception) == (Result.RAISES, "KeyError")
    assert found.at == line_of(files, "loader = getattr")


def test_a_scale_nobody_reads_is_passed_over_silently(tmp_path: Path) -> None:
    files = tiny()
    found = fate(loading(tmp_path, files, checkpoint(SCALE)), "weight_scale")
    assert (found.result, found.left, found.warned) == (Result.DROPPED, None, False)
    assert (
        found.at
        == f"{line_of(files, '_scale').rpartition(':')[0]}:{int(line_of(files, '_scale').rpartition(':')[2]) + 1}"
    )


def test_a_skip_rule_that_is_turned_makes_it_loud(tmp_path: Path) -> None:
    found = judged(tmp_path, tiny(('"_scale") and', '"_offset") and')), checkpoint(SCALE))
    assert found.verdict is Verdict.INCOMPATIBLE
    item = next(f for f in found.findings if f.code == "AC340")
    assert item.message.params["exception"] == "KeyError"
    assert item.evidence[0].line is not None


def test_a_skip_rule_that_takes_too_much_leaves_a_parameter_empty(tmp_path: Path) -> None:
    found = judged(tmp_path, tiny(('name.endswith("_scale") and name not in params', '"proj" in name')), checkpoint())
    item = next(f for f in found.findings if f.code == "AC342")
    assert item.message.id == "AC342.strict"
    assert LOADER in {evidence.path for evidence in item.evidence}


def test_a_patch_of_the_plugin_is_what_runs(tmp_path: Path) -> None:
    patch = """
from vllm.model_executor.models.tiny import TinyModel
_given = TinyModel.load_weights
def _without_norms(self, weights):
    return _given(self, ((name, tensor) for name, tensor in weights if "norm" not in name))
TinyModel.load_weights = _without_norms
"""
    found = loading(
        tmp_path,
        {**tiny(), PATCH: patch, "vllm_ascend/patch/__init__.py": "", "vllm_ascend/patch/worker/__init__.py": ""},
    )
    assert fate(found, "norm.weight").result is Result.DROPPED
    assert fate(found, "norm.weight").at == f"{PATCH}:5"
    assert fate(found, "proj.weight").result is Result.LOADED


def test_a_patched_constructor_that_hands_everything_on_sets_what_the_original_sets(tmp_path: Path) -> None:
    patch = """
from vllm.model_executor.models.tiny import TinyModel
_given = TinyModel.__init__
def _init(self, *args, **kwargs):
    _given(self, *args, **kwargs)
    self.patched = True
TinyModel.__init__ = _init
"""
    files = tiny((CHOICE, "if self.patched and self.config.tie_word_embeddings and name"))
    packages = {"vllm_ascend/patch/__init__.py": "", "vllm_ascend/patch/worker/__init__.py": ""}
    found = loading(tmp_path, {**files, PATCH: patch, **packages})
    assert {item.result for item in found.outcomes} == {Result.LOADED}


def test_a_name_that_is_mapped_elsewhere_goes_there(tmp_path: Path) -> None:
    files = tiny(('name.removeprefix("model.")', 'name.removeprefix("model.").replace("proj", "norm")'))
    assert fate(loading(tmp_path, files), "proj.weight").into == ("model.layers.0.norm.weight",)


def test_what_is_decided_by_the_configuration_is_decided(tmp_path: Path) -> None:
    facts = checkpoint(HEAD)
    assert fate(loading(tmp_path / "a", tiny(), facts), "lm_head.weight").result is Result.RAISES
    files = tiny(("self.config.tie_word_embeddings and", "not self.config.tie_word_embeddings and"))
    assert fate(loading(tmp_path / "b", files, facts), "lm_head.weight").result is Result.DROPPED


def test_a_loader_nobody_can_follow_is_a_warning_and_no_verdict(tmp_path: Path) -> None:
    files = tiny((CHOICE, "if elsewhere.decides(name) and name"))
    found = judged(tmp_path, files, checkpoint(HEAD))
    item = next(f for f in found.findings if f.code == "AC344")
    assert (item.evidence[0].path, item.evidence[0].line) == tuple_of(line_of(files, "elsewhere.decides"))
    assert not [f for f in found.findings if f.code in ("AC340", "AC342")]
    assert found.verdict is not Verdict.UNDETERMINED


def test_one_tensor_that_raises_does_not_hide_another(tmp_path: Path) -> None:
    files = tiny(('("pair", "left", 0), ("pair", "right", 1)', ""))
    results = {item.sample.name.split(".")[-2]: item.result for item in loading(tmp_path, files).outcomes}
    assert results == {"left": Result.RAISES, "right": Result.RAISES, "proj": Result.LOADED, "norm": Result.LOADED}


def tuple_of(place: str) -> tuple[str, int]:
    """``path:line`` in two."""
    path, _, line = place.rpartition(":")
    return path, int(line)
