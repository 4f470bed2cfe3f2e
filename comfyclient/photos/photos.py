"""The photos that a workflow takes along: read from where they are, and made fit."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs

from ..errors import OutputError, RenderError
from ..templating.uploads import SUBFOLDER
from ..workflow import InputFile, Workflow

_log = logging.getLogger("comfyclient.photos.photos")

FOLDER = "inputs"
"""In the cache: what is to be sent, until its job has it."""
KEPT_S = 7 * 86_400

Fetch = Callable[[str], bytes]
Clean = Callable[[bytes], tuple[bytes, str]]


class Photos:
    """Reads and cleans photos. Thread-safe."""

    def __init__(self, *, fetch: Fetch, clean: Clean, cache: Path | None) -> None:
        whole = platformdirs.user_cache_path("comfyclient") if cache is None else cache
        self._folder = whole / FOLDER
        self._fetch = fetch
        self._clean = clean

    def reader(self) -> Fetch:
        """Fetches photos that are addresses, each once; for one workflow."""
        known: dict[str, bytes] = {}

        def read(source: str) -> bytes:
            if source not in known:
                known[source] = self._fetch(source)
            return known[source]

        return read

    def fit(self, workflow: Workflow) -> Workflow:
        """The workflow with photos that may be sent.

        Raises:
            RenderError: one may not, or cannot be read.
        """
        files = {file.name: self._fitting(file, workflow) for file in workflow.files}
        return workflow.replaced(files)

    def _fitting(self, file: InputFile, workflow: Workflow) -> InputFile:
        with file.open() as stream:
            content = stream.read()
        try:
            body, suffix = self._clean(content)
        except ValueError as error:
            shown = file.source.name if isinstance(file.source, Path) else file.name
            raise RenderError(
                f"the photo {shown} cannot be sent: {error}",
                template=workflow.template,
                hint="leave it out of the trip, or put a usable one in its place",
            ) from None
        if body == content and isinstance(file.source, Path):
            return file
        digest = hashlib.sha256(body).hexdigest()
        kept = self._kept(f"{digest[:32]}{suffix}", body)
        return InputFile(f"{SUBFOLDER}/{kept.name}", digest, len(body), kept)

    def _kept(self, name: str, body: bytes) -> Path:
        """A file of the cache: so that another process can send the job again."""
        path = self._folder / name
        if path.is_file() and path.stat().st_size == len(body):
            with suppress(OSError):
                path.touch()
            return path
        part = path.with_name(f".{name}.{secrets.token_hex(4)}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._forget_old()
            part.write_bytes(body)
            part.replace(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        return path

    def _forget_old(self) -> None:
        before = time.time() - KEPT_S
        for file in self._folder.iterdir():
            with suppress(OSError):
                if file.stat().st_mtime < before:
                    file.unlink()
