"""Every name that the package offers besides its version, where it is at home."""

from __future__ import annotations

from .batch.batch import Batch
from .batch.orders import Order, Outcome
from .client import Client
from .config.settings import Settings, load_settings
from .errors import ComfyClientError
from .files.outputs import Output, OutputRef
from .job import Job, JobStatus
from .result import Provenance, Result
from .trip.trips import Trip, load_trip, load_trips
from .workflow import Workflow

__all__ = [
    "Batch",
    "Client",
    "ComfyClientError",
    "Job",
    "JobStatus",
    "Order",
    "Outcome",
    "Output",
    "OutputRef",
    "Provenance",
    "Result",
    "Settings",
    "Trip",
    "Workflow",
    "load_settings",
    "load_trip",
    "load_trips",
]
