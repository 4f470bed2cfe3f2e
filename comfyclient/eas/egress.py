"""Which nodes of graphs call out of the service that runs them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ..workflow import Workflow

_CALLS_OUT = re.compile(
    r"QwenText$|QwenVision$|WanImage$"  # our own pack's
    r"|(?i:dash.?scope|bailian|tongyi|qwen.*api|wanx?.*api|from.?url|url.*load|load.*url"
    r"|api(node)?$|open.?ai|gemini|kling)"
)
"""Classes that fetch or ask something from the internet, by the names packs use."""


def calling_classes(
    workflows: Mapping[str, Workflow],
    *,
    also: Callable[[str], bool] = lambda _: False,
) -> dict[str, str]:
    """Classes that seem to need the internet, each with a template that has it.

    `also` says of a class whether its server marks it so.
    """
    found: dict[str, str] = {}
    for ref, workflow in workflows.items():
        for node_id in workflow.graph:
            name = workflow.class_type(node_id)
            if name is not None and (_CALLS_OUT.search(name) or also(name)):
                found.setdefault(name, ref)
    return found
