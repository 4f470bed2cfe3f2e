"""Every error this package raises, as one tree.

ComfyClientError
├── UsageError                     the call or its input cannot be right
│   ├── ConfigError                comfyclient.toml, environment variable, argument
│   ├── MissingExtraError          an optional package is not installed
│   ├── InputFileError             a file that was read: names it, line and field
│   │   ├── TripError              a trip
│   │   ├── LockError              `comfyclient.lock`
│   │   ├── ServiceFileError       the JSON of a PAI-EAS service
│   │   └── TemplateError          a template folder
│   │       ├── TemplateNotFoundError
│   │       ├── PinError           pins or lock do not let the environment run it
│   │       ├── ManifestError
│   │       ├── ParameterError     a parameter's value is not allowed
│   │       └── RenderError        the template did not give a graph
│   ├── WorkflowError              a graph file or dict is not a ComfyUI API graph
│   │   └── UiFormatError          it is a UI export; the message says how to export
│   └── ClosedError                the client, instance or engine was closed
├── TransportError                 an instance did not answer as it should
│   ├── UnreachableError           refused, no route, no name, connect timeout, TLS
│   ├── UnclearAnswerError         sent, but the answer was lost
│   ├── BadAnswerError             answered, but not what the protocol says
│   ├── WrongVersionError          its version is not in the declared range
│   ├── AccessDeniedError          401, 403
│   ├── RefusedError               another 4xx
│   │   └── TooLargeError          413
│   ├── RedirectError              a redirect to another address was not followed
│   ├── NotOfferedError            this kind of instance has no such thing
│   ├── BusyError                  429, 450, 503: come back later
│   └── ServerFaultError           5xx
├── JobError                       the job ended without a result
│   ├── ValidationError            the server refused the graph; `issues` says where
│   │   ├── MissingNodeError       a node class is not installed there
│   │   └── MissingModelError      a model file is not there
│   ├── ExecutionError             a node raised
│   │   └── OutOfMemoryError
│   ├── BadResultError             what came as its result cannot be one
│   ├── JobInterruptedError        somebody stopped it on the server
│   ├── JobCancelledError          this client cancelled it
│   ├── JobLostError               the server no longer knows it
│   │   └── DeadWorkerError        the server answers, but runs nothing any more
│   ├── JobTimeoutError            a deadline passed (also a TimeoutError)
│   └── UnknownJobError            no job of that id is known here
├── OutputError                    a result file
│   ├── OutputMissingError         not there (any more)
│   ├── OutputDamagedError         wrong size, or the stream broke
│   ├── UnsafePathError            its name would leave the target folder
│   └── RelayError                 a hosted model's result is not one that is fetched
├── ModelError                     a hosted model did not give what was asked of it
│   ├── ModelAccessError           the key is wrong, or not allowed this model
│   ├── ModelQuotaError            the quota is used up
│   ├── ModelArrearsError          the account is not paid
│   ├── ModelThrottledError        too many requests: come back later
│   ├── ModelInspectionError       the content was refused by the service's inspection
│   ├── ModelGoneError             retired, or there is none of that name
│   ├── ModelRequestError          the service finds the request wrong
│   ├── ModelFaultError            the service failed on it
│   ├── ModelTaskError             a task ended without a picture, or is not known
│   └── ModelAnswerError           answered, but not with what can be used
├── StorageError                   an environment's storage did not do what was asked
│   ├── StorageAccessError         a credential or a grant is missing; names it
│   └── StorageUnreachableError    no answer, or busy: come back later
├── LedgerError                    the journal of jobs cannot be read or written
│   ├── LedgerBusyError            locked by another process for too long
│   ├── LedgerVersionError         written by a newer comfyclient
│   ├── LedgerConflictError        an idempotency key was used for other content
│   └── LeaseError                 another process owns the job
└── EngineError                    the embedded engine could not start
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from .issues import NodeIssue as NodeIssue
from .issues import TemplatePlace as TemplatePlace


class Retry(StrEnum):
    """What trying again could bring; the router reads nothing else of an error."""

    NEVER = "never"
    HERE = "here"
    ELSEWHERE = "elsewhere"


class ComfyClientError(Exception):
    """The root: `except ComfyClientError` catches whatever this package raises."""

    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        job_id: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do about it."""
        self.job_id = job_id
        self.instance = instance
        """Name of the instance that was asked."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when tried again."""
        return self.retry is not Retry.NEVER

    def attach(self, *, job_id: str | None = None, instance: str | None = None) -> Self:
        """Fill in what the raiser could not know; what is set already stays."""
        self.job_id = self.job_id if self.job_id is not None else job_id
        self.instance = self.instance if self.instance is not None else instance
        return self

    def __str__(self) -> str:
        context = (("job", self.job_id), ("instance", self.instance))
        where = [f"{name} {value}" for name, value in context if value is not None]
        text = f"{self.message} ({', '.join(where)})" if where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class UsageError(ComfyClientError):
    """The call or its input cannot be right; trying again changes nothing."""


class ConfigError(UsageError):
    """The configuration is wrong; the message names file, key and remedy."""


class MissingExtraError(UsageError):
    """An optional package is not installed; the message says which extra has it."""


class InputFileError(UsageError):
    """A file that was read is wrong; carries `file` and `line` where known."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
        template: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.field = field
        self.template = template

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line) if p is not None)
        parts = (self.template, place, self.field, super().__str__())
        return ": ".join(filter(None, parts))


class TripError(InputFileError):
    """A trip cannot be read; carries `file`, `line` and `field` where known."""


class LockError(InputFileError):
    """`comfyclient.lock` cannot be read or written, or is not as it was written."""


class ServiceFileError(InputFileError):
    """The JSON of a PAI-EAS service is wrong; names each key and the remedy."""


class TemplateError(InputFileError):
    """A template folder is wrong; carries `template`, `file` and `line` where known."""


class TemplateNotFoundError(TemplateError):
    """No such template or version; the message lists what there is."""


class PinError(TemplateError):
    """The environment's pins or its lock do not let it run that; names both sides."""


class ManifestError(TemplateError):
    """`manifest.toml` is wrong."""


class ParameterError(TemplateError):
    """A parameter is unknown, missing, of the wrong type or out of range."""


class RenderError(TemplateError):
    """`workflow.json.j2` did not render to a ComfyUI API graph."""


class WorkflowError(UsageError):
    """A graph file or dict is not a ComfyUI graph in API format."""


class UiFormatError(WorkflowError):
    """The file is a UI export; ComfyUI executes only the API format."""


class ClosedError(UsageError):
    """The client, instance or engine was closed before this call."""


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
