"""The queue service's HTTP as the EAS stand-in answers it: one request, one reply."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .eas_frames import PROTOBUF, QueueFrame, as_json, encoded_list
from .eas_store import QueueFullError, QueueStore
from .http_wire import Reply, Request

USER = "x-eas-queueservice-redis-uid"
GROUP = "x-eas-queueservice-redis-gid"
REQUEST_ID = "X-Eas-Queueservice-Request-Id"
DEFAULT_GROUP = "eas"

GONE = Reply(404, b"no data in stream", {"Content-Type": "text/plain"})
OK = Reply(200, b"OK", {"Content-Type": "text/plain"})


def answer(queue: QueueStore, request: Request) -> Reply:
    """What a queue makes of a request to it."""
    try:
        match request.method:
            case "POST":
                return _put(queue, request)
            case "GET":
                return _get(queue, request)
            case "PUT":
                return _commit(queue, request)
            case "DELETE":
                return _delete(queue, request)
            case _:
                return _refusal(405, "method not allowed")
    except ValueError as error:
        return _refusal(400, str(error))


def tags_of(query: Mapping[str, str]) -> dict[str, str]:
    """The query's keys that are not the service's own."""
    return {key: value for key, value in query.items() if not _is_own(key)}


def _is_own(key: str) -> bool:
    return len(key) > 1 and key.startswith("_") and key.endswith("_")


def _put(queue: QueueStore, request: Request) -> Reply:
    query = request.query
    if query.get("_eos_") == "true":
        return OK
    if len(request.body) > queue.max_payload:
        return _refusal(400, f"payload is over {queue.max_payload} bytes")
    first = query.get("_priority_") == "1" or "x-eas-queueservice-priority" in (
        request.headers
    )
    try:
        frame = queue.put(request.body, tags_of(query), priority=first)
    except QueueFullError:
        return _refusal(429, "the queue is full")
    return Reply(200, str(frame.index).encode(), {REQUEST_ID: frame.request_id})


def _get(queue: QueueStore, request: Request) -> Reply:
    query = request.query
    if query.get("_attrs_") == "true":
        return Reply.of_json(queue.attributes())
    if query.get("_count_") == "true":
        return Reply(200, str(len(queue.frames)).encode())
    if query.get("_search_") == "true":
        found = queue.search(int(query["_index_"]))
        return GONE if found is None else Reply.of_json(found)
    frames = queue.read(
        index=int(query.get("_index_", "0")),
        length=int(query.get("_length_", "1")),
        tags=tags_of(query),
        timeout=_seconds(query.get("_timeout_", "0")),
        delete=query.get("_auto_delete_", "true") == "true",
    )
    return _shown(frames, request) if frames else Reply(204)


def _shown(frames: list[QueueFrame], request: Request) -> Reply:
    if request.query.get("_raw_", "true") != "false":
        frame = frames[0]
        return Reply(200, frame.data, {REQUEST_ID: frame.request_id})
    if request.headers.get("accept") == PROTOBUF:
        return Reply(200, encoded_list(frames), {"Content-Type": PROTOBUF})
    return Reply.of_json(as_json(frames))


def _commit(queue: QueueStore, request: Request) -> Reply:
    group = request.headers.get(GROUP, DEFAULT_GROUP)
    indexes = _indexes(request)
    if request.query.get("_negative_") == "true":
        queue.refuse(group, indexes)
    else:
        queue.commit(group, indexes)
    return OK


def _delete(queue: QueueStore, request: Request) -> Reply:
    if request.query.get("_trunc_") == "true":
        queue.truncate(int(request.query["_index_"]))
    else:
        queue.delete(_indexes(request))
    return OK


def _indexes(request: Request) -> list[int]:
    return [int(one) for one in request.query["_indexes_"].split(",") if one]


def _seconds(text: str) -> float:
    """A duration as the service writes it: `5s`, `200ms`, `1m`."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def _refusal(status: int, words: str) -> Reply:
    body = json.dumps({"code": status, "message": words}).encode()
    return Reply(status, body, {"Content-Type": "application/json"})
