"""Recorded answers of real servers: refusals, queues, jobs, each read the same way.

A refusal is noted as `Error: kind node class input=value`, with `-` for what is unset.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from comfyclient.errors import NodeIssue
from comfyclient.transports.answers import Whereabouts

VERSIONS = ("v0.3.12", "v0.3.40", "v0.3.64", "v0.33.0")
Replayer = Callable[..., Any]


def noted(issue: NodeIssue) -> str:
    """An issue in the notation of this file."""
    node = f"{issue.node_id or '-'} {issue.class_type or '-'}"
    return f"{issue.kind} {node} {issue.input_name or '-'}={issue.value or '-'}"


REFUSED = [
    "ValidationError: no_prompt - - -=-",
    "ValidationError: prompt_no_outputs - - -=-",
    "ValidationError: prompt_no_outputs - - -=-",
    "MissingNodeError: MISSING 2 NopeNode -=-",
    "MissingNodeError: MISSING 2 NopeNode -=-",
    "ValidationError: MISSING 2 - -=-",
    "ValidationError: required_input_missing 1 EmptyImage batch_size=-"
    " & required_input_missing 1 EmptyImage color=-",
    "ValidationError: value_not_in_list 3 ImageScale upscale_method=bogus",
    "ValidationError: return_type_mismatch 2 SaveImage images=LATENT",
    "ValidationError: value_bigger_than_max 1 EmptyImage batch_size=99999",
    "ValidationError: value_smaller_than_min 1 EmptyImage width=0",
    "ValidationError: invalid_input_type 1 EmptyImage width=abc",
    "ValidationError: invalid_input_type 1 EmptyImage width=null",
    'ValidationError: bad_linked_input 2 SaveImage images=["1"]',
    "ValidationError: exception_during_validation 2 SaveImage -=-",
    "ValidationError: exception_during_validation 2 SaveImage -=-",
    "ValidationError: exception_during_validation 2 SaveImage -=-",
    "ValidationError: return_type_mismatch 2 SaveImage images=LATENT",
    "ValidationError: custom_validation_failed 1 LoadImage image=-",
    "ValidationError: exception_during_validation 2 SaveImage -=-",
    "CYCLE",
    "ValidationError: required_input_missing 1 EmptyImage batch_size=-"
    " & value_smaller_than_min 1 EmptyImage color=-5"
    " & value_bigger_than_max 1 EmptyImage height=999999"
    " & value_smaller_than_min 1 EmptyImage width=-1"
    " & required_input_missing 2 SaveImage filename_prefix=-",
    "ValidationError: no_prompt - - -=-",
]
"""Every 400 of the scenario, in order; `MISSING` and `CYCLE` depend on the version."""
CYCLE = "ValidationError: prompt_outputs_failed_validation - - -=-"
NAMED_CYCLE = (
    "ValidationError: dependency_cycle 1 ImageInvert -=-"
    " & dependency_cycle 3 ImageInvert -=-"
)


@pytest.mark.parametrize("version", VERSIONS)
def test_refusals(version: str, replay: Replayer) -> None:
    """Each recorded refusal names class, node, input and value, on every version."""
    new = version == "v0.33.0"
    expected = [
        line.replace("CYCLE", NAMED_CYCLE if new else CYCLE).replace(
            "MISSING", "missing_node_type" if new else "invalid_prompt"
        )
        for line in REFUSED
    ]
    found = [
        f"{type(e).__name__}: {' & '.join(noted(issue) for issue in e.issues)}"
        for e in replay(version, "validation_errors").refusals
    ]

    assert found == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_titles(version: str, replay: Replayer) -> None:
    """A node that a person has titled is named by its title too."""
    titles = [
        issue.title
        for refusal in replay(version, "validation_errors").refusals[3:5]
        for issue in refusal.issues
    ]

    # 0.12 and later fall back to the class where there is no title
    assert titles == ["NopeNode" if version == "v0.33.0" else None, "My Title"]


@pytest.mark.parametrize("version", VERSIONS)
def test_choices(version: str, replay: Replayer) -> None:
    """What an input would take is told: choices, ranges, types."""
    refusals = replay(version, "validation_errors").refusals
    allowed = [refusals[n].issues[0].allowed for n in (7, 8, 9, 13)]

    assert allowed == [
        "nearest-exact, bilinear, area, bicubic, lanczos",
        "IMAGE",
        "INT from 1 to 4096",
        "IMAGE",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_dropped_outputs(version: str, replay: Replayer) -> None:
    """An accepted graph of which a part was dropped carries that part's issues."""
    jobs = replay(version, "validation_errors").sent
    issues = [noted(issue) for job in jobs for issue in job.accepted.issues]

    assert issues == ["value_smaller_than_min 3 EmptyImage width=-5"]


