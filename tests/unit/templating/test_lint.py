"""Lint: what it finds in templates that are wrong, and in one that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyclient.templating.lint import Finding, LintReport, lint, structure
from comfyclient.templating.registry import shipped_templates
from comfyclient.templating.template import Template

WriteTemplate = Callable[..., Path]

TEXT = "{{ params.title | default(trip.title) }}"
TITLED = (
    (
        '"inputs": {"image": "a.png"}',
        '"inputs": {"image": "a.png"}, "_meta": {"title": "Load"}',
    ),
    (
        '"class_type": "SetText",',
        '"class_type": "SetText", "_meta": {"title": "Text"},',
    ),
)


@pytest.fixture
def linted(write_template: WriteTemplate) -> Callable[..., LintReport]:
    """Lint a template with some texts of its source or manifest replaced."""

    def run(
        *changes: tuple[str, str], manifest: tuple[str, str] = ("", "")
    ) -> LintReport:
        folder = write_template(*TITLED, *changes)
        sample = shipped_templates() / "trip-postcard" / "1.0.0" / "sample_trip.json"
        (folder / "sample_trip.json").write_bytes(sample.read_bytes())
        path = folder / "manifest.toml"
        path.write_text(path.read_text("utf-8").replace(*manifest), "utf-8")
        return lint(Template(folder))

    return run


def test_a_good_template_has_no_findings(linted: Callable[..., LintReport]) -> None:
    """Nothing is found, and much was tried."""
    report = linted()
    assert report.findings == ()
    assert not report.has_errors
    assert report.verdict.startswith("ok, ")
    assert report.renderings > 50


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [(TEXT, '"{{ trip.title }}"')],
            "error: with the sample trip: card@1.0.0: workflow.json.j2:7: "
            "{{ trip.title }} stands inside quotes",
        ),
        (
            [('"3": {', '"9": {"class_type": "SetText", "inputs": {}},\n"3": {')],
            "warning: node '9' (SetText) leads to no named output [card@1.0.0 line 11]",
        ),
        (
            [(', "filename_prefix": "card"', "")],
            "warning: node '3' (SaveImage) has no filename_prefix",
        ),
        (
            [('"a.png"', "[1, 2, 3]")],
            "error: node '1' (LoadImage).image is a list, which a server reads as",
        ),
        (
            [("SetText", "OtherText")],
            "error: 'OtherText' is used, but is not in the manifest's "
            "requirements.node_classes",
        ),
        (
            [("SetText", "OtherText")],
            "warning: 'SetText' of the manifest's requirements.node_classes is never",
        ),
        (
            [("trip.title", "trip.id")],
            "error: 'id' is used, but is not in the manifest's trip.takes",
        ),
        (
            [(TEXT, "{{ trip.title }}")],
            "warning: workflow.json.j2 does not use the parameter 'title'",
        ),
        (
            [('"_meta": {"title": "Save"},', "")],
            "warning: node '3' (SaveImage) has no title in _meta",
        ),
        (
            [('"seed":', '{{ trip.title | default("x") }}:')],
            "error: the text",
        ),
        (
            [(TEXT, "{{ trip.highest.near }}")],
            "error: with a trip that knows nothing: ",
        ),
        (
            [(TEXT, "{{ [trip.vehicle.brand, 0] }}")],
            "links to node 'Example Motors', which the graph does not have",
        ),
        (
            [(TEXT, '{{ params.title | default("1") | int }}')],
            "error: with title = ",
        ),
    ],
)
def test_each_fault_is_found(
    linted: Callable[..., LintReport], changes: list[tuple[str, str]], said: str
) -> None:
    """Every kind of fault gives its finding, with the line where there is one."""
    shown = [str(finding) for finding in linted(*changes).findings]
    assert any(said in one for one in shown), shown


def test_a_missing_sample_is_an_error(write_template: WriteTemplate) -> None:
    """A template that takes a trip must show one."""
    report = lint(Template(write_template()))
    assert report.has_errors
    assert "there is no sample_trip.json" in str(report.findings[0])


def test_a_broken_sample_is_an_error(write_template: WriteTemplate) -> None:
    """The trip's own error is passed on."""
    folder = write_template()
    (folder / "sample_trip.json").write_text("{", "utf-8")
    assert "sample_trip.json" in str(lint(Template(folder)).findings[0])


def test_a_report_is_json(linted: Callable[..., LintReport]) -> None:
    """A script reads verdict, levels, messages and lines."""
    report = linted((TEXT, '"{{ trip.title }}"'))
    read = json.loads(json.dumps(report.as_json()))
    assert read["template"] == "card@1.0.0"
    assert read["ok"] is False
    assert read["findings"][0]["level"] == "error"
    assert read["findings"][0]["line"] == 7
    assert report.verdict == f"1 errors, 0 warnings, {report.renderings} renderings"


def test_findings_are_told_once(linted: Callable[..., LintReport]) -> None:
    """The same fault in many renderings is one finding."""
    findings = linted((TEXT, "{{ trip.title | int }}")).findings
    assert len(set(findings)) == len(findings)


def test_structure_is_blind_to_constants_only() -> None:
    """Ids, classes, input names and links count; values do not."""
    base = {"1": {"class_type": "A", "inputs": {"x": 1}}}
    link = {"1": {"class_type": "A", "inputs": {"x": ["1", 0]}}}
    assert structure(base) == structure({"1": {"class_type": "A", "inputs": {"x": 2}}})
    assert structure(base) != structure(link)
    assert structure(base) != structure({"1": {"class_type": "B", "inputs": {"x": 1}}})
    assert structure(base) != structure({"1": {"class_type": "A", "inputs": {"y": 1}}})
    assert structure(base) != structure({"2": {"class_type": "A", "inputs": {"x": 1}}})
    assert str(Finding("error", "bad")) == "error: bad"
