"""The views machines read: JSON and its schema, SARIF, JUnit, GitHub, YAML, HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from ascend_compat.core.report import RankPart, ReportDocument, json_schema
from ascend_compat.core.units import GIB
from ascend_compat.core.verdict import Severity
from ascend_compat.report import catalog
from ascend_compat.report.e2e import render_e2e
from ascend_compat.report.github import render_github
from ascend_compat.report.html import render_html
from ascend_compat.report.junit import render_junit
from ascend_compat.report.rows.memory import bar
from ascend_compat.report.sarif import render_sarif
from ascend_compat.report.threshold import fails
from ascend_compat.report.view import View

ROOT = Path(__file__).parents[2]


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema(), "regenerate docs/report.schema.json from core.report.json_schema()"


@pytest.mark.parametrize("name", ["fp8", "w8a8", "bare", "hostile"])
def test_a_report_validates_against_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    doc: ReportDocument = request.getfixturevalue(name)
    jsonschema.validate(json.loads(doc.to_json()), json_schema())


def test_sarif_has_a_rule_and_a_location_for_every_result(fp8: ReportDocument) -> None:
    run = json.loads(render_sarif(fp8))["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 355


def test_sarif_addresses_hold_no_character_a_uri_may_not(hostile: ReportDocument) -> None:
    for result in json.loads(render_sarif(hostile))["runs"][0]["results"]:
        for place in [*result["locations"], *result.get("relatedLocations", [])]:
            assert re.fullmatch(r"[\w./:%~-]+", place["physicalLocation"]["artifactLocation"]["uri"], re.ASCII)


def test_junit_counts_what_it_holds(fp8: ReportDocument) -> None:
    for fail_on, failures in (("blocker", 2), ("warning", 3)):
        suites = ElementTree.fromstring(render_junit(fp8, fail_on=fail_on))
        assert suites.get("failures") == str(failures) == str(len(suites.findall(".//failure")))
        assert suites.get("tests") == "3" == str(len(suites.findall(".//testcase")))


def test_junit_of_a_compatible_model_has_no_failure(w8a8: ReportDocument) -> None:
    assert ElementTree.fromstring(render_junit(w8a8)).get("failures") == "0"


def test_junit_stays_xml_whatever_a_name_holds(hostile: ReportDocument) -> None:
    suites = ElementTree.fromstring(render_junit(hostile, "zh"))
    assert len(suites.findall(".//testcase")) == 2


def test_github_gives_one_line_per_finding_and_one_for_the_verdict(
    fp8: ReportDocument, hostile: ReportDocument
) -> None:
    for doc in (fp8, hostile):
        lines = render_github(doc).rstrip("\n").split("\n")
        assert len(lines) == len(doc.findings) + 1
        assert all(re.match(r"::(error|warning|notice) [^:]*::", line) for line in lines)
    first = render_github(fp8).split("\n")[0]
    assert "file=vllm_ascend/quantization/compressed_tensors_config.py,line=355" in first


def test_the_yaml_holds_matrix_launch_and_checks(fp8: ReportDocument, w8a8: ReportDocument) -> None:
    data = yaml.safe_load(render_e2e(w8a8))
    assert data["verdict"] == "compatible"
    assert data["features"]["expert-parallel"] == "supported"
    assert len(data["deployment"]) == 2
    assert {step["name"] for step in data["verification"]} == {"health", "models", "chat", "tools"}
    assert yaml.safe_load(render_e2e(fp8))["quantization"]["mapping"][0]["allocated"] == "int8"


def test_the_yaml_of_an_unknown_model_says_null(bare: ReportDocument) -> None:
    data = yaml.safe_load(render_e2e(bare))
    assert data["layout"] is None
    assert data["deployment"] == []


class _Page(HTMLParser):
    """Collects tags and their addresses; checks that what opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["fp8", "w8a8", "bare", "hostile"])
@pytest.mark.parametrize("lang", catalog.LANGUAGES)
def test_html_is_whole_and_asks_for_nothing(name: str, lang: str, request: pytest.FixtureRequest) -> None:
    text = render_html(request.getfixturevalue(name), lang)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert not page.tags & {"script", "img", "link", "iframe"}
    assert all(link.startswith("#") for link in page.links)
    assert "url(" not in text
    assert "view." not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.S)
    assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}">' in text


def test_html_links_lead_to_sections(fp8: ReportDocument) -> None:
    text = render_html(fp8)
    for target in re.findall(r'href="#(\w+)"', text):
        assert f'id="{target}"' in text


def test_the_bar_never_exceeds_the_device(fp8: ReportDocument) -> None:
    shares = [float(width) for width in re.findall(r'style="width:([\d.]+)%"', render_html(fp8))]
    assert 99 < sum(shares) <= 100.01


@pytest.mark.parametrize(
    "changes",
    [
        {"graph_inside": 2, "total": 49, "kv_cache": 7},
        {"kv_cache": 14, "budget": 40},
        {"weights": 50, "total": 57, "kv_cache": -1},
        {"kv_cache": 90},
    ],
    ids=["graphs-within", "kv-size-beyond-the-budget", "nothing-left", "more-than-the-device"],
)
def test_the_bar_shows_every_byte_of_the_device_once(w8a8: ReportDocument, changes: dict[str, int]) -> None:
    sizes = {"weights": 40, "activation": 6, "non_torch": 1, "graph": 1, "total": 47, "kv_cache": 9, "budget": 56}
    part = RankPart(**{name: size * GIB for name, size in {**sizes, "device": 62, **changes}.items()})
    slices = bar(View(w8a8, "en"), part)
    assert sum(item.bytes for item in slices) == max(part.device, part.total + max(part.kv_cache, 0))
    assert sum(item.share for item in slices) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "fail_on", "expected"),
    [
        ("fp8", "blocker", True),
        ("w8a8", "warning", False),
        ("bare", "blocker", True),
        ("bare", "undetermined", True),
    ],
)
def test_the_threshold_decides(name: str, fail_on: str, expected: bool, request: pytest.FixtureRequest) -> None:
    assert fails(request.getfixturevalue(name), fail_on) is expected


def test_an_undetermined_warning_counts_only_when_asked(bare: ReportDocument) -> None:
    row = bare.findings[0].model_copy(update={"severity": Severity.WARNING})
    doc = ReportDocument.model_validate({**bare.model_dump(mode="json"), "findings": [row.model_dump(mode="json")]})
    assert not fails(doc, "blocker")
    assert fails(doc, "undetermined")
    assert fails(doc, "warning")
