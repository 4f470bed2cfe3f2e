"""What comes over the websocket: whole, broken, early, huge, or much of it."""

from __future__ import annotations

import json
import struct
import threading

import pytest

from comfyclient.events import (
    Finished,
    NodeProgress,
    NodeStarted,
    Preview,
    Progress,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    AwaitLooks,
    Broadcast,
    DropSockets,
    Hold,
    Raw,
    ScriptedJob,
    Step,
    Store,
    ending,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline

from ..scenes import kinds


class TestFramesThatOvertakeTheAnswer:
    """The websocket is another connection: it may be faster than the POST's answer."""

    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    def test_they_are_kept_and_told_in_order(self, bench: Bench, version) -> None:
        """A whole run before the POST is answered loses no event, nor their order."""
        gate = threading.Event()
        with ScriptedServer(version=version) as server:
            server.answer("POST /prompt", Reply(late=gate))
            course = bench.course()
            transport = bench.transport(server.url)
            sending = threading.Thread(target=bench.submit, args=(transport, course))
            sending.start()
            server.await_that(lambda: server.stage.history)
            gate.set()
            sending.join()
            bench.end(course)
        assert [k for k in kinds(course) if k != "Progress"] == [
            "Queued",
            "Started",
            "NodesCached",
            "NodeStarted",
            *(["NodeFinished"] if version == "0.33.0" else []),
            "NodeStarted",
            "NodeOutput",
            *(["NodeFinished"] if version == "0.33.0" else []),
            "Finished",
        ]

    def test_another_ones_previews_are_not_kept(self, bench: Bench, server) -> None:
        """Pictures that are broadcast meanwhile are not held in memory."""
        gate = threading.Event()
        other = {"prompt_id": "other", "node_id": "3", "image_type": "image/png"}
        server.play(lambda job: [*[Broadcast(preview(other))] * 50, *usual(job)])
        server.answer("POST /prompt", Reply(late=gate))
        transport = bench.transport(server.url)
        course = bench.course()
        sending = threading.Thread(target=bench.submit, args=(transport, course))
        sending.start()
        server.await_that(lambda: server.stage.history)
        kept = list(transport._following._strays)
        gate.set()
        sending.join()
        bench.end(course)
        assert not any("Preview" in repr(signal) for signal in kept)
        assert "Preview" not in kinds(course)


class TestFramesThatAreNoFrames:
    """What a broken proxy or node may put onto the socket."""

    @pytest.mark.parametrize(
        "step",
        [
            "not json",
            '{"type": "executing", "data": ',
            "[]",
            "null",
            '{"type": null}',
            '{"type": "progress_state", "data": {"prompt_id": 7, "nodes": []}}',
            '{"type": "status", "data": {"status": {"exec_info": []}}}',
            "{" * 5000,
            b"",
            b"\0",
            struct.pack(">II", 4, 1 << 31),
            struct.pack(">II", 99, 0),
            '{"type": "progress", "data": {"value": NaN, "max": Infinity}}',
        ],
        ids=range(13),
    )
    def test_one_bad_frame_hides_nothing(self, bench: Bench, server, step) -> None:
        """A malformed frame is passed over; those after it are heard."""
        server.play(lambda job: [*usual(job)[:4], step, *usual(job)[4:]])
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert NodeStarted("2") in events_of(course)
        assert server.asked["GET /ws"] == 1

    @pytest.mark.parametrize(
        "noise", [b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\x81\x7f" + b"\xff" * 8]
    )
    def test_noise_breaks_the_socket_only(self, bench: Bench, server, noise) -> None:
        """Bytes that are no frames at all cost the connection, not the job."""
        server.play(
            lambda job: [*usual(job)[:4], Raw(noise), DropSockets(), *ending(job)]
        )
        assert bench.run(server.url).status is JobStatus.SUCCEEDED

    def test_a_frame_of_any_size(self, bench: Bench, server) -> None:
        """A message of many megabytes is read."""
        image = b"\x89PNG" + b"x" * (6 << 20)

        def play(job: ScriptedJob) -> list[Step]:
            told = {"prompt_id": job.prompt_id, "node_id": "1"}
            return [*usual(job)[:4], preview(told, image), *usual(job)[4:]]

        server.play(play)
        events = events_of(bench.run(server.url))
        assert [len(e.image) for e in events if isinstance(e, Preview)] == [len(image)]


class TestPicturesOverTheSocket:
    """Some nodes send their images as frames only, right before the end."""

    def test_a_look_does_not_cut_them_off(self, bench: Bench, server) -> None:
        """A job whose end is seen by polling first still gets its last frames."""
        gate = threading.Event()

        def play(job: ScriptedJob) -> list[Step]:
            told = {"prompt_id": job.prompt_id, "node_id": "2"}
            late = [AwaitLooks(2), preview(told, b"\x89PNG last")]
            return [*usual(job)[:5], Hold(gate), Store(), *late, *ending(job)[2:]]

        server.play(play)
        transport = bench.transport(server.url)
        course = bench.submit(transport)
        gate.set()
        server.await_that(lambda: server.stage.history)
        transport._following.look_now(bench.ticket.prompt_id)
        bench.end(course)
        images = [e.image for e in events_of(course) if isinstance(e, Preview)]
        assert images == [b"\x89PNG last"]


class TestManyFrames:
    """A chatty node, a slow reader."""

    def test_ten_thousand_previews_keep_one(self, bench: Bench, server) -> None:
        """Of a job's previews only the latest stays in memory."""

        def play(job: ScriptedJob) -> list[Step]:
            told = {"prompt_id": job.prompt_id, "node_id": "1"}
            many = [preview(told, b"\x89PNG%05d" % n) for n in range(10_000)]
            return [*usual(job)[:4], *many, Hold(gate), *usual(job)[4:]]

        gate = threading.Event()
        server.play(play)
        course = bench.submit(bench.transport(server.url))
        last = Preview(b"\x89PNG09999", "image/png", "1")
        deadline = Deadline(20)
        index, event = 0, None
        while event != last:
            index, event = course.event_after(index, deadline)
        gate.set()
        bench.end(course)
        kept = [e for e in events_of(course) if isinstance(e, Preview)]
        assert kept == [last]
        assert sum(isinstance(e, Preview) for e in course._log) == 1

    def test_a_slow_reader_delays_nobody(self, bench: Bench, server) -> None:
        """A caller that reads no events holds up neither its job nor another."""

        def play(job: ScriptedJob) -> list[Step]:
            many = [
                job.say("progress", node="1", value=n, max=3000) for n in range(3000)
            ]
            return [*usual(job)[:4], *many, *usual(job)[4:]]

        server.play(play)
        transport = bench.transport(server.url)
        slow, other = bench.submit(transport), bench.submit(transport)
        index, _ = slow.event_after(0, Deadline(5))  # one event, then nothing more
        assert bench.end(other).error is None
        assert slow.status is JobStatus.SUCCEEDED
        assert events_of(slow)[-1] == Finished(None)
        assert index == 1

    def test_old_steps_are_let_go(self, bench: Bench, server) -> None:
        """Of very many progress steps the latest thousand stay."""

        def play(job: ScriptedJob) -> list[Step]:
            many = [
                job.say("progress", node="1", value=n, max=3000) for n in range(3000)
            ]
            return [*usual(job)[:4], *many, *usual(job)[4:]]

        server.play(play)
        events = events_of(bench.run(server.url))
        steps = [e for e in events if isinstance(e, NodeProgress | Progress)]
        assert len(steps) == 1000
        assert steps[-1].fraction == 1.0


def preview(told: dict[str, object], image: bytes = b"\x89PNG") -> bytes:
    """A preview frame that names its prompt."""
    head = json.dumps(told).encode()
    return struct.pack(">II", 4, len(head)) + head + image
