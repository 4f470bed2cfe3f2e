"""What the models of a DashScope stand-in say of themselves. Pure.

They do as the client's own steps ask: words for a trip, or what is on photos, as JSON;
and a sentence to anybody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from .dashscope_play import Call, Says

_CHINESE = re.compile(r"[\u4e00-\u9fff]{8}")

_COPY: Mapping[bool, Mapping[str, JsonValue]] = {
    False: {
        "title": "Two days of open road",
        "subtitle": "Hills, light and time",
        "lines": ["The road ran on ahead of us", "Evening came late and gold"],
        "poster_prompt": "a winding road between green hills under a wide evening "
        "sky, gouache, warm low light, no people, no text",
    },
    True: {
        "title": "一路向风景",
        "subtitle": "山水之间，慢慢开",
        "lines": ["路一直向前，风从窗外来", "天色晚了，光还在山上"],
        "poster_prompt": "群山之间的蜿蜒公路，傍晚的暖光，宽阔的天空，"
        "水粉画，无人物，无文字",
    },
}


def usual_words(call: Call) -> Says:
    """The usual answer of a text or vision model."""
    text = "\n".join(texts(call))
    if not _wants_json(call, text):
        return Says("A quiet road runs along the water into the evening light.")
    if '"photos"' in text:
        looks = _looks(count_images(call), chinese="in Chinese" in text)
        return Says(json.dumps(looks, ensure_ascii=False))
    chinese = '"language": "zh"' in text or _CHINESE.search(text) is not None
    return Says(json.dumps(_COPY[chinese], ensure_ascii=False))


def _looks(count: int, *, chinese: bool) -> Mapping[str, JsonValue]:
    photos: list[JsonValue] = [
        {
            "photo": number,
            "shows": "开阔的公路" if chinese else "a road through open country",
            "fit": True,
            "why": "",
            "quality": max(0.1, round(0.9 - 0.1 * number, 2)),
        }
        for number in range(1, count + 1)
    ]
    return {"photos": photos, "best": 1 if photos else None}


def _wants_json(call: Call, text: str) -> bool:
    parameters = call.get("parameters")
    wanted = parameters.get("response_format") if isinstance(parameters, dict) else None
    return isinstance(wanted, dict) or "JSON" in text


def texts(call: Call) -> Iterator[str]:
    """Every text of a request's messages, and its prompt."""
    given = call.get("input")
    if not isinstance(given, dict):
        return
    prompt = given.get("prompt")
    if isinstance(prompt, str):
        yield prompt
    for part in _parts(given):
        text = part if isinstance(part, str) else part.get("text")
        if isinstance(text, str):
            yield text


def count_images(call: Call) -> int:
    """How many pictures a request's messages hold."""
    given = call.get("input")
    parts = _parts(given) if isinstance(given, dict) else ()
    return sum(isinstance(part, dict) and "image" in part for part in parts)


def _parts(given: Mapping[str, JsonValue]) -> Iterator[str | Mapping[str, JsonValue]]:
    messages = given.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict):
                yield part
