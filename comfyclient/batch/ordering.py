"""From what a caller asks for to a job that may be written down and sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from uuid import uuid4

from ..config.settings import DeadlineSettings
from ..errors import UsageError
from ..jobs.preparing import Preparation
from ..jobs.revival import Terms, extra_of
from ..ledger.records import JobIntent
from ..steps.staging import Teller
from ..timing import Clock, Deadline, Span
from .launching import Prepared
from .orders import Order

Prepare = Callable[[Order, str | None], Prepared]
"""Renders an order under an idempotency key."""


def terms_of(
    limits: DeadlineSettings,
    *,
    timeout: float | None,
    queue_timeout: float | None,
    silence_timeout: float | None,
    allow_partial: bool,
    previews: bool,
) -> Terms:
    """How a job is to be sent; what a caller did not say is the environment's.

    Raises:
        UsageError: a time is no time.
    """
    total = _seconds("timeout", timeout, limits.total_s)
    return Terms(
        total_s=total,
        queue_s=min(_seconds("queue_timeout", queue_timeout, limits.queue_s), total),
        silence_s=_seconds("silence_timeout", silence_timeout, limits.silence_s),
        allow_partial=allow_partial,
        previews=previews,
    )


def preparing(
    preparation: Preparation,
    terms: Terms,
    *,
    environment: str,
    confirm: str | None,
    clock: Clock,
    told: Teller | None = None,
) -> Prepare:
    """What renders orders of one call; `told` hears of the stages' work."""

    def prepare(order: Order, key: str | None) -> Prepared:
        begun = clock.now()
        seed = order.seed
        if seed is None and key is not None and isinstance(order.what, str):
            seed = _seed_of(key)
        deadline = Deadline(terms.total_s, clock=clock)
        workflow = preparation.workflow(
            order.what,
            order.trip,
            seed=seed,
            params=order.params,
            confirm=confirm,
            deadline=deadline,
            told=told,
        )
        left = terms.after(deadline.remaining()) if workflow.stages else terms
        left = left.model_copy(update={"priority": order.priority})
        intent = JobIntent(
            job_id=str(uuid4()),
            environment=environment,
            digest=workflow.digest,
            template=workflow.template,
            seed=workflow.seed,
            params=workflow.params,
            trip_id=workflow.trip_id,
            idempotency_key=key,
            graph=dict(workflow.graph),
            extra=extra_of(workflow, left),
        )
        filled = max([begun, *(stage.ended_at for stage in workflow.stages)])
        return Prepared(intent, workflow, left, Span(filled, clock.now()))

    return prepare


def _seconds(name: str, given: float | None, usual: float) -> float:
    if given is None:
        return usual
    if not 0 < given < float("inf"):
        raise UsageError(f"{name} takes seconds above 0, got {given!r}")
    return given


def _seed_of(idempotency_key: str) -> int:
    """A repeated call must mean the same job, so it gets the same seed."""
    digest = hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")
