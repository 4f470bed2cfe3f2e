"""The queue service of EAS over HTTP: requests put in, results read and deleted.

The protocol is that of the public SDKs, as `docs/pai-eas.md` tells it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import BadAnswerError, TransportError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .bodies import Answer
from .eas_attributes import Place, QueueAttributes, read_attributes, read_place
from .eas_codes import PAGE_HINT, is_page, no_queue_hint
from .eas_frames import Frame, read_frames
from .endpoint import Endpoint
from .http import ComfyHttp
from .probing import nothing_sent
from .wire import printable, shortened

INPUT, SINK = "", "/sink"
"""The paths of a service's two queues."""
REQUEST_ID = "X-Eas-Queueservice-Request-Id"
USER_HEADER = "X-EAS-QueueService-Redis-Uid"
GROUP_HEADER = "X-EAS-QueueService-Redis-Gid"
"""As every SDK has them; a queue that publishes others gets those."""
_OWN_HEADER = re.compile(r"X-[A-Za-z0-9-]{1,80}", re.IGNORECASE)
ATTRIBUTES_FOR_S = 5.0
"""Seconds for which a queue's attributes are not asked for again."""
LENGTH_FOR_S = 15.0
"""Seconds for which a queue's length counts; while tasks are followed, it is asked for
every ten."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the input queue says of an item that it took."""

    index: int | None
    request_id: str | None


