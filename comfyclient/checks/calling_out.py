"""Whether a service reaches DashScope from inside: one node of our own pack asks it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ..errors import ExecutionError, MissingNodeError, ValidationError
from ..timing import Deadline
from ..workflow import Workflow
from .base import Diagnosis, fail, ok, skipped, warn
from .errand import Errand

NODES = frozenset({"QwenText", "QwenVision", "WanImage"})
"""Our own pack's nodes that call DashScope."""
_USUAL_MODEL = "qwen3.6-plus"
_REFUSED = "DashScope refused"  # how our nodes begin what the service itself said


def asks_dashscope(workflows: Iterable[Workflow]) -> bool:
    """Whether a graph has one of these nodes."""
    return any(
        workflow.class_type(node_id) in NODES
        for workflow in workflows
        for node_id in workflow.graph
    )


def calling_out(
    deadline: Deadline, *, errand: Errand, workflows: Mapping[str, Workflow]
) -> Diagnosis:
    """Have the service ask for one token."""
    if not asks_dashscope(workflows.values()):
        return skipped("no node of a pinned template calls DashScope")
    model = _text_model(workflows.values())
    try:
        with errand.run(_question(model, random.getrandbits(31)), deadline):
            return ok(f"{model} answered a node inside the service")
    except MissingNodeError as error:
        return fail(error.message, "comfyclient eas layout --push, and a restart")
    except ValidationError as error:
        return fail(
            "; ".join([error.message, *(issue.message for issue in error.issues)]),
            "put the key into a file of the mount, and name that in "
            "DASHSCOPE_API_KEY_FILE_PATH of containers[0].env: whoever reads the "
            "service's JSON would see a key there",
        )
    except ExecutionError as error:
        said = error.exception_message or error.message
        if said.startswith(_REFUSED) or _REFUSED in said:
            return warn(
                f"the service reaches DashScope: {said}",
                "the network is in order; key and model are those of the service",
            )
        return fail(
            said,
            "the service needs cloud.networking (`eas spec --vpc`), and the VPC an "
            "internet NAT gateway with an EIP and an SNAT entry for the vSwitch",
        )


def _text_model(workflows: Iterable[Workflow]) -> str:
    """The model that a pinned graph asks, where it is a text model."""
    for workflow in workflows:
        for node in workflow.graph.values():
            if isinstance(node, dict) and node.get("class_type") == "QwenText":
                inputs = node.get("inputs")
                model = inputs.get("model") if isinstance(inputs, dict) else None
                if isinstance(model, str):
                    return model
    return _USUAL_MODEL


def _question(model: str, seed: int) -> Workflow:
    inputs: dict[str, JsonValue] = {
        "model": model,
        "system": "",
        "prompt": "Say: ok",
        "temperature": 0.0,
        "max_tokens": 1,
        "seed": seed,  # another one, so that no cache answers
    }
    return Workflow.from_graph(
        {
            "1": {"class_type": "QwenText", "inputs": inputs},
            "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
        }
    )
