"""Recorded traffic of real servers: the same events and outcome on every version.

What is expected stands here by hand, in the notation of the replay's `told`. Servers
before 0.3.45 do not tell that a node is done: the same without the `done` words.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from comfyclient.errors import OutOfMemoryError
from comfyclient.transports.failures import read_execution_error

TRACES = Path(__file__).parents[2] / "data" / "traces"
ALL = sorted((path.parent.name, path.stem) for path in TRACES.glob("v*/*.json"))
VERSIONS = ("v0.3.12", "v0.3.40", "v0.3.64", "v0.33.0")
MUTE = ("v0.3.12", "v0.3.40")
"""Versions without `progress_state`."""
Replayer = Callable[..., Any]

REUSED = {(version, "client_prompt_id") for version in VERSIONS}
"""These send one id twice: the later run overwrites the history of the first."""
STALE = {(version, "partial_targets") for version in VERSIONS[:3]} | {
    ("v0.3.64", "partial_targets_cached")
}
"""Up to 0.3.67 history also lists what the cache holds for nodes of other runs."""


def assert_told(version: str, job: Any, expected: str) -> None:
    """The job told exactly these events; file names are patterns."""
    words = [word.strip() for word in expected.split("|")]
    if version in MUTE:
        words = [word for word in words if not word.startswith("done ")]
    matches = len(words) == len(job.told) and all(
        fnmatchcase(said, word) for said, word in zip(job.told, words, strict=True)
    )

    assert matches, f"\nexpected {' | '.join(words)}\n    told {' | '.join(job.told)}"


END = "ending | ended"
FRESH = "started | cached - | node 1 | done 1"


def saved(node: str, name: str) -> str:
    """A save node runs and shows one file."""
    return f"node {node} | output {node} images:output/trace/{name} | done {node}"


def steps(node: str, count: int) -> str:
    """A node counts its steps from 1."""
    return " | ".join(f"step {node} {n}/{count}" for n in range(1, count + 1))


def slept(count: int, name: str) -> str:
    """The sleeping graph: an image, a node that counts, a save."""
    return (
        f"{FRESH} | node 3 | {steps('3', count)} | done 3 | {saved('2', name)} | {END}"
    )


FAILED = f"{FRESH} | {saved('5', 'err-other_*.png')} | node 3 | {END}"
BLOCKING = f"{FRESH} | {saved('4', 'blk-ok_*.png')} | node 3 | done 3 | node 2"

EXPECTED: dict[str, list[str]] = {
    "success_saveimage": [f"{FRESH} | {saved('2', 'ok_*.png')} | {END}"],
    "success_previewimage": [
        f"{FRESH} | node 2 | output 2 images:temp//ComfyUI_temp_*.png | done 2 | {END}"
    ],
    "cached_rerun": [
        f"{FRESH} | {saved('2', 'cached_*.png')} | {END}",
        "started | cached 1,2 | output 2 images:output/trace/cached_*.png | done 2"
        f" | {END}",
        f"started | cached 1 | {saved('2', 'cached-b_*.png')} | {END}",
        "started | cached 10,20 | output 20 images:output/trace/cached-b_*.png"
        f" | done 20 | {END}",
    ],
    "execution_error": [FAILED] * 6,
    "execution_blocked": [
        f"{BLOCKING} | done 2 | {END}",
        f"{BLOCKING} | blocked 2 please stop | done 2 | {END}",
    ],
    "node_expansion": [
        f"{FRESH} | node 3 | step 3 1/2 | step 3 2/2"
        " | output 3 images:temp//ComfyUI_temp_*.png | done 3"
        f" | {saved('2', 'exp_*.png')} | {END}"
    ],
    "progress": [slept(5, "prog_*.png")],
    "two_clients": [slept(2, "a_*.png"), slept(2, "b_*.png")],
    "two_queued_one_client": [slept(3, "q1_*.png"), slept(2, "q2_*.png")],
    "interrupt_edge": [
        f"{FRESH} | {saved('2', 'int-idle_*.png')} | {END}",
        f"{FRESH} | node 3 | done 3 | node 2 | {END}",
        f"{FRESH} | node 3 | done 3 | node 4 | {END}",
    ],
    "delete_queued": [slept(5, "d1_*.png"), "", "", ""],
    "finish_before_ws": [""],
}
"""What every version tells: one line for each job that was sent."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", EXPECTED)
def test_same_events(scenario: str, version: str, replay: Replayer) -> None:
    """A scenario tells the same events on every version, each once."""
    jobs = replay(version, scenario).sent

    assert len(EXPECTED[scenario]) == len(jobs)
    for job, expected in zip(jobs, EXPECTED[scenario], strict=True):
        if expected:
            assert_told(version, job, expected)
        else:
            assert job.told == []