class QueueHttp:
    """One service's input queue and sink. Safe for threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user: str,
        group: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.endpoint = endpoint
        self._user, self._group = user, group
        self._user_header, self._group_header = USER_HEADER, GROUP_HEADER
        self._http = ComfyHttp(endpoint, clock=clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._attributes: dict[str, tuple[float, QueueAttributes]] = {}

    def identity(self) -> Mapping[str, str]:
        """The headers that tell the queue who asks."""
        return {self._user_header: self._user, self._group_header: self._group}

    def ask_as(self, other: QueueHttp) -> None:
        """Tell the queue by the same headers as another one who asks who asks."""
        self._user_header, self._group_header = other._user_header, other._group_header

    def _learn(self, queue: QueueAttributes) -> None:
        """Take the headers that a queue publishes, if it does and they may be such."""
        if queue.user_header is not None and _OWN_HEADER.fullmatch(queue.user_header):
            self._user_header = queue.user_header
        if queue.group_header is not None and _OWN_HEADER.fullmatch(queue.group_header):
            self._group_header = queue.group_header

    def submit(self, body: bytes, task_id: str, *, deadline: Deadline) -> Receipt:
        """Put a graph into the input queue.

        Raises:
            UnclearAnswerError: the answer was lost: it may be in the queue.
            BadAnswerError: likewise; the answer is not the queue's.
        """
        answer = self._call(
            "POST",
            "/api_prompt",
            deadline=deadline,
            params={"task_id": task_id},
            body=body,
            headers={"Content-Type": "application/json"},
        )
        text = answer.body.strip()
        if not text.isdigit() or len(text) > 20:
            told = self.endpoint.without_secrets(text)
            shown = f"it begins {told[:60]!r}" if text else "it is empty"
            raise self._no_answer(
                f"the answer to api_prompt is no index of the queue: {shown}", answer
            )
        return Receipt(int(text), answer.headers.get(REQUEST_ID))

    def read(
        self,
        queue: str,
        tags: Mapping[str, str],
        *,
        index: int = 0,
        length: int = 1,
        deadline: Deadline,
    ) -> list[Frame]:
        """Frames of a queue that have these tags; they stay there, whoever has them."""
        params = {
            "_index_": str(index),
            "_length_": str(length),
            "_timeout_": "0s",
            "_raw_": "false",
            "_auto_delete_": "false",
            **tags,
        }
        with nothing_sent():
            answer = self._call(
                "GET",
                queue,
                deadline=deadline,
                params=params,
                headers={"Accept": "application/json"},
            )
        if answer.status == 404 and b"no data" not in answer.body:
            raise self._not_there(answer)
        if answer.status in {204, 404}:
            return []
        with self._understood(answer):
            return read_frames(answer.body, answer.headers.get("Content-Type", ""))

    def place(self, index: int, *, deadline: Deadline) -> Place | None:
        """Where a request stands in the input queue; None: it is there no longer."""
        params = {"_search_": "true", "_index_": str(index)}
        with nothing_sent():
            answer = self._call("GET", INPUT, deadline=deadline, params=params)
        if answer.status == 404 and no_queue_hint(answer.body) is not None:
            raise self._not_there(answer)
        if answer.status in {204, 404}:
            return None
        with self._understood(answer):
            return read_place(answer.body)

    def delete(self, queue: str, indexes: Iterable[int], *, deadline: Deadline) -> None:
        """Take items out of a queue, for everybody; those not there are no error."""
        params = {"_indexes_": ",".join(map(str, indexes))}
        with nothing_sent():
            self._call("DELETE", queue, deadline=deadline, params=params)

    def commit(self, indexes: Iterable[int], *, deadline: Deadline) -> None:
        """Say that our group is done with these frames of the sink."""
        params = {"_indexes_": ",".join(map(str, indexes))}
        with nothing_sent():
            self._call("PUT", SINK, deadline=deadline, params=params)

    def attributes(
        self, queue: str, *, deadline: Deadline, fresh: bool = False
    ) -> QueueAttributes:
        """What a queue says of itself, now or as of some seconds ago.

        Raises:
            TransportError: it cannot be asked, or says nothing that can be read.
        """
        now = self._clock.monotonic()
        with self._lock:
            known = self._attributes.get(queue)
        if not fresh and known is not None and now - known[0] < ATTRIBUTES_FOR_S:
            return known[1]
        with nothing_sent():
            params = {"_attrs_": "true"}
            answer = self._call("GET", queue, deadline=deadline, params=params)
        if answer.status == 404:
            raise self._not_there(answer)
        with self._understood(answer):
            found = read_attributes(answer.body)
        self._learn(found)
        with self._lock:
            self._attributes[queue] = (now, found)
        return found

    @property
    def known_length(self) -> int | None:
        """Items in the input queue, where that is known of late."""
        with self._lock:
            known = self._attributes.get(INPUT)
        if known is None or self._clock.monotonic() - known[0] > LENGTH_FOR_S:
            return None
        return known[1].length

    def close(self) -> None:
        """Cut off what is under way, and drop the pooled connections."""
        self._http.close()

    def _not_there(self, answer: Answer) -> TransportError:
        """The error for a service that has no such queue."""
        words = shortened(" ".join(answer.body.decode("utf-8", "replace").split()), 60)
        hint = no_queue_hint(answer.body)
        return BadAnswerError(
            f"{self.endpoint.shown} has no queue: 404 {printable(words)}".rstrip(),
            status=404,
            instance=self.endpoint.name,
            hint="the url of an API edition is …/api/predict/<service>; serverless and "
            "standard editions have no queue"
            if hint is None
            else hint,
        )

    @contextmanager
    def _understood(self, answer: Answer) -> Iterator[None]:
        """Whatever cannot be read here was not answered by a queue."""
        try:
            yield
        except BadAnswerError as error:
            raise self._no_answer(error.message, answer) from error

    def _no_answer(self, words: str, answer: Answer) -> BadAnswerError:
        told = self.endpoint.without_secrets(words.encode("utf-8", "replace"))
        return BadAnswerError(
            told.decode(),
            status=answer.status,
            instance=self.endpoint.name,
            hint=PAGE_HINT
            if is_page(answer.body)
            else "is this service of the API edition? Its url ends with its name",
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        deadline: Deadline,
        params: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        extra = {} if headers is None else headers
        answer = self._http.call(
            method,
            path,
            deadline=deadline,
            params=params,
            body=body,
            headers={**self.identity(), **extra},
        )
        if answer.status == 404 and method == "POST":
            raise self._not_there(answer)
        return answer
