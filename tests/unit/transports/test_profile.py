"""The table of abilities against what real servers were recorded to do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from comfyclient.errors import BadAnswerError
from comfyclient.local.versions import Behaviour
from comfyclient.testing import answers, play
from comfyclient.transports.answers import read_job
from comfyclient.transports.messages import read_frame
from comfyclient.transports.observing import shown_by
from comfyclient.transports.profile import (
    ABILITIES,
    CANCEL_ROUTE,
    INTERRUPTS_BY_ID,
    JOBS_API,
    LISTS_OWN_OUTPUTS,
    NAMES_PREVIEWS,
    PREVIEWS_PER_PROMPT,
    TAKES_IDS,
    TELLS_FEATURES,
    TELLS_FINISHED,
    TELLS_SUCCESS,
    TELLS_TEXT,
    Ability,
    parse_version,
)

TRACES = Path(__file__).parents[2] / "data" / "traces"
VERSIONS = sorted(folder.name for folder in TRACES.glob("v*"))

Exchange = tuple[dict[str, Any], dict[str, Any]]


@cache
def events(version: str, scenario: str) -> list[dict[str, Any]]:
    """What was recorded, in its order."""
    text = (TRACES / version / f"{scenario}.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["events"]
    return found


def exchanges(version: str, scenario: str, route: str) -> Iterator[Exchange]:
    """Requests of a route, each with its answer."""
    requests: dict[int, dict[str, Any]] = {}
    for event in events(version, scenario):
        if event["kind"] == "http_request":
            requests[event["id"]] = event
        if event["kind"] == "http_response":
            request = requests[event["id"]]
            if f"{request['method']} {request['path']}".startswith(route):
                yield request, event


def shown(version: str, scenario: str) -> dict[Ability, bool]:
    """What the messages of a recording show, as the transport takes it in."""
    found: dict[Ability, bool] = {}
    for event in events(version, scenario):
        match event:
            case {"kind": "ws_text", "data": {"data": dict()} as data}:
                frame: str | bytes = json.dumps(data)
            case {"kind": "ws_binary", "b64": text}:
                frame = base64.b64decode(text)
            case _:
                continue
        found |= dict(filter(None, map(shown_by, read_frame(frame))))
    return found


def takes_ids(version: str) -> bool:
    """Whether the answer names the canonical id that was sent."""
    request, answer = next(exchanges(version, "client_prompt_id", "POST /prompt"))
    same: bool = answer["body"]["prompt_id"] == request["body"]["prompt_id"]
    return same


def flags_told(version: str) -> Any:
    """What the websocket was told; None where it was told nothing."""
    for event in events(version, "feature_flags"):
        match event:
            case {"kind": "ws_text", "data": {"type": "feature_flags", "data": told}}:
                return told
    return None


def tells_features(version: str) -> bool:
    """Whether that address answers, with what a websocket is told."""
    _, answer = next(exchanges(version, "misc_routes", "GET /features"))
    return bool(answer["status"] == 200 and answer["body"] == flags_told(version))


def interrupts_by_id(version: str) -> bool:
    """Whether the job that ran went on when one that waits was to be interrupted."""
    asked = 0
    for event in events(version, "interrupt_prompt_id"):
        if event["kind"] == "http_request" and event["path"] == "/interrupt":
            asked += 1
        if event.get("data", {}).get("type") == "execution_interrupted":
            return asked > 1
    raise AssertionError("nothing was interrupted")


def lists_own_outputs(version: str) -> bool:
    """Whether the history of a run leaves out nodes that it was not asked for."""
    answers = exchanges(version, "partial_targets_cached", "GET /history/")
    entry = next(iter(next(answers)[1]["body"].values()))
    return {*entry["outputs"]} <= {*entry["prompt"][4]}


def previews_per_prompt(version: str) -> bool:
    """Whether previews came for the job alone that asked for them."""
    asked, came = set(), set()
    for event in events(version, "preview_method"):
        if event["kind"] == "http_request" and event["path"] == "/prompt":
            method = event["body"].get("extra_data", {}).get("preview_method")
            asked |= {method} if method in ("auto", "taesd", "latent2rgb") else set()
        if event["kind"] == "ws_binary":
            came.add(method)
    return bool(came) and came == asked


def jobs_api(version: str) -> bool:
    """Whether the route for one job gives an answer that can be read."""
    _, answer = next(exchanges(version, "misc_routes", "GET /api/jobs/"))
    try:
        read_job(json.dumps(answer["body"]).encode())
    except BadAnswerError:
        return False
    return True


def cancel_route(version: str) -> bool:
    """Whether the route that cancels says that it did."""
    _, answer = next(exchanges(version, "jobs_cancel", "POST /api/jobs/"))
    return bool(answer["status"] == 200 and answer["body"]["cancelled"])


RECORDED = {
    TELLS_SUCCESS: lambda v: shown(v, "success_saveimage").get(TELLS_SUCCESS, False),
    TELLS_TEXT: lambda v: shown(v, "progress_text").get(TELLS_TEXT, False),
    TELLS_FINISHED: lambda v: shown(v, "success_saveimage").get(TELLS_FINISHED, False),
    NAMES_PREVIEWS: lambda v: shown(v, "feature_flags").get(NAMES_PREVIEWS, False),
    TELLS_FEATURES: tells_features,
    TAKES_IDS: takes_ids,
    INTERRUPTS_BY_ID: interrupts_by_id,
    LISTS_OWN_OUTPUTS: lists_own_outputs,
    PREVIEWS_PER_PROMPT: previews_per_prompt,
    JOBS_API: jobs_api,
    CANCEL_ROUTE: cancel_route,
}
NOT_RECORDED = {
    LISTS_OWN_OUTPUTS: {"v0.3.12", "v0.3.40"},
    PREVIEWS_PER_PROMPT: {"v0.3.12", "v0.3.40", "v0.3.64"},
    CANCEL_ROUTE: {"v0.3.12", "v0.3.40", "v0.3.64"},
}
"""Scenarios that are about newer servers alone."""
CASES = [
    pytest.param(version, ability, id=f"{version}-{ability.name}")
    for version in VERSIONS
    for ability in ABILITIES
    if version not in NOT_RECORDED.get(ability, ())
]


@pytest.mark.parametrize(("version", "ability"), CASES)
def test_the_table_says_what_servers_did(version: str, ability: Ability) -> None:
    """A recorded server did what the table says that its version does."""
    said = parse_version(version)
    assert said is not None
    assert RECORDED[ability](version) is (said >= ability.since)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_recording_contradicts_the_table(version: str) -> None:
    """No message of any recording shows what its version should not do."""
    said = parse_version(version)
    assert said is not None
    for path in (TRACES / version).glob("*.json"):
        for ability, able in shown(version, path.stem).items():
            assert able is (said >= ability.since), (path.stem, ability.name)


def test_the_table_is_in_order() -> None:
    """Names are unique, the oldest ability comes first, and each is put into words."""
    assert len({ability.name for ability in ABILITIES}) == len(ABILITIES)
    assert [*ABILITIES] == sorted(ABILITIES, key=lambda ability: ability.since)
    assert {*RECORDED} == {*ABILITIES}
    assert all(a.words[0].islower() and a.words[-1] != "." for a in ABILITIES)


def test_the_stand_ins_change_where_real_servers_do() -> None:
    """Engine and scripted server gain each ability with the release of the table."""
    fields = Behaviour.__dataclass_fields__
    engine = {name: field.metadata.get("since") for name, field in fields.items()}
    played: dict[Ability, set[Version]] = {
        TELLS_TEXT: {engine["progress_text"]},
        TAKES_IDS: {engine["client_prompt_id"], answers.PROMPT_ID_SINCE},
        TELLS_FINISHED: {engine["feature_flags"], play._SINCE_PROGRESS_STATE},
        TELLS_FEATURES: {engine["feature_flags"], answers.FEATURES_SINCE},
        NAMES_PREVIEWS: {engine["feature_flags"]},
        INTERRUPTS_BY_ID: {engine["interrupt_by_id"], answers.INTERRUPT_ID_SINCE},
        LISTS_OWN_OUTPUTS: {engine["outputs_of_this_run"]},
        JOBS_API: {engine["jobs_api"], answers.JOBS_SINCE},
        CANCEL_ROUTE: {engine["cancel_routes"], answers.CANCEL_SINCE},
    }
    for ability, releases in played.items():
        assert releases == {ability.since}, ability.name


@pytest.mark.parametrize(
    "text", [None, "", "unknown", "abc", "0..1", "²", "0.3.12+\0", "-"]
)
def test_an_odd_version_is_none(text: str | None) -> None:
    """A version that cannot be read is none, not an error."""
    assert parse_version(text) is None
