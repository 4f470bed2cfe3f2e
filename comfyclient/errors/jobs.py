"""How a job ends without a result, or without one of its files."""

from __future__ import annotations

from .base import ComfyClientError, Retry
from .issues import NodeIssue, TemplatePlace


class JobError(ComfyClientError):
    """The job ended without a result."""


class ValidationError(JobError):
    """The server refused the graph; `issues` names node, input and template slot."""

    def __init__(
        self,
        message: str,
        *,
        issues: tuple[NodeIssue, ...] = (),
        hint: str | None = None,
        job_id: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, job_id=job_id, instance=instance)
        self.issues = issues

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {i}" for i in self.issues)])


class MissingNodeError(ValidationError):
    """A node class of the graph is not installed on that instance."""

    retry = Retry.ELSEWHERE


class MissingModelError(ValidationError):
    """A model file that the graph names is not on that instance."""

    retry = Retry.ELSEWHERE


class ExecutionError(JobError):
    """A node raised while the graph ran."""

    def __init__(
        self,
        message: str,
        *,
        node_id: str | None = None,
        class_type: str | None = None,
        title: str | None = None,
        input_name: str | None = None,
        value: str | None = None,
        exception_type: str | None = None,
        exception_message: str | None = None,
        traceback: tuple[str, ...] = (),
        place: TemplatePlace | None = None,
        hint: str | None = None,
        job_id: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, job_id=job_id, instance=instance)
        self.node_id = node_id
        self.class_type = class_type
        self.title = title
        self.input_name = input_name
        """The input at fault, where the node's message names it."""
        self.value = value
        self.exception_type = exception_type
        """The exception's qualified name on the server."""
        self.exception_message = exception_message
        self.traceback = traceback
        """The server's frames, outermost first."""
        self.place = place

    def __str__(self) -> str:
        return super().__str__() + (f" [{self.place}]" if self.place else "")


class OutOfMemoryError(ExecutionError):
    """The instance ran out of GPU or main memory."""

    retry = Retry.ELSEWHERE


class BadResultError(JobError):
    """What came as the job's result cannot be read, or lacks what it must hold."""


class JobInterruptedError(JobError):
    """Somebody stopped the job on the server: not this client."""

    retry = Retry.HERE


class JobCancelledError(JobError):
    """This client cancelled the job."""


class JobLostError(JobError):
    """The server knows the job no longer: it restarted, or its queue was cleared."""

    retry = Retry.ELSEWHERE


class DeadWorkerError(JobLostError):
    """The server answers, but runs nothing any more; the job left its queue."""


class JobTimeoutError(JobError, TimeoutError):
    """A deadline passed; the message says what the job was doing."""

    retry = Retry.HERE


class UnknownJobError(JobError):
    """No job of that id is known in this environment."""


class OutputError(ComfyClientError):
    """A result file could not be brought home."""


class OutputMissingError(OutputError):
    """The file is not there (any more)."""


class OutputDamagedError(OutputError):
    """The file arrived with another size than announced, or its stream broke."""

    retry = Retry.HERE


class UnsafePathError(OutputError):
    """The file's name would leave the target folder."""


class RelayError(OutputError):
    """The address or the content of a hosted model's result is not to be trusted."""
