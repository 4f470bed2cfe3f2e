"""DashScope's answers, read with every type checked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ..errors import ModelAnswerError, ModelError
from ..transports.bodies import Answer as HttpAnswer
from ..transports.http_errors import whole
from ..transports.wire import printable
from .answers import Usage
from .calls import Answer, MadePicture, State, Task
from .refusals import model_error, shown

_STATES: Mapping[str, State] = {
    "PENDING": "waiting",
    "RUNNING": "waiting",
    "SUSPENDED": "waiting",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "canceled",
    "UNKNOWN": "unknown",
}
Told = Mapping[str, JsonValue]


def refusal_in(answer: HttpAnswer, told: JsonValue, model: str) -> ModelError | None:
    """The error that an answer says, with an error's status or without one."""
    body = told if isinstance(told, dict) else {}
    code, message = _text(body, "code"), _text(body, "message")
    if answer.status < 400 and not code:
        return None
    if not body:
        code, message = "Unknown", answer.body[:2000].decode("utf-8", "replace")
    asked = whole(answer.headers.get("Retry-After", "").strip())
    return model_error(
        code,
        message,
        status=answer.status,
        model=model,
        request_id=_text(body, "request_id") or None,
        retry_after=None if asked is None else float(min(asked, 3600)),
    )


def answered(told: Told, model: str) -> Answer:
    """The words of a text or vision model.

    Raises:
        ModelAnswerError: there are none in the answer.
    """
    output = _object(told, "output")
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    choice = first if isinstance(first, dict) else output
    content = _object(choice, "message").get("content", output.get("text"))
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, dict))
        content = "".join(_text(part, "text") for part in parts)
    if not isinstance(content, str):
        raise ModelAnswerError(
            "the answer has no text in it",
            model=model,
            request_id=_text(told, "request_id") or None,
        )
    return Answer(
        text=content,
        usage=usage_of(told),
        request_id=_text(told, "request_id") or None,
        cut=_text(choice, "finish_reason") == "length",
    )


def task_of(told: Told, model: str) -> Task:
    """How a task stands.

    Raises:
        ModelAnswerError: the answer names no task.
    """
    output = _object(told, "output")
    task_id = _text(output, "task_id")
    if not task_id or len(task_id) > 128 or not task_id.isascii():
        raise ModelAnswerError(
            "the answer names no task",
            model=model,
            request_id=_text(told, "request_id") or None,
        )
    return Task(
        task_id=task_id,
        state=_STATES.get(_text(output, "task_status"), "unknown"),
        pictures=tuple(pictures_of(told)),
        usage=usage_of(told),
        request_id=_text(told, "request_id") or None,
        code=_text(output, "code") or None,
        message=shown(_text(output, "message")),
    )


def pictures_of(told: Told) -> Iterator[MadePicture]:
    """The pictures that an answer tells of, by the older or the newer protocol."""
    output = _object(told, "output")
    results = output.get("results")
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict):
            yield _picture(_text(result, "url"), _text(result, "code"))
    choices = output.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        content = _object(choice, "message").get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and "image" in part:
                yield _picture(_text(part, "image"), "")


def usage_of(told: Told) -> Usage:
    """What an answer cost."""
    usage = _object(told, "usage")
    return Usage(
        _number(usage, "input_tokens"),
        _number(usage, "output_tokens"),
        _number(usage, "image_count"),
    )


def _picture(url: str, code: str) -> MadePicture:
    if url:
        return MadePicture(url)
    return MadePicture(code=shown(code)[:60] or "Unknown")


def _object(value: JsonValue | Told, key: str) -> dict[str, JsonValue]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, dict) else {}


def _text(value: Told, key: str) -> str:
    found = value.get(key)
    return printable(found) if isinstance(found, str) else ""


def _number(value: Told, key: str) -> int:
    found = value.get(key)
    fits = isinstance(found, int) and not isinstance(found, bool)
    return min(max(0, found), 1 << 40) if fits and isinstance(found, int) else 0
