"""What OpenTelemetry is told of jobs, on scripted servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from comfyclient.errors import ExecutionError
from comfyclient.telemetry import OpenTelemetryHook
from comfyclient.testing.play import failing
from comfyclient.testing.scripted import ScriptedServer

from .hooked import WORKFLOW, client_with


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
