"""What goes wrong beside the instances: models, storage, ledger, engine."""

from __future__ import annotations

from .base import ComfyClientError, Retry


class ModelError(ComfyClientError):
    """A hosted model did not give what was asked of it; says code and request id."""

    def __init__(
        self,
        message: str,
        *,
        model: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        job_id: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, job_id=job_id, instance=instance)
        self.model = model
        self.code = code
        """The service's own word, such as `Throttling.RateQuota`."""
        self.request_id = request_id
        """What the service's support asks for."""
        self.status = status
        self.retry_after = retry_after
        """Seconds that the service asked to wait, where it said so."""

    def __str__(self) -> str:
        known = (("model", self.model), ("request", self.request_id))
        told = ", ".join(f"{name} {value}" for name, value in known if value)
        text = super().__str__()
        head, newline, rest = text.partition("\n")
        return f"{head} ({told}){newline}{rest}" if told else text


class ModelAccessError(ModelError):
    """The key is wrong or of another region, or may not use this model."""


class ModelQuotaError(ModelError):
    """The quota of the account or of the free tier is used up."""


class ModelArrearsError(ModelError):
    """The account is not paid, or its prepaid plan has ended."""


class ModelThrottledError(ModelError):
    """Too many requests or tasks at a time: the same one may pass later."""

    retry = Retry.HERE


class ModelInspectionError(ModelError):
    """The service's inspection refused what was sent or what the model made."""


class ModelGoneError(ModelError):
    """The model was retired, or there is none of that name; names what to use."""


class ModelRequestError(ModelError):
    """The service finds the request wrong: the same one is refused again."""


class ModelFaultError(ModelError):
    """The service failed on the request; the same one may pass later."""

    retry = Retry.HERE


class ModelTaskError(ModelError):
    """A task ended without a picture, was canceled, or is not known (any more)."""


class ModelAnswerError(ModelError):
    """The model answered, but not with what may be used."""


class StorageError(ComfyClientError):
    """An environment's storage did not do what it was asked."""


class StorageAccessError(StorageError):
    """It lets nobody in with these credentials, or not there; names what is missing."""


class StorageUnreachableError(StorageError):
    """It gave no answer, a broken one, or asked to come back later."""

    retry = Retry.HERE

    def __init__(
        self, message: str, *, retry_after: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds that it asked to wait, where it said so."""


class LedgerError(ComfyClientError):
    """The journal of jobs cannot be read or written; nothing was sent."""


class LedgerBusyError(LedgerError):
    """Another process held the ledger's lock for too long."""

    retry = Retry.HERE


class LedgerVersionError(LedgerError):
    """The ledger was written by a newer comfyclient."""


class LedgerConflictError(LedgerError):
    """An idempotency key was used before, for other content."""


class LeaseError(LedgerError):
    """Another process owns the job."""


class EngineError(ComfyClientError):
    """The embedded engine could not start or died."""
