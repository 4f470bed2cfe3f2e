"""The node that has Wan paint: an order, looks at it, the pictures fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import inputs
from .account import AsksDashScope, read_model
from .host import Steps, images_out, pause
from .qwen import CATEGORY, MOST_SEED, SEED_INPUT, service_for
from .reading import choice, text, whole
from .refusals import DashScopeError, refused
from .relay import fetch_picture
from .service import Service, task_of
from .wan_sizes import NEWER, check_size, longest_prompt

_OLDER_ROUTE = "/services/aigc/text2image/image-synthesis"
_NEWER_ROUTE = "/services/aigc/image-generation/generation"
_LONGEST_NEGATIVE = 500
_STEPS = 100
PARTIAL = ["error", "keep"]


class WanImage(AsksDashScope):
    """Has a Wan model paint pictures from a prompt."""

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Orders pictures from a Wan or Qwen-Image model through DashScope and fetches "
        "them. The number is always said, for the service's own default is four. The "
        "same inputs are answered from ComfyUI's cache."
    )
    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("images", "prompt")
    FUNCTION = "paint"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        side = {"default": 1280, "min": 512, "max": 2880, "step": 8}
        return {
            "required": {
                "model": inputs.line("Its name in Model Studio.", default="wan2.6-t2i"),
                "prompt": inputs.lines("What is to be seen."),
                "negative_prompt": inputs.lines("What is not to be seen."),
                "width": ("INT", {**side, "tooltip": "Each model has its own limits."}),
                "height": (
                    "INT",
                    {**side, "tooltip": "Each model has its own limits."},
                ),
                "n": inputs.integer(1, "Pictures; each one is paid.", low=1, high=4),
                "seed": SEED_INPUT,
            },
            "optional": {
                "prompt_extend": inputs.switch(
                    "Let the service write the prompt out first.", default=True
                ),
                "watermark": inputs.switch(
                    "A mark that says who painted.", default=False
                ),
                "partial": inputs.one_of(
                    PARTIAL,
                    "error",
                    tooltip="When some pictures failed: an error, or keep the others.",
                ),
                "timeout_s": inputs.integer(
                    300, "Seconds until the pictures must be here.", low=5, high=3600
                ),
            },
        }

    def paint(
        self,
        *,
        model: str,
        prompt: str,
        negative_prompt: str,
        width: int,
        height: int,
        n: int,
        seed: int,
        prompt_extend: bool = True,
        watermark: bool = False,
        partial: str = "error",
        timeout_s: int = 300,
    ) -> tuple[Any, str]:
        """Order, wait, fetch.

        Raises:
            ValueError: an input is impossible; the message names it.
            DashScopeError: the service refused or failed; the message says why.
        """
        name = read_model(text("model", model))
        size = (
            whole("width", width, low=512, high=2880),
            whole("height", height, low=512, high=2880),
        )
        check_size(name, *size)
        number = whole("n", n, low=1, high=4)
        parameters: dict[str, Any] = {
            "size": f"{size[0]}*{size[1]}",
            "n": number,
            "seed": whole("seed", seed, low=0, high=MOST_SEED),
            "prompt_extend": bool(prompt_extend),
            "watermark": bool(watermark),
        }
        words = _checked(name, prompt, negative_prompt)
        keep = choice("partial", partial, among=PARTIAL) == "keep"
        service = service_for(timeout_s)
        steps = Steps(_STEPS)
        order = _order(name, words, parameters)
        result = _finished(service, order, steps)
        urls, actual = _results(result, wanted=number, keep=keep)
        pictures = [fetch_picture(url, service, size=size) for url in urls]
        steps.finish()
        return images_out(np.stack(pictures)), actual or words[0]


def _checked(model: str, prompt: str, negative: str) -> tuple[str, str]:
    words = (text("prompt", prompt).strip(), text("negative_prompt", negative).strip())
    if not words[0]:
        raise ValueError("prompt: is empty; say what is to be seen")
    limits = (longest_prompt(model), _LONGEST_NEGATIVE)
    for name, said, most in zip(
        ("prompt", "negative_prompt"), words, limits, strict=True
    ):
        if len(said) > most:
            raise ValueError(
                f"{name}: has {len(said)} characters, {model} takes {most}; shorten it"
            )
    return words


def _order(
    model: str, words: tuple[str, str], parameters: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """Route and body, by the protocol that the model speaks."""
    prompt, negative = words
    extra = {"negative_prompt": negative} if negative else {}
    if model.startswith(NEWER):
        message = {"role": "user", "content": [{"text": prompt}]}
        body = {
            "model": model,
            "input": {"messages": [message]},
            "parameters": {**parameters, **extra},
        }
        return _NEWER_ROUTE, body
    given = {"prompt": prompt, **extra}
    return _OLDER_ROUTE, {"model": model, "input": given, "parameters": parameters}


def _finished(
    service: Service, order: tuple[str, Mapping[str, Any]], steps: Steps
) -> Mapping[str, Any]:
    """What a task ended with; whoever stops waiting gives the task up."""
    task_id = task_of(service.post(*order, task=True))
    if task_id is None:
        raise DashScopeError("DashScope took the order without naming a task")
    try:
        output = _watched(service, task_id, steps)
    except BaseException:
        service.cancel(task_id)
        raise
    state = output.get("task_status")
    if state != "SUCCEEDED":
        raise _ended(state, output, task_id, service)
    return output


def _watched(service: Service, task_id: str, steps: Steps) -> Mapping[str, Any]:
    """What the service says of a task once it is over."""
    looks = 0
    while True:
        pause(service.poll_s(looks))
        looks += 1
        found = service.look(task_id).get("output")
        output: Mapping[str, Any] = found if isinstance(found, dict) else {}
        if output.get("task_status") not in ("PENDING", "RUNNING", "SUSPENDED"):
            return output
        steps.reach(min(_STEPS - 10, looks * 6))


def _ended(
    state: Any, said: Mapping[str, Any], task_id: str, service: Service
) -> DashScopeError:
    if state == "FAILED":
        code = said.get("code")
        code = code[:100] if isinstance(code, str) else "InternalError"
        key = service.account.key
        return refused(code, said.get("message"), request_id=task_id, key=key)
    known = {
        "CANCELED": "was cancelled",
        "UNKNOWN": "is no longer known: tasks are kept for 24 hours",
    }
    what = known.get(str(state), f"has a state that nobody knows, {state!r:.40}")
    return DashScopeError(f"task {task_id} {what}; order again")


def _results(
    output: Mapping[str, Any], *, wanted: int, keep: bool
) -> tuple[list[Any], str]:
    """The pictures' addresses, and the prompt that was painted from.

    Raises:
        DashScopeError: there are none, or some failed and none may.
    """
    entries = [one for one in _entries(output) if isinstance(one, dict)]
    urls = [u for u in (one.get("url") or one.get("image") for one in entries) if u]
    failed = [one for one in entries if not (one.get("url") or one.get("image"))]
    if not urls or (len(urls) < wanted and not keep):
        code = next((str(one["code"]) for one in failed if one.get("code")), "")
        made = f"{len(urls)} of {wanted} pictures came to be"
        if not code:
            raise DashScopeError(f"{made}; order again")
        why = refused(code, next((one.get("message") for one in failed), None))
        raise DashScopeError(f"{made}; {why}", code=code)
    actual = next((one.get("actual_prompt") for one in entries), None)
    return urls[:wanted], actual if isinstance(actual, str) else ""


def _entries(output: Mapping[str, Any]) -> list[Any]:
    """Results in the older protocol's list, or in the newer one's messages."""
    results = output.get("results")
    if isinstance(results, list):
        return results
    found: list[Any] = []
    choices = output.get("choices")
    for one in choices if isinstance(choices, list) else ():
        message = one.get("message") if isinstance(one, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        found += content if isinstance(content, list) else []
    return found
