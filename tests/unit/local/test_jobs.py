"""Jobs read from queue and history; the queue itself."""

from __future__ import annotations

from typing import Any

import pytest

from comfyclient.local.history import CAP, History
from comfyclient.local.jobs import finished_job, is_canonical_uuid
from comfyclient.local.prompt_queue import PromptQueue
from comfyclient.local.versions import behaviour_of

NEW = behaviour_of("0.33.0")


def entry(
    outputs: dict[str, Any], *messages: list[Any], success: bool = True
) -> dict[str, Any]:
    """A history entry."""
    extra = {"create_time": 5, "extra_pnginfo": {"workflow": {"id": "w"}}}
    return {
        "prompt": [3, "id", {}, extra, ["1"]],
        "outputs": outputs,
        "status": {
            "status_str": "success" if success else "error",
            "messages": list(messages),
        },
    }


@pytest.mark.parametrize(
    ("ui", "count", "previewable", "media"),
    [
        ({"images": [{"filename": "a.png", "type": "temp"}]}, 1, 1, "images"),
        ({"images": [{"filename": "a.mp4"}], "animated": [True]}, 1, 1, "images"),
        ({"gifs": [{"filename": "a.webm"}]}, 1, 1, "gifs"),
        ({"latents": [{"filename": "a.latent"}]}, 1, 0, None),
        ({"audio": [{"filename": "a.flac"}]}, 1, 1, "audio"),
        ({"result": ["x.GLB", None]}, 1, 1, "3d"),
        ({"text": ["hi"]}, 1, 0, "text"),
        ({"other": [1, None, {"n": 2}], "flag": True}, 0, 0, None),
        ({}, 0, 0, None),
    ],
)
def test_outputs_are_counted_and_one_is_shown(
    ui: dict[str, Any], count: int, previewable: int, media: str | None
) -> None:
    """Files count; those that a page can show count again, and one stands first."""
    job = finished_job("id", entry({"9": ui}), behaviour=NEW)

    assert job["outputs_count"] == count
    assert job["previewable_outputs_count"] == previewable
    shown = job.get("preview_output")
    assert (None if shown is None else shown["mediaType"]) == media


def test_saved_file_is_shown_rather_than_a_preview() -> None:
    """A file of output/ comes before one of temp/, wherever it stands."""
    outputs = {
        "1": {"images": [{"filename": "t.png", "type": "temp"}]},
        "2": {"images": [{"filename": "o.png", "type": "output"}]},
    }

    job = finished_job("id", entry(outputs), behaviour=NEW)

    assert job["preview_output"]["nodeId"] == "2"


def test_long_text_is_cut() -> None:
    """Of a long text the first 1024 characters are shown."""
    job = finished_job("id", entry({"1": {"text": ["x" * 2000]}}), behaviour=NEW)

    assert len(job["preview_output"]["content"]) == 1024
    assert job["preview_output"]["truncated"] is True


@pytest.mark.parametrize(
    ("version", "status"), [("0.8.0", "failed"), ("0.9.0", "cancelled")]
)
def test_interrupted_job_reads_as_its_release_says(version: str, status: str) -> None:
    """Before 0.9.0 an interrupted job was a failed one."""
    told = ["execution_interrupted", {"timestamp": 9}]

    job = finished_job(
        "id", entry({}, told, success=False), behaviour=behaviour_of(version)
    )

    assert job["status"] == status
    assert job["execution_end_time"] == 9


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("5dc763b7-355b-4192-ae04-cf98403f0fd2", True),
        ("00000000-0000-0000-0000-000000000000", True),
        ("5DC763B7-355B-4192-AE04-CF98403F0FD2", False),
        ("5dc763b7355b4192ae04cf98403f0fd2", False),
        ("{5dc763b7-355b-4192-ae04-cf98403f0fd2}", False),
        (" 5dc763b7-355b-4192-ae04-cf98403f0fd2", False),
        ("", False),
        (5, False),
        (None, False),
        (["x"], False),
    ],
)
def test_only_the_canonical_form_is_a_prompt_id(value: Any, canonical: bool) -> None:
    """Lower case, hyphens, nothing around it."""
    assert is_canonical_uuid(value) is canonical


