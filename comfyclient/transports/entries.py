"""Whose job an entry of a server's queue or history is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from .wire import (
    JsonObject,
    as_list,
    as_number,
    as_text,
    object_or_empty,
    parse_object,
    wrong,
)

MARK = "comfyclient_attempt"
"""Our attempt's id in `extra_data`, for servers that mint the prompt id themselves."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a server tells of a job beside its course."""

    prompt_id: str
    number: float | None = None
    """Its place in the queue's order."""
    client_id: str | None = None
    """Who is told of its progress; None where nobody is."""
    mark: str | None = None
    """The attempt that sent it; None: it was not sent by this package."""
    outputs: frozenset[str] | None = None
    """The output nodes that it will run; None where that is not told."""

    def is_of(self, attempt_id: str) -> bool:
        """Whether this attempt sent it."""
        return attempt_id in (self.prompt_id, self.mark)


def queue_entries(body: bytes) -> tuple[Entry, ...]:
    """Every job of `GET /queue`, running or waiting.

    Raises:
        BadAnswerError: it is not what ComfyUI answers; an item that cannot be read
            is not passed over, for it may be the one that is looked for.
    """
    answer = parse_object(body, "the queue")
    return tuple(
        _entry(item, f"an item of {key}")
        for key in ("queue_running", "queue_pending")
        for item in as_list(answer.get(key), f"the {key}")
    )


def history_entries(body: bytes) -> tuple[Entry, ...]:
    """Every job of `GET /history`; an odd one is known by its id alone.

    Raises:
        BadAnswerError: it is not what ComfyUI answers.
    """
    answer = parse_object(body, "the history")
    return tuple(_past(prompt_id, entry) for prompt_id, entry in answer.items())


def _past(prompt_id: str, entry: JsonValue) -> Entry:
    match entry:
        case {"prompt": [int() | float(), str(), *_] as item}:
            return _entry(item, "the prompt of a history entry")
        case _:
            return Entry(prompt_id)


def _entry(item: JsonValue, what: str) -> Entry:
    fields = as_list(item, what)
    if len(fields) < 2:
        raise wrong(what, item, "a number, an id and a graph")
    extra = object_or_empty(fields[3]) if len(fields) > 3 else {}
    return Entry(
        prompt_id=as_text(fields[1], f"the prompt_id of {what}"),
        number=as_number(fields[0], f"the number of {what}"),
        client_id=_told(extra, "client_id"),
        mark=_told(extra, MARK),
        outputs=_nodes(fields[4]) if len(fields) > 4 else None,
    )


def _nodes(value: JsonValue) -> frozenset[str] | None:
    nodes = value if isinstance(value, list) else [None]
    texts = [node for node in nodes if isinstance(node, str)]
    return frozenset(texts) if len(texts) == len(nodes) else None


def _told(extra: JsonObject, key: str) -> str | None:
    value = extra.get(key)
    return value if isinstance(value, str) else None
