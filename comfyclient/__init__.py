"""Typed, headless Python SDK that turns trip data into pictures through ComfyUI.

What this module lists, and `comfyclient.errors`, `comfyclient.events`,
`comfyclient.hooks`, `comfyclient.telemetry` and `comfyclient.testing`, is the public
API; other modules may change between versions.
"""

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
    "__version__",
    "load_settings",
    "load_trip",
    "load_trips",
]

__version__ = "0.1.0"
