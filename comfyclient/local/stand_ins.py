"""ComfyUI's own modules, as far as node packs import them, while an engine runs.

A node pack written for ComfyUI does `import folder_paths` or looks for
`comfy.utils.ProgressBar`. Those modules are put into `sys.modules` when the first
engine starts and taken out when the last one closes. Where a real ComfyUI is loaded in
this process nothing is touched: its modules stay, and packs report to it.

Each function finds the engine that calls the node through `context`, so several
engines in one process do not get in each other's way.
"""

from __future__ import annotations

import importlib.util
import mimetypes
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from . import context
from .blocker import ExecutionBlocker
from .folders import listed_files

_NAMES = (
    "comfy",
    "comfy.utils",
    "comfy.model_management",
    "comfy_execution",
    "comfy_execution.graph",
    "comfy_execution.graph_utils",
    "folder_paths",
    "server",
)


class ProgressBar:
    """`comfy.utils.ProgressBar`: how a node tells how far it is."""

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total
        self.current: float = 0
        self.node_id = node_id
        self._execution = context.current_execution()

    def update_absolute(
        self, value: float, total: float | None = None, preview: Any = None
    ) -> None:
        """Tell that so much is done, with an optional (format, picture, size)."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        if self._execution is not None:
            self._execution.report_progress(
                self.current, self.total, preview=preview, node_id=self.node_id
            )

    def update(self, value: float) -> None:
        """Tell that so much more is done."""
        self.update_absolute(self.current + value)


class PromptServer:
    """`server.PromptServer`: how a node says something over the websocket."""

    instance: PromptServer

    def send_progress_text(
        self, text: str, node_id: str, sid: str | None = None
    ) -> None:
        """Show a line of text at a node."""
        if (execution := context.current_execution()) is not None:
            execution.report_text(text, node_id=node_id)

    def send_sync(self, event: str, data: Any, sid: str | None = None) -> None:
        """Send a message of the pack's own to the prompt's client."""
        if (execution := context.current_execution()) is not None:
            execution.report_message(event, data)


PromptServer.instance = PromptServer()


class StandIns:
    """Counts the engines that need the modules."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._installed: dict[str, ModuleType] = {}

    def install(self) -> None:
        """An engine starts."""
        with self._lock:
            self._users += 1
            if self._users > 1 or any(name in sys.modules for name in _NAMES):
                return
            self._installed = _modules()
            if importlib.util.find_spec("server") is not None:
                # A common name: somebody else's module is not to be hidden.
                del self._installed["server"]
            sys.modules.update(self._installed)

    def remove(self) -> None:
        """An engine closes."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return
            for name, module in self._installed.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
            self._installed = {}


STAND_INS = StandIns()


def _modules() -> dict[str, ModuleType]:
    made = {name: ModuleType(name, "Stands in for ComfyUI's own.") for name in _NAMES}
    contents: dict[str, dict[str, Any]] = {
        "comfy": {"__path__": []},
        "comfy_execution": {"__path__": []},
        "comfy.utils": {"ProgressBar": ProgressBar, "PROGRESS_BAR_ENABLED": True},
        "comfy.model_management": {
            "InterruptProcessingException": context.ProcessingInterruptedError,
            "throw_exception_if_processing_interrupted": _check_interrupted,
            "processing_interrupted": _is_interrupted,
        },
        "comfy_execution.graph": {"ExecutionBlocker": ExecutionBlocker},
        "comfy_execution.graph_utils": {"ExecutionBlocker": ExecutionBlocker},
        "server": {"PromptServer": PromptServer},
        "folder_paths": {
            "get_input_directory": _input_directory,
            "get_output_directory": _output_directory,
            "get_temp_directory": _temp_directory,
            "get_annotated_filepath": _annotated_file_path,
            "exists_annotated_filepath": _annotated_file_exists,
            "get_save_image_path": _save_image_path,
            "get_filename_list": _file_names,
            "filter_files_content_types": _of_content_types,
        },
    }
    for name, content in contents.items():
        vars(made[name]).update(content)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(made[parent], child, made[name])
    return made


def _check_interrupted() -> None:
    if (execution := context.current_execution()) is not None:
        execution.check_interrupted()


def _is_interrupted() -> bool:
    execution = context.current_execution()
    return execution is not None and execution.is_interrupted()


def _input_directory() -> str:
    return str(context.current().folders.input)


def _output_directory() -> str:
    return str(context.current().folders.output)


def _temp_directory() -> str:
    return str(context.current().folders.temp)


def _annotated_file_path(name: str, default_dir: str | None = None) -> str:
    return str(context.current().folders.input_file(name))


def _annotated_file_exists(name: str) -> bool:
    return context.current().folders.input_file(name).exists()


def _save_image_path(
    filename_prefix: str,
    output_dir: str,
    image_width: int = 0,
    image_height: int = 0,
) -> tuple[str, str, int, str, str]:
    place = context.current().folders.save_place(
        filename_prefix,
        root=Path(output_dir),
        width=image_width,
        height=image_height,
    )
    return str(place.folder), place.stem, place.counter, place.subfolder, place.prefix


def _file_names(folder_name: str) -> list[str]:
    folder = context.current().folders.models / folder_name
    return listed_files(folder) if folder.is_dir() else []


def _of_content_types(files: list[str], content_types: list[str]) -> list[str]:
    guesses = {name: mimetypes.guess_type(name)[0] or "" for name in files}
    return [name for name in files if guesses[name].partition("/")[0] in content_types]
