"""What goes wrong between here and an instance."""

from __future__ import annotations

from .base import ComfyClientError, Retry


class TransportError(ComfyClientError):
    """An instance did not answer as it should."""

    retry = Retry.HERE

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        job_id: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, job_id=job_id, instance=instance)
        self.status = status
        """The HTTP status, where one was received."""
        self.retry_after = retry_after
        """Seconds that the server asked to wait, where it said so."""


class UnreachableError(TransportError):
    """Nothing was sent: refused, no route, no such name, connect timeout, TLS."""

    retry = Retry.ELSEWHERE


class UnclearAnswerError(TransportError):
    """Sent, but the answer was lost: the server may or may not have acted."""

    reached = False
    """It was asked since, and answered, but cannot tell: no other may have the job."""


class BadAnswerError(TransportError):
    """The server answered with something that its protocol does not contain."""

    retry = Retry.ELSEWHERE


class WrongVersionError(TransportError):
    """The server's version is not in the range that is declared; nothing was sent."""

    retry = Retry.ELSEWHERE


class AccessDeniedError(TransportError):
    """401 or 403: the token is missing, wrong, or not allowed here."""

    retry = Retry.NEVER


class RefusedError(TransportError):
    """Another 4xx: the same request will be refused again."""

    retry = Retry.NEVER


class TooLargeError(RefusedError):
    """413: the body is over the server's limit."""


class RedirectError(TransportError):
    """A redirect to another address was not followed: it would carry the token."""

    retry = Retry.NEVER


class NotOfferedError(TransportError):
    """This kind of instance has no such thing; nothing was changed there."""

    retry = Retry.NEVER


class BusyError(TransportError):
    """429, 450 or 503: the server asks to come back later."""

    retry = Retry.ELSEWHERE


class ServerFaultError(TransportError):
    """5xx other than 503: the server failed on this request."""

    retry = Retry.ELSEWHERE
