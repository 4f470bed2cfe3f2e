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

from .base import ComfyClientError as ComfyClientError
from .base import Retry as Retry
from .issues import NodeIssue as NodeIssue
from .issues import TemplatePlace as TemplatePlace
from .jobs import BadResultError as BadResultError
from .jobs import DeadWorkerError as DeadWorkerError
from .jobs import ExecutionError as ExecutionError
from .jobs import JobCancelledError as JobCancelledError
from .jobs import JobError as JobError
from .jobs import JobInterruptedError as JobInterruptedError
from .jobs import JobLostError as JobLostError
from .jobs import JobTimeoutError as JobTimeoutError
from .jobs import MissingModelError as MissingModelError
from .jobs import MissingNodeError as MissingNodeError
from .jobs import OutOfMemoryError as OutOfMemoryError
from .jobs import OutputDamagedError as OutputDamagedError
from .jobs import OutputError as OutputError
from .jobs import OutputMissingError as OutputMissingError
from .jobs import RelayError as RelayError
from .jobs import UnknownJobError as UnknownJobError
from .jobs import UnsafePathError as UnsafePathError
from .jobs import ValidationError as ValidationError
from .services import EngineError as EngineError
from .services import LeaseError as LeaseError
from .services import LedgerBusyError as LedgerBusyError
from .services import LedgerConflictError as LedgerConflictError
from .services import LedgerError as LedgerError
from .services import LedgerVersionError as LedgerVersionError
from .services import ModelAccessError as ModelAccessError
from .services import ModelAnswerError as ModelAnswerError
from .services import ModelArrearsError as ModelArrearsError
from .services import ModelError as ModelError
from .services import ModelFaultError as ModelFaultError
from .services import ModelGoneError as ModelGoneError
from .services import ModelInspectionError as ModelInspectionError
from .services import ModelQuotaError as ModelQuotaError
from .services import ModelRequestError as ModelRequestError
from .services import ModelTaskError as ModelTaskError
from .services import ModelThrottledError as ModelThrottledError
from .services import StorageAccessError as StorageAccessError
from .services import StorageError as StorageError
from .services import StorageUnreachableError as StorageUnreachableError
from .transport import AccessDeniedError as AccessDeniedError
from .transport import BadAnswerError as BadAnswerError
from .transport import BusyError as BusyError
from .transport import NotOfferedError as NotOfferedError
from .transport import RedirectError as RedirectError
from .transport import RefusedError as RefusedError
from .transport import ServerFaultError as ServerFaultError
from .transport import TooLargeError as TooLargeError
from .transport import TransportError as TransportError
from .transport import UnclearAnswerError as UnclearAnswerError
from .transport import UnreachableError as UnreachableError
from .transport import WrongVersionError as WrongVersionError
from .usage import ClosedError as ClosedError
from .usage import ConfigError as ConfigError
from .usage import InputFileError as InputFileError
from .usage import LockError as LockError
from .usage import ManifestError as ManifestError
from .usage import MissingExtraError as MissingExtraError
from .usage import ParameterError as ParameterError
from .usage import PinError as PinError
from .usage import RenderError as RenderError
from .usage import ServiceFileError as ServiceFileError
from .usage import TemplateError as TemplateError
from .usage import TemplateNotFoundError as TemplateNotFoundError
from .usage import TripError as TripError
from .usage import UiFormatError as UiFormatError
from .usage import UsageError as UsageError
from .usage import WorkflowError as WorkflowError
