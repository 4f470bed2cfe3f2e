"""The JSON object in a model's answer, wherever it put it. Pure."""

from __future__ import annotations

import json
import re
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

M = TypeVar("M", bound=BaseModel)

MAX_ANSWER = 60_000
"""Characters of an answer that is read at all."""

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL | re.IGNORECASE)


def read_object(text: str, model: type[M]) -> M:
    """The answer as a record.

    Raises:
        ValueError: there is no such object in it; the words are for the model, and hold
            nothing of what it said.
    """
    try:
        return model.model_validate(_object(text))
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False)[:4]
        places = (".".join(map(str, one["loc"])) or "the object" for one in told)
        words = "; ".join(
            f"{place[:60]}: {one['msg'][:100]}"
            for place, one in zip(places, told, strict=True)
        )
        raise ValueError(_plain(words)) from None


def _object(text: str) -> JsonValue:
    if len(text) > MAX_ANSWER:
        raise ValueError("the answer is far too long")
    fenced = _FENCE.search(text)
    body = (text if fenced is None else fenced[1]).strip()
    start, end = body.find("{"), body.rfind("}")
    if start < 0 or end < start:
        raise ValueError("the answer is no JSON object")
    try:
        found: JsonValue = json.loads(body[start : end + 1], parse_constant=_none)
    except (ValueError, RecursionError):
        raise ValueError("the answer is no valid JSON object") from None
    return found


def _none(_name: str) -> None:
    """NaN and Infinity are nothing."""


def _plain(words: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in words)
