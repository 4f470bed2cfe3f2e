"""A hook that tells OpenTelemetry of jobs: a trace for each, and figures of all.

    pip install 'comfyclient[otel]'

    Client.from_config(hooks=[OpenTelemetryHook()])

Only the API is used: where spans and figures go is up to the SDK that the application
sets up. A job's trace is a child of the span in which it was submitted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

from . import __version__
from .errors import ComfyClientError, MissingExtraError
from .events import Event, Resubmitted
from .hooks import End, Hook, JobFacts, Step
from .ledger.records import redacted

try:
    from opentelemetry import metrics, trace
    from opentelemetry.util.types import AttributeValue
except ImportError as error:
    raise MissingExtraError(
        f"telemetry needs {error.name}, which is not installed",
        hint="pip install 'comfyclient[otel]'",
    ) from error

KEPT = 2000
"""Ended jobs whose files may still come home into their trace."""


class OpenTelemetryHook(Hook):
    """Makes spans `comfyclient.job`, `.render`, `.submit`, `.queue`, `.execute`, …

    Figures: `comfyclient.jobs` (ended, by outcome), `comfyclient.job.duration` and
    `comfyclient.step.duration` in seconds, `comfyclient.resubmissions`,
    `comfyclient.output.size` in bytes. Their attributes are environment, template,
    instance, step and error class: few values each; ids are in the spans alone.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(
            "comfyclient", __version__, tracer_provider=tracer_provider
        )
        meter = metrics.get_meter(
            "comfyclient", __version__, meter_provider=meter_provider
        )
        self._jobs = meter.create_counter(
            "comfyclient.jobs", unit="{job}", description="Jobs that ended."
        )
        self._again = meter.create_counter(
            "comfyclient.resubmissions",
            unit="{attempt}",
            description="Attempts beyond a job's first.",
        )
        self._took = meter.create_histogram(
            "comfyclient.job.duration", unit="s", description="From intent to end."
        )
        self._steps = meter.create_histogram(
            "comfyclient.step.duration", unit="s", description="Stretches of jobs."
        )
        self._sizes = meter.create_histogram(
            "comfyclient.output.size", unit="By", description="Files that came home."
        )
        self._lock = threading.Lock()  # one hook may serve several clients
        self._open: dict[str, trace.Span] = {}
        self._over: OrderedDict[str, trace.Span] = OrderedDict()

    def began(self, job: JobFacts) -> None:
        """Open the job's span, in the trace of whoever submitted it."""
        with self._lock:
            if job.job_id in self._open:  # taken up again after another process
                return
            self._open[job.job_id] = self._tracer.start_span(
                "comfyclient.job",
                start_time=_nanoseconds(job.created_at),
                attributes=_present(
                    {
                        "comfyclient.job_id": job.job_id,
                        "comfyclient.environment": job.environment,
                        "comfyclient.template": job.template,
                        "comfyclient.trip_id": job.trip_id,
                    }
                ),
            )

    def heard(self, job: JobFacts, event: Event) -> None:
        """Note in the span that the job is sent again."""
        if not isinstance(event, Resubmitted):
            return
        kind = type(event.reason).__name__
        self._again.add(1, _of(job, error=kind))
        span = self._span(job)
        if span is not None:
            span.add_event(
                "resubmitted",
                {"comfyclient.attempt": event.attempt, "error.type": kind},
            )

    def stepped(self, job: JobFacts, step: Step) -> None:
        """Make a span of the stretch, under the job's."""
        kind = None if step.error is None else type(step.error).__name__
        figures = _of(job, instance=step.instance, error=kind, step=step.name)
        self._steps.record(step.seconds, figures)
        if step.bytes is not None:
            self._sizes.record(step.bytes, _of(job, instance=step.instance))
        parent = self._span(job)
        span = self._tracer.start_span(
            f"comfyclient.{step.name}",
            context=None if parent is None else trace.set_span_in_context(parent),
            start_time=_nanoseconds(step.begun_at),
            attributes=_present(
                {
                    "comfyclient.instance": step.instance,
                    "comfyclient.subject": step.subject,
                    "comfyclient.node_id": step.node_id,
                    "comfyclient.bytes": step.bytes,
                }
            ),
        )
        _fail(span, step.error)
        end = step.begun_at + timedelta(seconds=step.seconds)
        span.end(end_time=_nanoseconds(end))

    def ended(self, job: JobFacts, end: End) -> None:
        """Close the job's span; files that come home later still belong to it."""
        kind = None if end.error is None else type(end.error).__name__
        self._jobs.add(1, _of(job, error=kind))
        self._took.record(end.seconds, _of(job, error=kind))
        with self._lock:
            span = self._open.pop(job.job_id, None)
            if span is None:
                return
            self._over[job.job_id] = span
            if len(self._over) > KEPT:
                self._over.popitem(last=False)
        _fail(span, end.error)
        span.end(end_time=_nanoseconds(end.at))

    def _span(self, job: JobFacts) -> trace.Span | None:
        with self._lock:
            return self._open.get(job.job_id) or self._over.get(job.job_id)


def _of(
    job: JobFacts,
    *,
    instance: str | None = None,
    error: str | None = None,
    step: str | None = None,
) -> dict[str, AttributeValue]:
    """What a figure is told by."""
    return _present(
        {
            "comfyclient.environment": job.environment,
            "comfyclient.template": job.template,
            "comfyclient.instance": instance,
            "comfyclient.step": step,
            "error.type": error,
        }
    )


def _present(
    attributes: Mapping[str, AttributeValue | None],
) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}


def _fail(span: trace.Span, error: ComfyClientError | None) -> None:
    """Say what went wrong, by the message that the ledger would keep."""
    if error is None:
        return
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(trace.StatusCode.ERROR, redacted(error.message))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
