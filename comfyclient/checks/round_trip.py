"""A tiny job on an instance, whose file must arrive where the client reads."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

from ..errors import ComfyClientError
from ..files.outputs import Output
from ..timing import Deadline
from ..workflow import Workflow
from .base import Diagnosis, fail, ok
from .errand import Errand
from .shelf import Shelf

_PNG = b"\x89PNG\r\n\x1a\n"


def tiny_workflow(mark: str) -> Workflow:
    """Eight by eight pixels, by two nodes that every ComfyUI has; no model, no GPU."""
    number = uuid.UUID(mark).int % 0xFFFFFF  # another picture, so none from the cache
    return Workflow.from_graph(
        {
            "1": {
                "class_type": "EmptyImage",
                "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": number},
            },
            "2": {
                "class_type": "SaveImage",
                "inputs": {
                    "images": ["1", 0],
                    "filename_prefix": f"comfyclient-doctor/{mark}",
                },
            },
        }
    )


class RoundTrip:
    """The job, and the storage that its file is deleted from again."""

    def __init__(self, errand: Errand, shelf: Shelf | None) -> None:
        self._errand = errand
        self._shelf = shelf

    def run(self, deadline: Deadline) -> Diagnosis:
        """Whether its file comes back."""
        workflow = tiny_workflow(str(uuid.uuid4()))
        with self._errand.run(workflow, deadline) as result:
            (output,) = result.outputs
            content = _content(output)
        kept = self._clean_up(output, deadline)
        if not content.startswith(_PNG):
            return fail(
                f"{output.ref.filename} came back with {len(content)} bytes that are "
                "no PNG",
                "does something between here and the storage change files?",
            )
        return ok(f"the job ran, and its {len(content)} bytes came back{kept}")

    def _clean_up(self, output: Output, deadline: Deadline) -> str:
        """Delete the file; what to say of it."""
        ref = output.ref
        path = "/".join(filter(None, (ref.type, ref.subfolder, ref.filename)))
        if self._shelf is None:
            return f"; {path} stays on the server: HTTP deletes nothing"
        try:
            self._shelf.forget(path, deadline)
        except ComfyClientError as error:
            return f"; {path} stays there: {error.message}"
        return ""


def _content(output: Output) -> bytes:
    with tempfile.TemporaryDirectory(prefix="comfyclient-doctor-") as folder:
        return output.save(Path(folder)).read_bytes()
