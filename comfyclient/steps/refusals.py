"""What DashScope's error codes mean in errors of ours. Pure.

The codes, their statuses and what helps stand on Model Studio's page "Error messages"
(autumn 2026). Which of them may be tried again is our judgement: never what costs
money, needs a person, or would be refused in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from ..errors import (
    ModelAccessError,
    ModelArrearsError,
    ModelError,
    ModelFaultError,
    ModelGoneError,
    ModelInspectionError,
    ModelQuotaError,
    ModelRequestError,
    ModelThrottledError,
)
from ..ledger.records import redacted

Meaning: TypeAlias = tuple[type[ModelError], str | None]

MAX_WORDS = 200
"""Characters kept of the service's own words, which may quote the request."""

_KEY = "check the key, and that it is of the region of the base address"
_PAY = "settle the account's bill in the console; trying again does not help"

CODES: Mapping[str, Meaning] = {
    "InvalidApiKey": (ModelAccessError, _KEY),
    "AccessDenied": (ModelAccessError, "the account may not call this model so"),
    "AccessDenied.Unpurchased": (
        ModelAccessError,
        "activate Model Studio for the account in its console",
    ),
    "Model.AccessDenied": (
        ModelAccessError,
        "grant the key's workspace access to this model",
    ),
    "AllocationQuota.FreeTierOnly": (
        ModelQuotaError,
        "the free tier is used up: switch off 'use free tier only' in the console",
    ),
    "Throttling.AllocationQuota": (
        ModelQuotaError,
        "ask for a higher quota of tokens or pictures in the console",
    ),
    "insufficient_quota": (ModelQuotaError, "ask for a higher quota in the console"),
    "Arrearage": (ModelArrearsError, _PAY),
    "PrepaidBillOverdue": (ModelArrearsError, _PAY),
    "Throttling": (ModelThrottledError, None),
    "Throttling.RateQuota": (ModelThrottledError, None),
    "Throttling.BurstRate": (ModelThrottledError, None),
    "DataInspectionFailed": (
        ModelInspectionError,
        "the words or pictures that were sent, or those that were made, were refused",
    ),
    "IPInfringementSuspect": (
        ModelInspectionError,
        "a protected name or likeness is in what was sent: leave it out",
    ),
    "ModelNotFound": (ModelGoneError, "see which models the key's region has"),
    "InvalidParameter": (ModelRequestError, None),
    "UnsupportedOperation": (ModelRequestError, None),
    "InternalError": (ModelFaultError, None),
    "RequestTimeOut": (ModelFaultError, None),
    "ModelUnavailable": (ModelFaultError, None),
    "ModelServingError": (ModelFaultError, None),
}
"""By code; one with more dots than are listed means what its beginning means."""

_BY_STATUS: tuple[tuple[range, Meaning], ...] = (
    (range(401, 402), (ModelAccessError, _KEY)),
    (range(403, 404), (ModelAccessError, None)),
    (range(404, 405), (ModelGoneError, None)),
    (range(429, 430), (ModelThrottledError, None)),
    (range(400, 500), (ModelRequestError, None)),
)


def model_error(
    code: str,
    message: str,
    *,
    status: int,
    model: str,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> ModelError:
    """The error that an answer stands for."""
    kind, hint = _meaning(code, status)
    words = shown(message)
    said = f"{code}: {words}" if words else code
    return kind(
        said or f"the service answered {status}",
        model=model,
        code=code or None,
        request_id=request_id,
        status=status,
        retry_after=retry_after,
        hint=hint,
    )


def shown(message: str) -> str:
    """The service's words: one line, short, nothing that looks like a secret."""
    plain = re.sub(r"<[^<>]{0,200}>", " ", message[:2000])
    words = "".join(c if c.isprintable() else " " for c in plain)
    return redacted(" ".join(words.split())[:MAX_WORDS])


def _meaning(code: str, status: int) -> Meaning:
    known = code
    while known:
        if known in CODES:
            return CODES[known]
        known = known.rpartition(".")[0]
    for statuses, meaning in _BY_STATUS:
        if status in statuses:
            return meaning
    return ModelFaultError, None