def test_prompt_ids(replay: Replayer) -> None:
    """An id that is not a canonical UUID is refused before the graph is looked at."""
    refusals = replay("v0.33.0", "prompt_id_forms").refusals
    kinds = [refusal.issues[0].kind for refusal in refusals]

    assert len(kinds) == 16
    assert kinds[:14] == ["invalid_prompt_id"] * 14
    assert kinds[14:] == ["prompt_no_outputs", "no_prompt"]


@pytest.mark.parametrize("version", VERSIONS)
def test_deleted_jobs_leave_the_queue(version: str, replay: Replayer) -> None:
    """A deleted pending job is gone; deleting the running one changes nothing."""
    seen = replay(version, "delete_queued")
    first, second, third, fourth = (job.prompt_id for job in seen.sent)

    assert [(q.running, q.pending) for q in seen.queues] == [
        ((first,), (second, third, fourth)),
        ((first,), (third, fourth)),
        ((first,), ()),
    ]
    assert seen.queues[0].position(fourth) == 3
    assert seen.queues[1].whereabouts(second) is Whereabouts.UNKNOWN


def test_jobs_api_states(replay: Replayer) -> None:
    """The jobs API tells running, pending, done, failed, stopped and unknown."""
    looks = replay("v0.33.0", "jobs_states").looks
    found = [
        (where.value, outcome and (outcome.state, sorted(outcome.outputs)))
        for where, outcome in looks
    ]

    assert found == [
        ("running", None),
        ("pending", None),
        ("unknown", None),
        ("ended", ("success", ["2"])),
        ("ended", ("success", ["2", "6"])),
        ("ended", ("error", ["5"])),
        ("ended", ("cancelled", [])),
        ("ended", ("success", ["1"])),
        ("ended", ("success", [])),
        ("unknown", None),
        ("unknown", None),
        ("unknown", None),
    ]


def test_jobs_api_failure(replay: Replayer) -> None:
    """The jobs API tells what failed, and where an interrupted job stood."""
    looks = replay("v0.33.0", "jobs_states").looks
    failed, stopped = looks[5][1], looks[6][1]

    assert failed.failure.exception_type == "ValueError"
    assert failed.failure.traceback
    assert stopped.failure is None
    assert stopped.interrupted_node == "3"
    assert stopped.started_at < stopped.ended_at


def test_jobs_api_after_cancel(replay: Replayer) -> None:
    """A cancelled pending job is unknown, a cancelled running one ends as cancelled."""
    looks = replay("v0.33.0", "jobs_cancel").looks
    found = [outcome.state if outcome else where.value for where, outcome in looks]

    assert found == ["unknown", "cancelled", "cancelled", "success"]


def test_jobs_api_agrees_with_frames(replay: Replayer) -> None:
    """The jobs API lists exactly the files that the frames of the same job showed."""
    jobs = [job for job in replay("v0.33.0", "jobs_states").sent if job.looked]

    assert len(jobs) >= 5
    for job in jobs:
        listed = [ref for shown in job.looked.outputs.values() for ref in shown.refs]
        assert set(listed) == set(job.refs)
