"""What hooks and OpenTelemetry are told of jobs, on scripted servers."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, Settings
from comfyclient.errors import ComfyClientError, ExecutionError, JobInterruptedError
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
from comfyclient.telemetry import OpenTelemetryHook
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.play import failing
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.workflow import Workflow

WORKFLOW = Workflow.from_graph(GRAPH)
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


@contextmanager
def client_with(url: str, folder: Path, *hooks: Hook) -> Iterator[Client]:
    """A client of a server, with hooks; they have heard all once it is closed."""
    environment = EnvironmentSettings.model_validate(
        {
            "instances": [{"name": "one", "url": url}],
            "ledger": f"sqlite:///{folder / 'jobs.db'}",
        }
    )
    settings = Settings(default_environment="test", environments={"test": environment})
    with Client(settings, hooks=hooks) as client:
        yield client


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


class TestOpenTelemetry:
    """A trace for each job, and figures of all."""

    @pytest.fixture
    def spans(self) -> InMemorySpanExporter:
        """Where spans arrive."""
        return InMemorySpanExporter()

    @pytest.fixture
    def tracers(self, spans: InMemorySpanExporter) -> TracerProvider:
        """Spans on their way there."""
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        return provider

    @pytest.fixture
    def reader(self) -> InMemoryMetricReader:
        """Where figures are read."""
        return InMemoryMetricReader()

    @pytest.fixture
    def hook(
        self, tracers: TracerProvider, reader: InMemoryMetricReader
    ) -> OpenTelemetryHook:
        """The hook, with an SDK of its own."""
        return OpenTelemetryHook(tracers, MeterProvider([reader]))

    def test_a_job_is_one_trace_under_its_caller(
        self,
        server: ScriptedServer,
        tmp_path: Path,
        hook: OpenTelemetryHook,
        tracers: TracerProvider,
        spans: InMemorySpanExporter,
    ) -> None:
        """Its steps are the children of its span, each within its time."""
        with client_with(server.url, tmp_path, hook) as client:
            with tracers.get_tracer("web").start_as_current_span("request"):
                job = client.submit(WORKFLOW)
            job.result()

        by_name = {span.name: span for span in spans.get_finished_spans()}
        whole, request = by_name["comfyclient.job"], by_name["request"]
        steps = [s for s in by_name.values() if s not in (whole, request)]
        assert _parent(whole) == _id(request)
        assert {_parent(step) for step in steps} == {_id(whole)}
        assert len({span.context.trace_id for span in by_name.values()}) == 1
        assert whole.attributes is not None
        assert whole.attributes["comfyclient.job_id"] == job.id
        assert whole.start_time is not None
        assert whole.end_time is not None
        assert whole.end_time >= whole.start_time

    def test_a_failure_is_an_error_without_secrets(
        self,
        server: ScriptedServer,
        tmp_path: Path,
        hook: OpenTelemetryHook,
        spans: InMemorySpanExporter,
    ) -> None:
        """Whatever a node put into its message."""
        secret = "https://user:pa55word@host/x?Signature=abcdef"
        server.play(lambda job: failing(job, "2", exception_message=secret))
        with client_with(server.url, tmp_path, hook) as client:
            job = client.submit(WORKFLOW)
            with pytest.raises(ExecutionError):
                job.result()

        (whole,) = (s for s in spans.get_finished_spans() if s.name.endswith(".job"))
        assert whole.status.status_code is StatusCode.ERROR
        assert "pa55word" not in whole.to_json()
        assert "abcdef" not in whole.to_json()

    def test_figures_have_few_values(
        self,
        server: ScriptedServer,
        tmp_path: Path,
        hook: OpenTelemetryHook,
        reader: InMemoryMetricReader,
    ) -> None:
        """By environment, template, instance and step; never by job."""
        with client_with(server.url, tmp_path, hook) as client:
            jobs = [client.submit(WORKFLOW, seed=None) for _ in range(3)]
            for job in jobs:
                job.result()

        data = reader.get_metrics_data()
        assert data is not None
        text = data.to_json()
        assert '"comfyclient.jobs"' in text
        assert '"comfyclient.step.duration"' in text
        assert not any(job.id in text for job in jobs)


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def _parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id
