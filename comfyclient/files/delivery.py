"""Puts a job's input files where the instance that gets the job will find them."""

from __future__ import annotations

import logging

from ..errors import ComfyClientError, OutputMissingError
from ..storage.base import Storage
from ..storage.visibility import once_visible
from ..timing import Deadline
from ..transports.base import Transport
from ..workflow import InputFile
from .refs import OutputRef

_log = logging.getLogger("comfyclient.files.delivery")

SEEN_WITHIN_S = 10.0
"""Seconds that a mount may take to show a file."""


class Delivery:
    """Delivers files by the environment's storage. Thread-safe.

    ComfyUI refuses a graph that names a file which it does not see yet, so one that
    went by a mount is looked for at the instance, as long as that tells what it has.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._silent: set[str] = set()
        """Instances that tell nothing of their files, by a lasting look."""

    def deliver(self, file: InputFile, transport: Transport, deadline: Deadline) -> str:
        """Put a file there; its name for the graph.

        Raises:
            StorageError, TransportError: it cannot be put.
        """
        name = self._storage.put_input(file, deadline, instance=transport.name)
        if self._storage.mounted and transport.name not in self._silent:
            self._await_seen(name, transport, deadline)
        return name

    def _await_seen(self, name: str, transport: Transport, deadline: Deadline) -> None:
        folder, _, filename = name.rpartition("/")
        ref = OutputRef("", "", filename, folder, "input")

        def look() -> None:
            with transport.open(ref, deadline):
                pass

        try:
            once_visible(look, deadline, within_s=SEEN_WITHIN_S)
        except OutputMissingError:
            _log.warning(
                "%s does not show %s, which was put into %s: does it mount that?",
                transport.name,
                name,
                self._storage.shown,
            )
        except ComfyClientError as error:
            _log.debug("%s tells no files: %s", transport.name, error.message)
        else:
            return
        self._silent.add(transport.name)
