"""What the run of one prompt tells its client, message by message."""

from __future__ import annotations

import json
import struct
import time
from io import BytesIO
from typing import Any

from PIL import Image, ImageOps

from .context import Preview
from .run_graph import RunGraph
from .socket_hub import BinaryEvent, SocketHub
from .versions import Behaviour

_PREVIEW_FORMATS = {"JPEG": 1, "PNG": 2}


class Announcer:
    """Puts the happenings of one run into messages, in the release's own order."""

    def __init__(
        self,
        hub: SocketHub,
        graph: RunGraph,
        *,
        behaviour: Behaviour,
        prompt_id: str,
        client_id: str | None,
    ) -> None:
        self._hub = hub
        self._graph = graph
        self._behaviour = behaviour
        self._prompt_id = prompt_id
        self._client_id = client_id
        self._progress: dict[str, dict[str, Any]] = {}
        self.messages: list[list[Any]] = []
        """What history keeps: started, cached, and how it ended."""

    def milestone(
        self, kind: str, data: dict[str, Any], *, to_everyone: bool = False
    ) -> None:
        """Tell something that history keeps too."""
        told = {
            "prompt_id": self._prompt_id,
            **data,
            "timestamp": int(time.time() * 1000),
        }
        if kind == "execution_cached":
            told = {"nodes": told.pop("nodes"), **told}
        self.messages.append([kind, told])
        if self._client_id is not None or to_everyone:
            self._hub.post(kind, told, sid=self._client_id)

    def started(self, node_id: str) -> None:
        """A node begins."""
        self._node_state(node_id, value=0.0, total=1.0, state="running")
        if self._client_id is not None:
            self._hub.running_node = self._graph.display_id(node_id)
            self._post("executing", self._node_names(node_id))

    def executed(self, node_id: str, ui: dict[str, Any] | None) -> None:
        """A node shows something.

        Raises:
            TypeError: what it shows is not JSON; the server would die of it.
        """
        if self._client_id is not None:
            self._post("executed", {**self._node_names(node_id), "output": ui})
        else:
            json.dumps(ui)

    def finished(self, node_id: str) -> None:
        """A node is done."""
        if node_id not in self._progress:
            self._node_state(node_id, value=1.0, total=1.0, state="finished")
            return
        state = self._progress[node_id]
        total = state["max"]
        self._node_state(node_id, value=total, total=total, state="finished")

    def blocked(
        self, node_id: str, *, class_type: str, message: str, executed: list[str]
    ) -> None:
        """A node did not run because something before it said so, with a message."""
        data = {
            "prompt_id": self._prompt_id,
            "node_id": node_id,
            "node_type": class_type,
            "executed": executed,
            "exception_message": f"Execution Blocked: {message}",
            "exception_type": "ExecutionBlocked",
            "traceback": [],
            "current_inputs": [],
            "current_outputs": [],
        }
        self._hub.post("execution_error", data, sid=self._client_id)

    def progress(
        self, node_id: str, *, value: float, total: float, preview: Preview | None
    ) -> None:
        """A node got on, and may show a picture of it."""
        self._node_state(node_id, value=value, total=total, state="running")
        named = preview is not None and self._hub.wants_preview_metadata(
            self._client_id
        )
        if preview is not None and named:
            self._preview_with_metadata(node_id, preview)
        self._post(
            "progress",
            {
                "value": value,
                "max": total,
                "prompt_id": self._prompt_id,
                # Older servers named the node that they had last announced.
                "node": node_id
                if self._behaviour.feature_flags
                else self._hub.running_node,
            },
        )
        if preview is not None and not named:
            self._plain_preview(preview)

    def text(self, node_id: str, text: str) -> None:
        """A node says something."""
        if not self._behaviour.progress_text:
            return
        name = node_id.encode()
        body = struct.pack(">I", len(name)) + name + text.encode()
        self._hub.post_binary(BinaryEvent.TEXT, body, sid=self._client_id)

    def own_message(self, kind: str, data: Any) -> None:
        """A node sends something that only its pack understands."""
        self._post(kind, data)

    def _post(self, kind: str, data: dict[str, Any]) -> None:
        self._hub.post(kind, data, sid=self._client_id)

    def _node_names(self, node_id: str) -> dict[str, Any]:
        return {
            "node": node_id,
            "display_node": self._graph.display_id(node_id),
            "prompt_id": self._prompt_id,
        }

    def _node_state(
        self, node_id: str, *, value: float, total: float, state: str
    ) -> None:
        if not self._behaviour.feature_flags:
            return
        self._progress[node_id] = {
            "value": value,
            "max": total,
            "state": state,
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": self._graph.display_id(node_id),
            "parent_node_id": self._graph.parent_id(node_id),
            "real_node_id": self._graph.real_id(node_id),
        }
        # Each names every node so far: with long graphs too dear to say to nobody.
        if self._hub.is_heard(self._client_id):
            told = {"prompt_id": self._prompt_id, "nodes": self._progress}
            self._post("progress_state", told)

    def _preview_with_metadata(self, node_id: str, preview: Preview) -> None:
        image_format = "PNG" if preview[0] == "PNG" else "JPEG"
        about = {
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": self._graph.display_id(node_id),
            "parent_node_id": self._graph.parent_id(node_id),
            "real_node_id": self._graph.real_id(node_id),
            "image_type": f"image/{image_format.lower()}",
        }
        head = json.dumps(about).encode()
        body = struct.pack(">I", len(head)) + head + _encoded(preview, image_format)
        self._hub.post_binary(
            BinaryEvent.PREVIEW_WITH_METADATA, body, sid=self._client_id
        )

    def _plain_preview(self, preview: Preview) -> None:
        image_format = "PNG" if preview[0] == "PNG" else "JPEG"
        number = struct.pack(">I", _PREVIEW_FORMATS[image_format])
        self._hub.post_binary(
            BinaryEvent.PREVIEW,
            number + _encoded(preview, image_format),
            sid=self._client_id,
        )


def _encoded(preview: Preview, image_format: str) -> bytes:
    _, picture, size = preview
    if size is not None:
        # Fits to the size both ways: small pictures are enlarged too.
        picture = ImageOps.contain(picture, (size, size), Image.Resampling.BILINEAR)
    if image_format == "JPEG" and picture.mode not in ("RGB", "L"):
        picture = picture.convert("RGB")
    stream = BytesIO()
    picture.save(stream, format=image_format, quality=95, compress_level=1)
    return stream.getvalue()
