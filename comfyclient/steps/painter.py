"""Pictures by an image model: ordered once, watched, brought home at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from ..errors import (
    LedgerError,
    ModelAnswerError,
    ModelError,
    ModelTaskError,
    ModelThrottledError,
    UnclearAnswerError,
)
from ..timing import Deadline
from .answers import NOTHING, StoredAnswer, Usage
from .asking import Asking
from .calls import Image, MadePicture, PictureOrder, Task
from .models import picture_model
from .refusals import model_error
from .relay import Relay, Relayed

_log = logging.getLogger("comfyclient.steps.painter")

STEP = "paint"
MAX_SEED = (1 << 31) - 1
PACE = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0)
"""Seconds between looks at a task; then always the last."""
ORDERS = 2
"""Orders for one picture, where a task fails through no fault of the order."""
_RESULTS = "dashscope results"


@dataclass(frozen=True, slots=True)
class Painted:
    """Pictures that are home, and what was paid for them."""

    files: tuple[Relayed, ...]
    failed: tuple[str, ...] = ()
    """The code of each picture that did not come to be."""
    model: str = ""
    usage: Usage = NOTHING
    request_id: str | None = None


class Painter(Protocol):
    """Paints pictures."""

    def paint(
        self,
        prompt: str,
        *,
        size: str | None = None,
        count: int = 1,
        seed: int = 0,
        negative: str = "",
        images: Sequence[Image] = (),
    ) -> Painted:
        """Pictures of what the prompt says."""


class ModelPainter:
    """A `Painter` that orders each thing once, also over the death of a process."""

    def __init__(
        self, asking: Asking, model: str, relay: Relay, *, total_s: float = 300
    ) -> None:
        self._asking = asking
        self._model = model
        self._known = picture_model(model)
        self._relay = relay
        self._total_s = total_s

    @property
    def size(self) -> str:
        """The model's own size."""
        return self._known.size

    def paint(
        self,
        prompt: str,
        *,
        size: str | None = None,
        count: int = 1,
        seed: int = 0,
        negative: str = "",
        images: Sequence[Image] = (),
        deadline: Deadline | None = None,
    ) -> Painted:
        """Pictures of what the prompt says, at least one.

        Raises:
            ModelRequestError: the model has no such size or number; nothing was sent.
            ModelInspectionError: all pictures were refused.
            ModelTaskError: the task is not done in time, or its results expired.
            ModelError, TransportError: the model could not be asked.
        """
        wanted = self._known.size if size is None else size
        self._known.check(self._model, size=wanted, count=count, given=len(images))
        order = PictureOrder(
            model=self._model,
            prompt=_cut(prompt, self._known.prompt),
            size=wanted,
            count=count,
            seed=seed % (MAX_SEED + 1),
            negative=_cut(negative, 500),
            images=tuple(images),
        )
        if deadline is None:
            deadline = Deadline(self._total_s, clock=self._asking.clock)
        with self._asking.once(order.digest, deadline):
            return self._painted(order, deadline)

    def _painted(self, order: PictureOrder, deadline: Deadline) -> Painted:
        known = self._asking.answers.find(self._asking.environment, order.digest)
        if known is not None and known.complete:
            painted = self._kept(known)
            if painted is not None:
                return painted
        task_id = None if known is None else known.task_id
        with self._asking.allowance(order.model).place(deadline) as token:
            deadline = deadline.within(self._total_s)  # waiting for a place is no work
            for last in (False, True):
                if task_id is None:
                    task = self._ordered(order, token, deadline)
                else:
                    task = Task(task_id, "waiting")
                try:
                    return self._brought_home(order, task, deadline)
                except ModelError as error:
                    again = error.retryable or _is_gone(error)
                    if not again or last or deadline.passed():
                        raise
                    _log.warning("%s is asked anew: %s", order.model, error.message)
                    task_id = None
        raise AssertionError("the second order gives pictures or raises")

    def _ordered(
        self,
        order: PictureOrder,
        token: Callable[[Deadline], None],
        deadline: Deadline,
    ) -> Task:
        asking = self._asking

        def begin(within: Deadline) -> Task:
            token(deadline)
            whole = deadline if self._known.route == "at-once" else within
            return asking.service.begin(order, deadline=whole)

        try:
            task = asking.trying(
                order.model, begin, deadline=deadline, repeatable=False
            )
        except UnclearAnswerError as error:
            error.hint = (
                "the order may have been taken, and then is billed; repeated, it is a "
                "new one"
            )
            raise
        if task.task_id is not None:
            self._note(order, task)
        return task

    def _note(self, order: PictureOrder, task: Task) -> None:
        """Whoever goes on after a crash looks at the task, and orders nothing."""
        try:
            self._asking.answers.began(
                StoredAnswer(
                    environment=self._asking.environment,
                    digest=order.digest,
                    step=STEP,
                    model=order.model,
                    began_at=self._asking.clock.now(),
                    task_id=task.task_id,
                    request_id=task.request_id,
                )
            )
        except LedgerError as error:
            _log.error("a task of %s was not recorded: %s", order.model, error.message)

    def _brought_home(
        self, order: PictureOrder, task: Task, deadline: Deadline
    ) -> Painted:
        task_id = task.task_id
        task = self._ended(order, task, deadline)
        try:
            files, failed = self._files(order, task, deadline)
        except ModelTaskError:
            self._forget(order, task_id)
            raise
        usage = task.usage if task.usage.images else Usage(images=len(files))
        value: dict[str, JsonValue] = {
            "files": [file.path.name for file in files],
            "failed": [*failed],
        }
        answer = self._asking.kept(
            digest=order.digest,
            step=STEP,
            model=order.model,
            value=value,
            usage=usage,
            request_id=task.request_id,
            task_id=task_id,
        )
        return self._kept(answer) or Painted(
            files, failed, order.model, usage, task.request_id
        )

    def _ended(self, order: PictureOrder, task: Task, deadline: Deadline) -> Task:
        """The task once it has ended well.

        Raises:
            ModelError: it has not, or not in time.
        """
        task_id, looks = task.task_id, _paces()
        while task.state == "waiting" and task_id is not None:
            self._wait(order, next(looks), deadline)
            task = self._looked(order, task_id, deadline)
        if task.state == "succeeded":
            return task
        self._forget(order, task_id)
        if task.state == "failed":
            raise model_error(
                task.code or "InternalError",
                task.message,
                status=200,
                model=order.model,
                request_id=task.request_id,
            )
        words = {
            "canceled": "the task was canceled",
            "unknown": "the service does not know the task (any more): tasks and their "
            "results are kept for 24 hours",
        }
        raise ModelTaskError(
            words.get(task.state, "the task has no id"),
            model=order.model,
            code=task.state,
            request_id=task.request_id,
        )

    def _looked(self, order: PictureOrder, task_id: str, deadline: Deadline) -> Task:
        service = self._asking.service
        return self._asking.trying(
            order.model,
            lambda within: service.look(task_id, model=order.model, deadline=within),
            deadline=deadline,
        )

    def _wait(self, order: PictureOrder, seconds: float, deadline: Deadline) -> None:
        try:
            self._asking.allowance(order.model).pause(seconds, deadline)
        except ModelThrottledError:
            raise ModelTaskError(
                f"no picture after {deadline.seconds:g} s; the task goes on",
                model=order.model,
                code="late",
                hint="the same request within 24 hours goes on with the task",
            ) from None

    def _files(
        self, order: PictureOrder, task: Task, deadline: Deadline
    ) -> tuple[tuple[Relayed, ...], tuple[str, ...]]:
        failed = tuple(p.code or "Unknown" for p in task.pictures if p.url is None)
        made = [picture for picture in task.pictures if picture.url is not None]
        if not made:
            code = failed[0] if failed else ""
            if code:
                raise model_error(
                    code,
                    "no picture came to be",
                    status=200,
                    model=order.model,
                    request_id=task.request_id,
                )
            raise ModelAnswerError(
                "the task succeeded, and has no pictures",
                model=order.model,
                request_id=task.request_id,
            )
        return tuple(self._fetched(p, deadline) for p in made[: order.count]), failed

    def _fetched(self, picture: MadePicture, deadline: Deadline) -> Relayed:
        url = picture.url
        assert url is not None, "only pictures that came to be are fetched"
        return self._asking.trying(
            _RESULTS,
            lambda within: self._relay.fetch(url, deadline=within),
            deadline=deadline,
        )

    def _forget(self, order: PictureOrder, task_id: str | None) -> None:
        try:
            self._asking.answers.drop(
                self._asking.environment, order.digest, task_id=task_id
            )
        except LedgerError as error:
            _log.error("a task of %s was not forgotten: %s", order.model, error.message)

    def _kept(self, answer: StoredAnswer) -> Painted | None:
        """What came home before; None where its files are gone."""
        value = answer.value if isinstance(answer.value, Mapping) else {}
        names, failed = value.get("files"), value.get("failed")
        found = [
            self._relay.find(name)
            for name in (names if isinstance(names, list) else [])
            if isinstance(name, str)
        ]
        files = tuple(file for file in found if file is not None)
        if not files or len(files) != len(found):
            return None
        codes = tuple(map(str, failed)) if isinstance(failed, list) else ()
        return Painted(files, codes, answer.model, answer.usage, answer.request_id)


def _is_gone(error: ModelError) -> bool:
    """Whether a task that was begun before can bring nothing any more."""
    return isinstance(error, ModelTaskError) and error.code != "late"


def _paces() -> Iterator[float]:
    yield from PACE
    while True:
        yield PACE[-1]


def _cut(text: str, most: int) -> str:
    """At most so many characters, ending with a whole word where there are any."""
    one = " ".join(text.split())
    if len(one) <= most:
        return one
    head = one[:most]
    return head.rpartition(" ")[0] or head
