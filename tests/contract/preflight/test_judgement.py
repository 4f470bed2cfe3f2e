"""The check before sending agrees with real servers on graphs made at random."""

from __future__ import annotations

from collections import Counter

import pytest

from comfyclient.preflight.findings import Outlook
from comfyclient.preflight.preflight import check
from comfyclient.workflow import Workflow

from .judging import disagreement
from .recorded import Recording, versions

VERSIONS = ["0.3.12", "0.3.40", "0.3.64", "0.6.0", "0.9.0", "0.26.0", "0.33.0"]

DOUBTED = 0.03
"""The most of the refusals that may be said as a doubt.

Doubtful are files of the input folder that no list would show, choices of classes whose
own check changed between releases, and types that only one class's own code knows.
"""


def test_every_version_that_was_recorded_is_played() -> None:
    """No recording lies unused."""
    assert versions() == sorted(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_check_says_what_the_server_said(version: str) -> None:
    """No graph that a server took is refused, and none that it refused goes through."""
    recording = Recording.read(version)

    found = Counter(
        disagreement(check(Workflow(graph), recording.info), said)
        for graph, said in recording.graphs
    )

    refusals = sum(said.verdict != "ok" for _, said in recording.graphs)
    assert found.keys() <= {None, "doubted"}
    assert found["doubted"] <= DOUBTED * refusals


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_of_the_judgement_were_recorded(version: str) -> None:
    """The graphs are neither all sound nor all wrong."""
    graphs = Recording.read(version).graphs

    verdicts = Counter(said.verdict for _, said in graphs)

    assert min(verdicts[one] for one in ("ok", "partial", "refused")) >= 40


def test_every_kind_of_error_was_recorded() -> None:
    """The graphs are wrong in every way that servers tell apart."""
    said = [said for one in VERSIONS for _, said in Recording.read(one).graphs]

    kinds = {kind for one in said for errors in one.errors.values() for kind in errors}

    assert kinds >= {
        "required_input_missing", "value_not_in_list", "value_bigger_than_max",
        "value_smaller_than_min", "return_type_mismatch", "bad_linked_input",
        "invalid_input_type", "prompt_no_outputs", "dependency_cycle",
        "custom_validation_failed", "missing_node_type", "invalid_prompt",
    }  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_what_runs_of_a_partly_wrong_graph_is_told(version: str) -> None:
    """Where the server drops some outputs, the check loses outputs, but not all."""
    recording = Recording.read(version)

    for graph, said in recording.graphs:
        report = check(Workflow(graph), recording.info)
        refused = all(
            one.outlook is Outlook.REFUSED for one in report.findings if one.is_error
        )
        if said.verdict == "partial" and not report.ok and refused:
            assert report.partial
            assert report.error(allow_partial=True) is None
            assert report.error() is not None
