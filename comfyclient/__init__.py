"""Typed, headless Python SDK that turns trip data into pictures through ComfyUI.

What this module lists, and `comfyclient.errors`, `comfyclient.events`,
`comfyclient.hooks`, `comfyclient.telemetry` and `comfyclient.testing`, is the public
API; other modules may change between versions.
"""

from .batch import Batch
from .client import Client
from .config import Settings, load_settings
from .errors import ComfyClientError
from .job import Job, JobStatus
from .orders import Order, Outcome
from .outputs import Output, OutputRef
from .result import Provenance, Result
from .trips import Trip, load_trip, load_trips
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
