"""The nodes that ask Qwen: for words, and for what is on pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from . import inputs
from .account import AsksDashScope, account, read_model
from .colour import Floats
from .host import Steps, images_in
from .reading import number, text, whole
from .refusals import DashScopeError
from .service import Service

CATEGORY = "comfyclient/dashscope"
MOST_SEED = 2**31 - 1
"""What DashScope takes; ComfyUI's own seeds are larger."""
_TEXT = "/services/aigc/text-generation/generation"
_VISION = "/services/aigc/multimodal-generation/generation"
_MOST_PICTURES = 8
_LARGEST_PICTURE = 7 << 20
"""Of a picture as it is sent: base64 makes a third more of it, and 10 MB are taken."""

SEED_INPUT = inputs.integer(
    0,
    "The same inputs are answered from the cache; another seed asks "
    "again, and is paid again.",
    low=0,
    high=MOST_SEED,
    control_after_generate=True,
)
TIMEOUT_INPUT = inputs.integer(
    120, "Seconds that the service may take, repetitions included.", low=5, high=3600
)


class QwenText(AsksDashScope):
    """Asks a Qwen model for a text."""

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Asks a Qwen model through DashScope. The key is taken from DASHSCOPE_API_KEY "
        "of the server. The same inputs are answered from ComfyUI's cache."
    )
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("text",)
    FUNCTION = "ask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "model": inputs.line(
                    "The model's name in Model Studio.", default="qwen3.6-plus"
                ),
                "system": inputs.lines("What the model is and must keep to."),
                "prompt": inputs.lines("What it is asked."),
                "temperature": TEMPERATURE_INPUT,
                "max_tokens": MAX_TOKENS_INPUT,
                "seed": SEED_INPUT,
            },
            "optional": {
                "as_json": inputs.switch(
                    "Have it answer with one JSON object; the prompt "
                    "must say so with the word JSON.",
                    default=False,
                ),
                "timeout_s": TIMEOUT_INPUT,
            },
        }

    def ask(
        self,
        *,
        model: str,
        system: str,
        prompt: str,
        temperature: float,
        max_tokens: int,
        seed: int,
        as_json: bool = False,
        timeout_s: int = 120,
    ) -> tuple[str]:
        """Ask.

        Raises:
            ValueError: an input is impossible; the message names it.
            DashScopeError: the service refused or failed; the message says why.
        """
        asked = _asked("prompt", prompt)
        context = text("system", system).strip()
        if as_json and "json" not in (asked + context).lower():
            raise ValueError(
                "prompt: as_json is on, and the service wants the word JSON in the "
                "prompt; add it"
            )
        messages = [{"role": "system", "content": context}] if context else []
        parameters = {
            **sampling(temperature, max_tokens=max_tokens, seed=seed),
            "result_format": "message",
            "enable_thinking": False,
            **({"response_format": {"type": "json_object"}} if as_json else {}),
        }
        body = {
            "model": read_model(text("model", model)),
            "input": {"messages": [*messages, {"role": "user", "content": asked}]},
            "parameters": parameters,
        }
        steps = Steps(1)
        answer = service_for(timeout_s).post(_TEXT, body)
        steps.done()
        return (words_of(answer),)


class QwenVision(AsksDashScope):
    """Asks a Qwen model about pictures."""

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Shows pictures to a Qwen vision model through DashScope and asks about them. "
        "They leave the server: show none that must not."
    )
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("text",)
    FUNCTION = "ask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "images": (
                    "IMAGE",
                    {"tooltip": f"Up to {_MOST_PICTURES} pictures, as one batch."},
                ),
                "model": inputs.line(
                    "The model's name in Model Studio.", default="qwen3-vl-plus"
                ),
                "prompt": inputs.lines("What is asked about them."),
                "temperature": TEMPERATURE_INPUT,
                "max_tokens": MAX_TOKENS_INPUT,
                "seed": SEED_INPUT,
            },
            "optional": {
                "max_side": inputs.integer(
                    1280,
                    "Pictures are made smaller to this; smaller ones "
                    "cost fewer tokens.",
                    low=64,
                    high=4096,
                ),
                "timeout_s": TIMEOUT_INPUT,
            },
        }

    def ask(
        self,
        *,
        images: Any,
        model: str,
        prompt: str,
        temperature: float,
        max_tokens: int,
        seed: int,
        max_side: int = 1280,
        timeout_s: int = 120,
    ) -> tuple[str]:
        """Ask.

        Raises:
            ValueError: an input is impossible; the message names it.
            DashScopeError: the service refused or failed; the message says why.
        """
        pictures = images_in("images", images)
        if len(pictures) > _MOST_PICTURES:
            raise ValueError(
                f"images: {len(pictures)} pictures, at most {_MOST_PICTURES} are shown "
                "at a time; split the batch"
            )
        side = whole("max_side", max_side, low=64, high=4096)
        content: list[Mapping[str, str]] = [
            {"image": _data_uri(picture, side=side)} for picture in pictures
        ]
        content.append({"text": _asked("prompt", prompt)})
        body = {
            "model": read_model(text("model", model)),
            "input": {"messages": [{"role": "user", "content": content}]},
            "parameters": sampling(temperature, max_tokens=max_tokens, seed=seed),
        }
        steps = Steps(1)
        answer = service_for(timeout_s).post(_VISION, body)
        steps.done()
        return (words_of(answer),)


def service_for(timeout_s: int) -> Service:
    """DashScope, with the account of the server's environment."""
    limit = whole("timeout_s", timeout_s, low=5, high=3600)
    return Service(account(), timeout_s=limit)


def sampling(temperature: float, *, max_tokens: int, seed: int) -> dict[str, Any]:
    """What any model is told about how to answer."""
    return {
        "temperature": number("temperature", temperature, low=0, high=1.99),
        "max_tokens": whole("max_tokens", max_tokens, low=1, high=16384),
        "seed": whole("seed", seed, low=0, high=MOST_SEED),
    }


def words_of(answer: Mapping[str, Any]) -> str:
    """The text of an answer, in either of the shapes that models give.

    Raises:
        DashScopeError: there is none, or it was cut off.
    """
    output = answer.get("output")
    choices = output.get("choices") if isinstance(output, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str) or not content.strip():
        raise DashScopeError("the model answered without a text; ask again")
    if isinstance(choice, dict) and choice.get("finish_reason") == "length":
        raise DashScopeError("max_tokens: the answer was cut off; allow more tokens")
    return content.strip()


def _asked(name: str, value: Any) -> str:
    asked = text(name, value).strip()
    if not asked:
        raise ValueError(f"{name}: is empty; say what is asked")
    return asked


def _data_uri(picture: Floats, *, side: int) -> str:
    image = Image.fromarray((picture * 255 + 0.5).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    for quality in (90, 75, 50):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        if stream.tell() <= _LARGEST_PICTURE:
            break
    coded = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/jpeg;base64,{coded}"


TEMPERATURE_INPUT = inputs.decimal(0.7, "How freely it answers.", high=1.99, step=0.01)
MAX_TOKENS_INPUT = inputs.integer(
    1024, "The longest answer; one that is cut off is an error.", low=1, high=16384
)
