"""Pictures by a Wan model: ordered once, brought home, and put under a graph.

With DASHSCOPE_API_KEY set, Wan is asked (a picture costs money); without it, a stand-in
on this machine. Run twice with a key: the second run orders nothing.

How to run: python examples/paint.py [folder]
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from comfyclient import Client, Workflow
from comfyclient.testing import DashScopeServer

PROMPT = "a winding coast road at dusk, low sun, gouache, no people, no text"


def main(out: str = "out") -> None:
    """Order one picture, then let ComfyUI turn it to its own colours' opposite."""
    settings: dict[str, object] = {"dashscope.picture": "wan2.2-t2i-flash"}
    with ExitStack() as stack:
        if "DASHSCOPE_API_KEY" in os.environ:
            settings["dashscope.key_env"] = "DASHSCOPE_API_KEY"
        else:
            hosted = stack.enter_context(DashScopeServer())
            settings["dashscope.key"] = hosted.key
            settings["dashscope.base_address"] = hosted.url
            settings["dashscope.result_hosts"] = hosted.host
        client = stack.enter_context(Client.from_config(overrides=settings))

        painter = client.models.painter()
        assert painter is not None, "an image model is configured"
        painted = painter.paint(PROMPT, size="720*512", seed=7)
        print(f"{painted.model}: paid for {painted.usage.images} picture")

        file = painted.files[0].input_file()
        graph = {
            "1": {"class_type": "LoadImage", "inputs": {"image": file.name}},
            "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
            "3": {
                "class_type": "SaveImage",
                "inputs": {"images": ["2", 0], "filename_prefix": "inverted"},
            },
        }
        job = client.submit(Workflow.from_graph(graph, files=[file]))
        print("saved", *job.result().save_all(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
