"""What cannot be right before anything is asked: a call, a file, a setting."""

from __future__ import annotations

from .base import ComfyClientError


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
