"""A server's files: inputs put there, outputs read from there."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from ..errors import (
    AccessDeniedError,
    BadAnswerError,
    OutputDamagedError,
    OutputMissingError,
    RefusedError,
    ServerFaultError,
    TooLargeError,
)
from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..timing import Deadline
from ..workflow import InputFile
from .bodies import Stream
from .dialect import Dialect
from .http import ComfyHttp
from .probing import nothing_sent, object_of
from .wire import printable

_PAGES = {"text/html", "application/json"}
"""What gateways say in words."""
_NEVER_EMPTY = ("image/", "video/", "audio/")
_NO_LOOK = (AccessDeniedError, RefusedError, ServerFaultError)
"""Perhaps only the HEAD was not let through: the upload will tell."""


class Files:
    """The files of one instance, through its own HTTP."""

    def __init__(self, http: ComfyHttp, dialect: Dialect) -> None:
        self._http = http
        self._dialect = dialect
        self._instance = http.endpoint.name

    def upload(self, file: InputFile, *, deadline: Deadline) -> str:
        """Put an input file into the server's `input/`, unless it is there already."""
        with nothing_sent():  # a second upload of these bytes changes nothing
            return self._there(file, deadline) or self._send(file, deadline)

    @contextmanager
    def open(
        self, ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
    ) -> Iterator[Download]:
        """Stream a file through `/view`, from the span's start on if it can."""
        params = _view_params(ref)
        what = f"{ref.type}/{params['subfolder']}/{params['filename']}".replace(
            "//", "/"
        )
        if what != printable(what):  # a lone surrogate: no request can ask for it
            raise self._missing(ref, printable(what))
        try:
            with self._http.stream(
                "/view",
                deadline=deadline,
                params=params,
                what=what,
                start=span.start,
            ) as answer:
                if not isinstance(answer, Stream):
                    raise self._missing(ref, what)
                _refuse_stand_in(answer, ref, what)
                yield answer
        except RefusedError as error:
            raise self._missing(ref, what) from error

    def _there(self, file: InputFile, deadline: Deadline) -> str | None:
        """The file's name if the server has these very bytes: names are by content."""
        params = {
            "filename": file.filename,
            "subfolder": file.subfolder,
            "type": "input",
        }
        try:
            answer = self._http.head("/view", deadline=deadline, params=params)
        except _NO_LOOK:
            return None
        same = answer.headers.get("Content-Length") == str(file.size)
        return file.name if answer.status == 200 and same else None

    def _send(self, file: InputFile, deadline: Deadline) -> str:
        require_room(
            file.size, self._dialect, what=f"file {file.name}", instance=self._instance
        )
        with file.open() as stream:
            answer = self._http.post(
                "/upload/image",
                deadline=deadline,
                files={"image": (file.filename, stream)},
                form={"subfolder": file.subfolder, "type": "input"},
            )
        stored = object_of(answer)
        name, subfolder = stored.get("name"), stored.get("subfolder", "")
        if not isinstance(name, str) or not isinstance(subfolder, str):
            raise BadAnswerError(
                "the answer to an upload names no file", instance=self._instance
            )
        return str(PurePosixPath(subfolder, name))

    def _missing(self, ref: OutputRef, what: str) -> OutputMissingError:
        hint = (
            "it was deleted there, perhaps while the server still had it in its cache; "
            "files of the embedded engine end with it"
        )
        if ref.type == "temp":
            hint = "ComfyUI empties temp/ whenever it starts: save temp outputs at once"
        return OutputMissingError(
            f"the server has no {what}", instance=self._instance, hint=hint
        )


def _refuse_stand_in(answer: Stream, ref: OutputRef, what: str) -> None:
    """Take no gateway's page for a file, and nothing for a picture.

    ComfyUI says a file's kind by its suffix.

    Raises:
        OutputDamagedError: something else came, with the status of a file.
    """
    kind = mimetypes.guess_type(ref.filename)[0] or ""
    if answer.kind in _PAGES and answer.kind != kind:
        raise OutputDamagedError(
            f"{what} came as {answer.kind}",
            hint="something before the server answers in its place: look at it there",
        )
    if answer.size == 0 and kind.startswith(_NEVER_EMPTY):
        raise OutputDamagedError(f"{what} is empty", hint="is the server's disk full?")


def require_room(size: int, dialect: Dialect, *, what: str, instance: str) -> None:
    """Refuse what the server would not take, before a byte of it is sent.

    Raises:
        TooLargeError: it is over the limit that the server tells.
    """
    limit = dialect.max_body
    if limit is not None and size > limit:
        raise TooLargeError(
            f"{what} has {size:,} bytes, and the server takes {limit:,}",
            instance=instance,
            hint="start the server with a larger --max-upload-size, or send less",
        )


def _view_params(ref: OutputRef) -> dict[str, str]:
    """The query of `/view`, which looks at no more than the base of `filename`."""
    folder, _, filename = ref.filename.replace("\\", "/").rpartition("/")
    subfolder = "/".join(part for part in (ref.subfolder, folder) if part)
    return {"filename": filename, "subfolder": subfolder, "type": ref.type}
