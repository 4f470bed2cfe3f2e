"""What a DashScope stand-in is told to do: answers, refusals, the course of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import JsonValue

from .http_wire import Reply

Call: TypeAlias = Mapping[str, JsonValue]
"""The JSON body of a request."""

STATUS: Mapping[str, int] = {
    "InvalidParameter": 400,
    "Arrearage": 400,
    "DataInspectionFailed": 400,
    "IPInfringementSuspect": 400,
    "UnsupportedOperation": 400,
    "InvalidApiKey": 401,
    "AccessDenied": 403,
    "AccessDenied.Unpurchased": 403,
    "Model.AccessDenied": 403,
    "AllocationQuota.FreeTierOnly": 403,
    "ModelNotFound": 404,
    "Throttling": 429,
    "Throttling.RateQuota": 429,
    "Throttling.BurstRate": 429,
    "Throttling.AllocationQuota": 429,
    "PrepaidBillOverdue": 429,
    "InternalError": 500,
    "InternalError.Algo": 500,
    "InternalError.Timeout": 500,
    "RequestTimeOut": 500,
    "ModelUnavailable": 503,
    "ModelServingError": 503,
}
"""The HTTP status that DashScope documents for each code."""


@dataclass(frozen=True, slots=True)
class Says:
    """A text, as a text or vision model gives it."""

    text: str
    finish_reason: str = "stop"
    """`length` where the answer was cut off."""


@dataclass(frozen=True, slots=True)
class Refuses:
    """An error; its status is the documented one unless it is given."""

    code: str
    message: str = "the stand-in was told to refuse this"
    status: int | None = None
    """200 for the errors that come with an HTTP success."""
    retry_after: int | None = None

    def reply(self, request_id: str) -> Reply:
        """The answer in DashScope's shape."""
        body = {"code": self.code, "message": self.message, "request_id": request_id}
        status = STATUS.get(self.code, 500) if self.status is None else self.status
        whole = Reply.of_json(body, status=status)
        if self.retry_after is None:
            return whole
        headers = {**whole.headers, "Retry-After": str(self.retry_after)}
        return Reply(whole.status, whole.body, headers)


@dataclass(frozen=True, slots=True)
class Paints:
    """The course of an image task, told in looks at it: no time of its own passes."""

    pending: int = 0
    """Looks that find it waiting."""
    running: int = 1
    """Looks after those that find it at work."""
    ends: Literal["SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"] = "SUCCEEDED"
    failed: Mapping[int, str] = field(default_factory=dict)
    """Pictures that do not come to be, from 1, and the code of each."""
    code: str = "InternalError.Algo"
    """Why it failed, where it ends so."""
    message: str = "the stand-in was told to fail"
    content: bytes | None = field(default=None, repr=False)
    """In place of the pictures' own bytes."""
    size: int | None = None
    """The `Content-Length` of the files, where it is to be another than theirs."""
    url: str | None = None
    """In place of the files' own addresses."""


Turn: TypeAlias = "Says | Refuses | Paints | Reply | Callable[[Call], Turn]"
"""What becomes of one request; a function decides by the request's body."""
