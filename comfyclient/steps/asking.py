"""Asks models: each thing once, within their limits, again where that may help."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from pydantic import JsonValue

from ..errors import (
    ClosedError,
    ComfyClientError,
    LedgerError,
    ModelAnswerError,
    ModelThrottledError,
    Retry,
    UnclearAnswerError,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .allowance import Allowance
from .answers import NOTHING, Answers, StoredAnswer, Usage
from .calls import Answer, Message, ModelService, Question
from .models import PICTURES, Rate

_log = logging.getLogger("comfyclient.steps.asking")

TRIES = 5
"""Requests for one answer, the first one included."""
LONGEST_PAUSE_S = 30.0
PARTING_S = 10.0
"""Seconds that closing waits for answers that are on their way: they will be billed."""
T = TypeVar("T")


class Asking:
    """Whoever asks models, for one environment; its answers are kept in a ledger."""

    def __init__(
        self,
        service: ModelService,
        answers: Answers,
        *,
        environment: str,
        limits: Mapping[str, Rate] | None = None,
        request_s: float = 60,
        clock: Clock = SYSTEM_CLOCK,
        chance: random.Random | None = None,
    ) -> None:
        self.service = service
        self.answers = answers
        self.environment = environment
        self.clock = clock
        self._request_s = request_s
        self._limits = {} if limits is None else limits
        self._chance = random.Random() if chance is None else chance
        self._lock = threading.Lock()
        self._allowances: dict[str, Allowance] = {}
        self._condition = threading.Condition()
        self._under_way: set[str] = set()
        self._closed = False

    def words(
        self,
        question: Question,
        *,
        step: str,
        read: Callable[[str], JsonValue],
        deadline: Deadline,
    ) -> StoredAnswer:
        """The answer to a question, as `read` understands it; asked at most twice.

        `read` raises a ValueError whose text tells the model what was wrong.

        Raises:
            ModelAnswerError: neither answer could be used.
            ModelError, TransportError: the model could not be asked.
        """
        with self.once(question.digest, deadline):
            known = self.answers.find(self.environment, question.digest)
            if known is not None and known.complete:
                return known
            return self._asked(question, step=step, read=read, deadline=deadline)

    def allowance(self, model: str) -> Allowance:
        """What one model allows."""
        with self._lock:
            if model not in self._allowances:
                known = PICTURES.get(model)
                usual = Rate() if known is None else known.rate
                rate = self._limits.get(model, usual)
                made = Allowance(model, rate, clock=self.clock)
                if self._closed:
                    made.close()
                self._allowances[model] = made
            return self._allowances[model]

    @contextmanager
    def once(self, digest: str, deadline: Deadline) -> Iterator[None]:
        """Let one thread ask for a thing; the others find its answer afterwards.

        Raises:
            ModelThrottledError: the one that asks was not done before the deadline.
            ClosedError: the client was closed meanwhile.
        """
        with self._condition:
            self._require_open()
            while digest in self._under_way:
                self._wait(deadline)
            self._under_way.add(digest)
        try:
            yield
        finally:
            with self._condition:
                self._under_way.discard(digest)
                self._condition.notify_all()

    def _wait(self, deadline: Deadline) -> None:
        left = deadline.remaining()
        if left <= 0:
            raise ModelThrottledError(
                "another job asks for the same, and had no answer within the time "
                "allowed"
            )
        self.clock.wait(self._condition, left)
        self._require_open()

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed while a model was to be asked")

    def trying(
        self,
        model: str,
        call: Callable[[Deadline], T],
        *,
        deadline: Deadline,
        repeatable: bool = True,
    ) -> T:
        """Call, again where the error says that this may help.

        `repeatable`: whether a call whose answer was lost may be made again.

        Raises:
            ComfyClientError: it did not help, or there was no time left for it.
        """
        allowance = self.allowance(model)
        for number in range(1, TRIES + 1):
            try:
                return call(deadline.within(self._request_s))
            except ComfyClientError as error:
                again = error.retry is not Retry.NEVER and number < TRIES
                if isinstance(error, UnclearAnswerError) and not repeatable:
                    again = False
                pause = self._pause(error, number)
                if not again or pause >= deadline.remaining():
                    raise
                _log.info("%s: %s; again in %.1f s", model, error.message, pause)
                if isinstance(error, ModelThrottledError):
                    allowance.hold_back(pause)
                allowance.pause(pause, deadline)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Send everybody who waits away, see answers home, let go of connections."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        with self._lock:
            allowances = list(self._allowances.values())
        for allowance in allowances:
            allowance.close()
        deadline = Deadline(PARTING_S, clock=self.clock)
        with self._condition:
            while self._under_way and not deadline.passed():
                self.clock.wait(self._condition, deadline.remaining())
        self.service.close()

    def kept(
        self,
        *,
        digest: str,
        step: str,
        model: str,
        value: JsonValue,
        usage: Usage,
        request_id: str | None = None,
        task_id: str | None = None,
    ) -> StoredAnswer:
        """Write an answer down; where that fails, it is used all the same."""
        now = self.clock.now()
        answer = StoredAnswer(
            environment=self.environment,
            digest=digest,
            step=step,
            model=model,
            began_at=now,
            task_id=task_id,
            request_id=request_id,
            value=value,
            usage=usage,
            ended_at=now,
        )
        try:
            return self.answers.keep(answer)
        except LedgerError as error:
            _log.error("an answer of %s was not recorded: %s", model, error.message)
            return answer

    def _asked(
        self,
        question: Question,
        *,
        step: str,
        read: Callable[[str], JsonValue],
        deadline: Deadline,
    ) -> StoredAnswer:
        usage = NOTHING
        asked = question
        for last in (False, True):
            answer = self._answer(asked, deadline)
            usage += answer.usage
            try:
                value = read(answer.text)
            except ValueError as error:
                why = "it was cut off" if answer.cut else str(error)
                if last:
                    self._note_unused(question, step, usage, answer)
                    raise ModelAnswerError(
                        f"neither of two answers could be used: {why}",
                        model=question.model,
                        request_id=answer.request_id,
                    ) from None
                _log.info("%s is asked once more: %s", question.model, why)
                asked = _repair(question, answer, why)
            else:
                return self.kept(
                    digest=question.digest,
                    step=step,
                    model=question.model,
                    value=value,
                    usage=usage,
                    request_id=answer.request_id,
                )
        raise AssertionError("the second answer is used or refused")

    def _answer(self, question: Question, deadline: Deadline) -> Answer:
        with self.allowance(question.model).place(deadline) as token:

            def ask(within: Deadline) -> Answer:
                token(deadline)
                return self.service.ask(question, deadline=within)

            return self.trying(question.model, ask, deadline=deadline)

    def _note_unused(
        self, question: Question, step: str, usage: Usage, answer: Answer
    ) -> None:
        """What could not be used was paid for all the same."""
        mark = f"{question.digest}\0{answer.request_id}\0{self.clock.now()}"
        self.kept(
            digest=hashlib.sha256(mark.encode("utf-8", "replace")).hexdigest(),
            step=f"{step}, not used",
            model=question.model,
            value=None,
            usage=usage,
            request_id=answer.request_id,
        )

    def _pause(self, error: ComfyClientError, number: int) -> float:
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, int | float):
            return float(asked) + self._chance.uniform(0, 1)
        return self._chance.uniform(0.5, 1) * min(2.0**number, LONGEST_PAUSE_S)


def _repair(question: Question, answer: Answer, why: str) -> Question:
    """The same question, with the answer and what is wrong with it."""
    said = answer.text[:4000] or "(nothing)"
    wrong = (
        f"That cannot be used: {why[:500]}. Answer again with the whole JSON object, "
        "corrected, and nothing else."
    )
    messages = (*question.messages, Message("assistant", said), Message("user", wrong))
    return replace(question, messages=messages)