OUTCOMES: dict[str, list[tuple[str, str | None]]] = {
    "success_saveimage": [("success", None)],
    "cached_rerun": [("success", None)] * 4,
    "execution_blocked": [("success", None)] * 2,
    "node_expansion": [("success", None)],
    "two_queued_one_client": [("success", None)] * 2,
    "interrupt_global": [("cancelled", "3")],
    "interrupt_edge": [("-", None), ("cancelled", "2"), ("cancelled", "4")],
    "delete_queued": [("success", None), ("-", None), ("-", None), ("-", None)],
    "reconnect_midrun": [("success", None)],
    "reconnect_after_done": [("success", None)],
    "finish_before_ws": [("success", None)],
    "execution_error": [("error", None)] * 6,
}
"""State, and the node at which it was stopped; `-` where history had nothing."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", OUTCOMES)
def test_same_outcome(scenario: str, version: str, replay: Replayer) -> None:
    """A scenario ends the same way on every version."""
    found = [
        (outcome.state, outcome.interrupted_node)
        if (outcome := job.outcome)
        else ("-", None)
        for job in replay(version, scenario).sent
    ]

    assert OUTCOMES[scenario] == found


@pytest.mark.parametrize("path", ALL)
def test_replays_whole(path: tuple[str, str], replay: Replayer) -> None:
    """Every frame and every body of every recorded trace can be read."""
    seen = replay(*path)

    for job in seen.jobs.values():
        assert job.told.count("ended") <= 1 or path in REUSED
        assert job.told[:1] != ["ended"]
    for refusal in seen.refusals:
        assert refusal.issues


@pytest.mark.parametrize("path", sorted(set(ALL) - STALE - REUSED))
def test_history_agrees_with_frames(path: tuple[str, str], replay: Replayer) -> None:
    """History lists exactly the files that the frames of the same job showed."""
    for job in replay(*path).sent:
        if (
            job.outcome is None
            or job.told[:1] != ["started"]
            or "ended" not in job.told
        ):
            continue
        listed = [ref for shown in job.outcome.outputs.values() for ref in shown.refs]

        assert set(job.refs) == set(listed)
        assert set(job.outcome.outputs) <= set(job.graph.graph)


@pytest.mark.parametrize("version", VERSIONS)
def test_failures(version: str, replay: Replayer) -> None:
    """What a node raised keeps its class; both ways to run out of memory are known."""
    errors = [
        read_execution_error(job.outcome.failure, job.graph)
        for job in replay(version, "execution_error").sent
        if job.outcome and job.outcome.failure
    ]
    kinds = ["ValueError", "RuntimeError", "torch.OutOfMemoryError"]
    kinds += ["MemoryError", "KeyError"]

    assert kinds == [error.exception_type for error in errors[:5]]
    assert (errors[5].exception_type or "").endswith("CustomError")
    assert [
        n for n, error in enumerate(errors) if isinstance(error, OutOfMemoryError)
    ] == [2, 3]
    assert {("3", "SdkTestRaise")} == {(e.node_id, e.class_type) for e in errors}
    assert str(errors[0]) == "node 3 (SdkTestRaise) raised ValueError: boom ValueError"
    assert all(error.traceback for error in errors)
    assert not any("tensor(" in str(vars(error)) for error in errors)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("conn", "media_type", "named"),
    [
        ("legacy-JPEG", "image/jpeg", False),
        ("legacy-PNG", "image/png", False),
        ("meta-JPEG", "image/jpeg", True),
        ("meta-PNG", "image/png", True),
    ],
)
def test_previews(
    version: str, conn: str, media_type: str, named: bool, replay: Replayer
) -> None:
    """A preview follows each step, and names its node where client and server can."""
    node = "3" if named and version not in MUTE else "None"
    preview = f"preview {node} {media_type}"
    [job] = [j for j in replay(version, "binary_previews", conn=conn).sent if j.told]

    assert_told(
        version,
        job,
        f"{FRESH} | node 3 | step 3 1/3 | {preview} | step 3 2/3 | {preview}"
        f" | step 3 3/3 | {preview} | done 3 | {saved('2', 'prev_*.png')} | {END}",
    )


@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize(("conn", "node"), [("legacy", "None"), ("meta", "2")])
def test_images_over_the_websocket(
    version: str, conn: str, node: str, replay: Replayer
) -> None:
    """Images sent instead of saved arrive as PNG previews; history has no output."""
    jobs = [
        j for j in replay(version, "save_image_websocket", conn=conn).sent if j.told
    ]

    assert len(jobs) == 2
    for job in jobs:
        assert job.told.count(f"preview {node} image/png") == 2
        assert job.outcome is not None
        assert job.outcome.state == "success"
        assert job.outcome.outputs == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_text_while_running(version: str, replay: Replayer) -> None:
    """A line of text names its node; 0.3.12 does not send it."""
    [job] = replay(version, "progress_text").sent
    line = "" if version == "v0.3.12" else " | text 4 héllo *"

    assert_told(
        version,
        job,
        f"{FRESH} | node 4{line} | done 4 | {saved('2', 'txt_*.png')} | {END}",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_reconnect(version: str, replay: Replayer) -> None:
    """A new connection greets with the running node, which is no news, and goes on."""
    [job] = replay(version, "reconnect_midrun").sent

    assert_told(
        version,
        job,
        f"{FRESH} | node 3 | step 3 1/10 | step 3 2/10 | step 3 3/10 | step 3 6/10"
        f" | step 3 7/10 | step 3 8/10 | step 3 9/10 | step 3 10/10 | done 3"
        f" | node 4 | {steps('4', 2)} | done 4"
        f" | {saved('2', 'rec_*.png')} | {END}",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_broadcast(version: str, replay: Replayer) -> None:
    """Without a client id only a part is told, to everybody; the end is not told."""
    [first] = replay(version, "no_client_id", conn="A").sent
    [second] = replay(version, "no_client_id", conn="B").sent

    assert first.told == second.told
    assert not {"started", "ending", "ended"} & set(first.told)
    assert first.outcome is not None
    assert first.outcome.state == "success"


SHOWN = {
    "SdkTestText": "text extra",
    "PreviewAny": "text",
    "SaveAudio": "audio:output/audio/trace_*.flac",
    "SaveAudioMP3": "audio:output/audio/trace_*.mp3",
    "SaveAudioOpus": "audio:output/audio/trace_*.opus",
    "PreviewAudio": "audio:temp//ComfyUI_temp_*.flac",
    "SaveVideo": "images:output/video/trace_*.mp4 animated",
    "SaveWEBM": "images:output/trace/webm_*.webm animated",
    "SaveAnimatedWEBP": "images:output/trace/awebp_*.webp animated",
    "SaveAnimatedPNG": "images:output/trace/apng_*.png animated",
    "SaveLatent": "latents:output/latents/trace_*.latent",
}
"""What each class shows: its file, then the keys of its values."""
AUDIO = {"SaveAudio", "SaveAudioMP3", "SaveAudioOpus", "PreviewAudio"}
"""The older servers were recorded without a library that reads audio files."""
NOT_YET = {"PreviewAny", "SaveVideo", "SaveWEBM"}


@pytest.mark.parametrize("version", VERSIONS)
def test_outputs_of_every_kind(version: str, replay: Replayer) -> None:
    """Images, animations, video, audio, latents and text are shown alike everywhere."""
    found = set()
    for job in replay(version, "other_outputs").sent:
        for words in [t.split(" ", 2) for t in job.told if t.startswith("output ")]:
            kind = job.graph.class_type(words[1])
            found.add(kind)
            assert fnmatchcase(words[2], SHOWN[kind])

    lacking = {"v0.3.12": AUDIO | NOT_YET, "v0.3.40": AUDIO}
    assert found == set(SHOWN) - lacking.get(version, set())


@pytest.mark.parametrize("version", VERSIONS)
def test_queue_order(version: str, replay: Replayer) -> None:
    """The order read from the queue is the order in which the server began the jobs."""
    seen = replay(version, "number_front")
    queue = seen.queues[0]
    began = seen.order[: len(queue.pending) + 1]

    assert len(queue.pending) == 9
    assert [*queue.running, *queue.pending] == began
    assert [queue.position(prompt_id) for prompt_id in began] == list(range(10))
