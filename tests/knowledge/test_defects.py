"""Known defects: each entry hits one question and leaves a like one alone; what is open never blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from defect_cases import CASES as PLAIN
from defect_cases import MINIMAX, MLA, MXFP, W8A8SC, Ask
from defect_cases_code import CASES as CODE
from defect_cases_code import MORE
from defect_cases_launch import BESIDE
from defect_cases_launch import CASES as LAUNCHED

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.verdict import Basis, Severity
from ascend_compat.knowledge.curated import Defect
from ascend_compat.knowledge.defects import defect_findings, holds
from ascend_compat.knowledge.gates import verdict_of
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.outcomes import Trouble
from ascend_compat.report.catalog import render

DIRECTORY = Path(__file__).parents[2] / "rules"
RULES = Rules(DIRECTORY)
DEFECTS = {defect.id: defect for defect in RULES.defects.defect}
TEXT = (DIRECTORY / "curated" / "defects.toml").read_text(encoding="utf-8").splitlines()
CASES = {**PLAIN, **LAUNCHED, **CODE}


def found(ask: Ask, name: str) -> list[str]:
    return [f.code for f in defect_findings(RULES, ask.facts()) if f.subject == name and not f.undetermined]


def test_every_entry_has_a_case_and_every_case_an_entry() -> None:
    assert set(CASES) == set(DEFECTS)


@pytest.mark.parametrize("name", CASES)
def test_an_entry_hits_its_question(name: str) -> None:
    defect = DEFECTS[name]
    assert found(CASES[name][0], name) == ["AC601" if defect.kind == "defect" else "AC602"]


@pytest.mark.parametrize("name", CASES)
def test_an_entry_leaves_a_like_question_alone(name: str) -> None:
    assert holds(DEFECTS[name], CASES[name][1].facts()) is False


@pytest.mark.parametrize("what", MORE)
def test_what_decides_an_entry(what: str) -> None:
    name, ask, answer = MORE[what]
    assert holds(DEFECTS[name], ask.facts()) is answer


@pytest.mark.parametrize(("name", "ask"), BESIDE)
def test_an_entry_leaves_what_is_beside_it_alone(name: str, ask: Ask) -> None:
    assert holds(DEFECTS[name], ask.facts()) is False


@pytest.mark.parametrize("name", CASES)
def test_a_finding_names_the_line_of_its_entry_its_source_and_a_remedy(name: str) -> None:
    finding = next(f for f in defect_findings(RULES, CASES[name][0].facts()) if f.subject == name)
    evidence = finding.evidence[0]
    assert evidence.path == "rules/curated/defects.toml"
    assert evidence.line is not None
    assert TEXT[evidence.line - 1 : evidence.line + 1] == ["[[defect]]", f'id = "{name}"']
    assert finding.basis in (Basis.DOCUMENTED, Basis.INFERRED)
    assert finding.remedy is not None
    for lang, says in (("en", DEFECTS[name].en), ("zh", DEFECTS[name].zh)):
        sentence = render(finding.message.id, finding.message.params, lang)
        assert says in sentence and DEFECTS[name].source in sentence
    assert render(finding.remedy.id, finding.remedy.params, "zh") == DEFECTS[name].remedy_zh


@pytest.mark.parametrize("release", ["None", "", "0.19.1rc2.dev1351+g6278a143e", "main"])
def test_a_tree_without_a_release_name_gets_an_info_that_says_so(release: str) -> None:
    finding = next(f for f in defect_findings(RULES, MLA.but(release=release).facts()) if f.subject.startswith("mla"))
    assert (finding.code, finding.severity, finding.undetermined) == ("AC602", Severity.INFO, True)
    assert finding.message.params["missing"] == "vllm-ascend"
    assert verdict_of([finding]) == "compatible"


def test_a_fact_that_is_missing_is_named_and_does_not_block() -> None:
    ask = MINIMAX.but(release="0.14.0rc1", layout=None)
    finding = next(f for f in defect_findings(RULES, ask.facts()) if f.subject == "moe-double-reduce-minimax-m2")
    assert (finding.severity, finding.undetermined) == (Severity.INFO, True)
    assert finding.message.params["missing"] == "launch.ep, launch.tp"


def test_an_unknown_attention_kind_may_be_any() -> None:
    ask = Ask(release="0.20.2rc1", attention=("gqa", "unknown"))
    assert holds(DEFECTS["encoder-attention-varlen"], ask.facts()) is None
    assert holds(DEFECTS["encoder-attention-varlen"], ask.but(attention=("unknown", "encoder-only")).facts()) is True


def test_modules_the_release_is_not_known_to_build_may_have_got_any_scheme() -> None:
    ask = MXFP.but(moe="W8A8_DYNAMIC")
    facts = ask.facts()
    facts.match.lost.append(TensorGroup("model.layers.*.mlp.experts.*.up_proj.weight", "U8", (1, 1), 1, 1, (0,)))
    assert holds(DEFECTS["mxfp-moe-off-a5"], ask.facts()) is False
    finding = next(f for f in defect_findings(RULES, facts) if f.subject == "mxfp-moe-off-a5")
    assert (finding.undetermined, finding.message.params["missing"]) == (True, "dispatch.moe")


def test_a_start_that_fails_chooses_no_scheme_and_one_that_is_not_followed_any() -> None:
    for kind, answer in (("ValueError", False), (None, None)):
        facts = W8A8SC.facts()
        facts.match.startup.trouble = Trouble("verification", kind, "refused", "x.py:1")
        assert holds(DEFECTS["310p-w8a8sc-sharded"], facts) is answer


def test_only_what_was_read_in_source_blocks() -> None:
    assert all(d.level == "verified" for d in DEFECTS.values() if d.severity is Severity.BLOCKER)
    assert any(d.severity is Severity.BLOCKER for d in DEFECTS.values())


@pytest.mark.parametrize(
    ("releases", "without", "release", "answer"),
    [
        (">=0.18.0rc1,<0.21.0rc1", [], "0.18.0rc1", True),
        (">=0.18.0rc1,<0.21.0rc1", [], "0.20.2rc1", True),
        (">=0.18.0rc1,<0.21.0rc1", [], "0.21.0rc1", False),
        (">=0.18.0", [], "0.18.0rc1", False),
        ("<=0.23.0", [], "0.23.0.post1", False),
        (">=0.18.0rc1", ["0.23.0"], "0.23.0", False),
        (">=0.18.0rc1", ["0.23.0"], "0.24.0rc1", True),
        (None, ["0.23.0"], "0.24.0rc1", True),
        (">=0.18.0rc1", [], "None", None),
        (None, [], "None", True),
    ],
)
def test_intervals_are_pep_440_with_pre_releases_and_exceptions(
    releases: str | None, without: list[str], release: str, answer: bool | None
) -> None:
    entry = {
        **DEFECTS["mla-quantized-kv-b-proj"].model_dump(by_alias=True), "releases": releases, "except": without,
    }  # fmt: skip
    assert Defect.model_validate(entry).covers(release) is answer
