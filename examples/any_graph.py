"""Run any graph exported from ComfyUI in API format, with no template and no trip.

How to run: python examples/any_graph.py [folder]
In ComfyUI: Workflow → Export (API); then Workflow.from_file("exported_api.json").
"""

from __future__ import annotations

import sys

from comfyclient import Client, Workflow
from comfyclient.errors import ValidationError

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 320, "height": 200, "batch_size": 1, "color": 0x2A6F97},
    },
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {
        "class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "inverted"},
    },
}


def main(out: str = "out") -> None:
    """Run the graph, then a broken one to see how an error reads."""
    with Client.from_config() as client:
        result = client.run(Workflow.from_graph(GRAPH))
        print("saved", *result.save_all(out))

        broken = {**GRAPH, "2": {**GRAPH["2"], "class_type": "ImageInvrt"}}
        try:
            client.submit(Workflow.from_graph(broken))
        except ValidationError as error:
            print("refused:", *error.issues)


if __name__ == "__main__":
    main(*sys.argv[1:])
