"""What hooks are told of jobs, on scripted servers."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from comfyclient.errors import (
    ComfyClientError,
    ExecutionError,
    JobInterruptedError,
    UnreachableError,
)
from comfyclient.events import (
    Event,
    Finished,
    NodeStarted,
    Progress,
    Queued,
    Resubmitted,
    Started,
)
from comfyclient.hooks import End, Hook, JobFacts, Step
from comfyclient.jobs.hooking import BACKLOG, Hooks, Witness
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.play import failing
from comfyclient.testing.scripted import ScriptedServer

from .hooked import WORKFLOW, client_with

FACTS = JobFacts("j", "test", None, None, datetime(2026, 11, 28, tzinfo=UTC))


CALLER = contextvars.ContextVar("caller", default="nobody")


class Book(Hook):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[Step] = []
        self.ends: list[End] = []
        self.callers: set[str] = set()

    def began(self, job: JobFacts) -> None:
        """A beginning."""
        self.lines.append("began")
        self.callers.add(CALLER.get())

    def heard(self, job: JobFacts, event: Event) -> None:
        """An event."""
        self.lines.append(type(event).__name__)

    def stepped(self, job: JobFacts, step: Step) -> None:
        """A step."""
        self.lines.append(step.name)
        self.steps.append(step)

    def ended(self, job: JobFacts, end: End) -> None:
        """An end."""
        self.lines.append("ended")
        self.ends.append(end)


class Broken(Hook):
    """Raises at everything."""

    def began(self, job: JobFacts) -> None:
        """Raise."""
        raise RuntimeError("no hook")

    def stepped(self, job: JobFacts, step: Step) -> None:
        """Raise."""
        raise RuntimeError("no hook")


class TestHooks:
    """From the beginning to the end."""

    def test_a_job_from_its_beginning_to_its_end(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        """Each step once, with its times, and every event in its order."""
        book = Book()
        with client_with(server.url, tmp_path, book) as client:
            job = client.submit(WORKFLOW)
            saved = job.result().outputs[0].save(tmp_path)
            events = [type(event).__name__ for event in job.events()]

        names = [step.name for step in book.steps]
        assert book.lines[0] == "began"
        assert book.lines.count("ended") == 1
        assert [line for line in book.lines if line in set(events)] == events
        assert sorted(set(names)) == [
            "collect", "execute", "node", "queue", "render", "submit",
        ]  # fmt: skip
        (home,) = (step for step in book.steps if step.name == "collect")
        assert (home.subject, home.bytes) == (saved.name, saved.stat().st_size)
        assert [s.subject for s in book.steps if s.name == "node"] == [
            "EmptyImage", "Save it",
        ]  # fmt: skip
        assert all(step.seconds >= 0 for step in book.steps)
        assert book.ends[0].error is None

    def test_the_node_that_failed_says_why(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        """So do the execution and the end."""
        server.play(lambda job: failing(job, "2"))
        book = Book()
        with client_with(server.url, tmp_path, book) as client:
            job = client.submit(WORKFLOW)
            with pytest.raises(ExecutionError):
                job.result()

        failed = {step.name for step in book.steps if step.error is not None}
        assert failed == {"node", "execute"}
        assert isinstance(book.ends[0].error, ExecutionError)

    def test_a_job_that_nobody_takes_ends_too(self, tmp_path: Path) -> None:
        """With the reason, in the step that failed."""
        book = Book()
        with (
            client_with("http://127.0.0.1:9", tmp_path, book) as client,
            pytest.raises(ComfyClientError),
        ):
            client.submit(WORKFLOW, timeout=0.5)

        assert [step.name for step in book.steps if step.error] == ["submit"]
        assert len(book.ends) == 1

    def test_a_hook_that_raises_harms_nobody(
        self,
        server: ScriptedServer,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Neither jobs nor other hooks; it is logged."""
        book = Book()
        with (
            caplog.at_level(logging.ERROR, logger="comfyclient.jobs.hooking"),
            client_with(server.url, tmp_path, Broken(), book) as client,
        ):
            client.run(WORKFLOW)

        assert "ended" in book.lines
        assert "a hook failed: Broken" in caplog.text

    def test_the_context_is_the_submitters(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        """What a web framework keeps for a request is there."""
        book = Book()
        with client_with(server.url, tmp_path, book) as client:
            CALLER.set("request 7")
            client.run(WORKFLOW)

        assert book.callers == {"request 7"}

    def test_who_has_no_hooks_pays_for_none(self) -> None:
        """No thread begins and nothing is kept."""
        hooks = Hooks(())
        hooks.call(contextvars.copy_context(), lambda hook: None)

        hooks.close()

        assert not hooks
        assert not hooks.crowded

    def test_under_load_progress_is_left_out(self) -> None:
        """Beginnings, steps and ends are not."""
        clock, book = FakeClock(), Book()
        told: list[Callable[[Hook], None]] = []

        class Stuck(Hooks):
            crowded = True

            def call(
                self, context: contextvars.Context, each: Callable[[Hook], None]
            ) -> None:
                told.append(each)

        facts = JobFacts("j", "test", None, None, clock.now())
        witness = Witness(
            facts, WORKFLOW, Stuck([book]), instance=lambda: "one", clock=clock
        )
        for event in (Queued(), Started(), Progress(0.5), NodeStarted("1"), Finished()):
            witness.saw(event)
        for each in told:
            each(book)

        assert BACKLOG > 0
        assert "Progress" not in book.lines
        assert {"Queued", "node", "execute", "Finished", "ended"} <= {*book.lines}

    def test_a_hook_that_hangs_fills_no_memory(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Calls above a bound are left out, and counted; closing waits for none."""
        here, gate, heard = contextvars.copy_context(), threading.Event(), list[int]()
        hooks = Hooks([Hook()], most=4, parting_s=10)

        def hang(_: Hook) -> None:
            begun.set()
            gate.wait(10)

        begun = threading.Event()
        hooks.call(here, hang)
        begun.wait(10)
        for number in range(10):
            hooks.call(here, lambda _, number=number: heard.append(number))
        assert caplog.messages == ["hooks hang: 4 calls wait, others are left out"]
        gate.set()
        hooks.close()

        assert heard == [0, 1, 2, 3]
        assert caplog.messages[1:] == ["6 calls of hooks were left out"]

    def test_closing_leaves_a_hook_that_hangs(self) -> None:
        """It waits a few seconds at most, all in all, and hears no more."""
        here, gate, book = contextvars.copy_context(), threading.Event(), Book()
        hooks = Hooks([book], parting_s=0.05)
        hooks.call(here, lambda _: gate.wait(10))
        hooks.call(here, lambda hook: hook.began(FACTS))
        hooks.close()
        gate.set()

        assert book.lines == []

    def test_a_hook_that_hangs_holds_up_no_job(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        """The result is there before the first call has returned."""
        gate, book = threading.Event(), Book()

        class Hangs(Hook):
            """Hangs at the first call."""

            def began(self, job: JobFacts) -> None:
                """Hang."""
                gate.wait(60)

        with client_with(server.url, tmp_path, Hangs(), book) as client:
            assert client.run(WORKFLOW).outputs
            assert book.lines == []
            gate.set()

        assert book.lines[-1] == "ended"

    @pytest.mark.parametrize("error", [None, UnreachableError("nobody answers")])
    def test_the_end_comes_after_the_submit(
        self, error: ComfyClientError | None
    ) -> None:
        """A job may end before its submit has returned, or because it could not."""
        clock, book = FakeClock(), Book()
        facts = JobFacts("j", "test", None, None, clock.now())
        hooks = Hooks([book])
        witness = Witness(facts, WORKFLOW, hooks, instance=lambda: "one", clock=clock)
        with suppress(UnreachableError), witness.submitting():
            witness.saw(Finished(error))
            if error is not None:
                raise error
        hooks.close()
        assert book.lines[-2:] == ["submit", "ended"]

    def test_each_attempt_has_its_own_steps(self) -> None:
        """A job that is sent again waits and is executed again."""
        clock, book = FakeClock(), Book()
        facts = JobFacts("j", "test", None, None, clock.now())
        hooks = Hooks([book])
        witness = Witness(facts, WORKFLOW, hooks, instance=lambda: "one", clock=clock)
        story: Sequence[tuple[float, Event]] = [
            (1, Queued()),
            (2, Started()),
            (3, NodeStarted("1")),
            (4, Resubmitted(2, JobInterruptedError("stopped"))),
            (5, Queued()),
            (6, NodeStarted("1")),
            (7, Finished()),
        ]
        for seconds, event in story:
            clock.advance(seconds)
            witness.saw(event)
        hooks.close()

        assert [(s.name, s.seconds, s.error is None) for s in book.steps] == [
            ("queue", 2, True),
            ("node", 4, False),
            ("execute", 7, False),
            ("queue", 6, True),
            ("node", 7, True),
            ("execute", 7, True),
        ]