def history_of(count: int) -> History:
    """A history with entries 0, 1, …"""
    history = History()
    for number in range(count):
        history.put(str(number), {"n": number})
    return history


@pytest.mark.parametrize(
    ("most", "offset", "expected"),
    [
        (None, -1, [0, 1, 2, 3, 4]),
        (2, -1, [3, 4]),
        (9, -1, [0, 1, 2, 3, 4]),
        (2, 1, [1, 2]),
        (None, 3, [3, 4]),
        (2, 99, []),
        (0, -1, []),
    ],
)
def test_history_is_paged_from_the_oldest_or_the_end(
    most: int | None, offset: int, expected: list[int]
) -> None:
    """An offset counts from the oldest; without one, the newest are given."""
    page = history_of(5).page(most=most, offset=offset)

    assert [entry["n"] for entry in page.values()] == expected


def test_history_forgets_the_oldest_over_its_cap() -> None:
    """More entries than the cap push the oldest out."""
    history = history_of(CAP + 5)

    assert len(history.all()) == CAP + 1
    assert history.get("0") is None
    assert history.get(str(CAP + 4)) is not None


def queue_with(*numbers: float) -> tuple[PromptQueue, list[str]]:
    """A queue of prompts, and what it told of changes and interruptions."""
    told: list[str] = []
    queue = PromptQueue(
        on_change=lambda: told.append("change"),
        interrupt=lambda: told.append("interrupt"),
    )
    for number in numbers:
        queue.put(
            number=number,
            prompt_id=f"p{number:g}",
            prompt={},
            extra_data={"api_key_comfy_org": "secret", "mine": 1},
            outputs=["1"],
        )
    return queue, told


def test_prompt_is_always_in_queue_or_history() -> None:
    """Taking and finishing move a prompt; nothing is ever in neither."""
    queue, told = queue_with(2, 1)

    item = queue.take(seconds=1)
    assert item is not None
    assert item.prompt_id == "p1"
    assert [each.prompt_id for each in queue.snapshot()[0]] == ["p1"]
    queue.finish(item, {"done": True})

    assert queue.history_entry("p1") == {"done": True}
    assert queue.remaining() == 1
    assert told == ["change"] * 4


def test_cancel_reaches_pending_and_running_prompts() -> None:
    """A pending prompt vanishes, a running one is interrupted, others are not there."""
    queue, told = queue_with(1, 2)
    item = queue.take(seconds=1)
    assert item is not None

    assert queue.cancel("p2") is True
    assert queue.cancel("p1") is True
    assert queue.cancel("p9") is False
    assert told.count("interrupt") == 1
    assert queue.snapshot()[1] == []


def test_secrets_are_not_shown_where_the_release_hides_them() -> None:
    """Keys for paid nodes stay out of the listing; what else was sent stays in."""
    queue, _ = queue_with(1)
    (item,) = queue.snapshot()[1]

    assert item.shown(without_secrets=True)[3] == {"mine": 1}
    assert "api_key_comfy_org" in item.shown(without_secrets=False)[3]


def test_closed_queue_gives_nothing_and_waits_for_nothing() -> None:
    """A worker that waits is sent home."""
    queue, _ = queue_with(1)

    queue.close()

    assert queue.take(seconds=60) is None


def test_flags_wake_the_worker_once() -> None:
    """What POST /free asked for is handed over once."""
    queue, _ = queue_with()
    queue.set_flag("free_memory")

    assert queue.take(seconds=60) is None
    assert queue.take_flags() == {"free_memory": True}
    assert queue.take_flags() == {}
