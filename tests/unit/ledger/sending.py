"""Jobs as a ledger is told of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from comfyclient.files.outputs import OutputRef
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobIntent, JobRow

REF = OutputRef("9", "images", "a.png", "sub", "temp", extra={"said": "x"})


Opener = Callable[..., Ledger]


def intent(**fields: object) -> JobIntent:
    """An intent with a job id of its own."""
    base = JobIntent(job_id=str(uuid.uuid4()), environment="test", digest="d1")
    return replace(base, **fields)  # type: ignore[arg-type]


def sent(
    ledger: Ledger, *, receipt: dict[str, str] | None = None, **fields: object
) -> JobRow:
    """A job that a server accepted."""
    row = ledger.intend(intent(**fields))
    attempt_id = str(uuid.uuid4())
    ledger.attempt(row.job_id, attempt_id=attempt_id, instance="a", client_id="c")
    ledger.accepted(row.job_id, Acceptance(attempt_id, attempt_id, 3, receipt))
    return ledger.job(row.job_id)
