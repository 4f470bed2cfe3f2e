"""What both who ask a language model share: the question, the time, and without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel

from ..errors import ClosedError, ComfyClientError, LedgerError, UsageError
from ..timing import Deadline
from .answers import StoredAnswer
from .asking import Asking
from .calls import Message, Question
from .prompts import RULES

ANSWER_S = 120.0
"""Seconds for an answer, all tries together: then the offline way is soon enough."""

T = TypeVar("T")


class WordAsker:
    """Whoever asks a language model for one step, and knows a way without it."""

    def __init__(
        self,
        asking: Asking,
        model: str,
        *,
        on_failure: Literal["offline", "error"] = "offline",
        forbidden: Sequence[str] = (),
        total_s: float = ANSWER_S,
    ) -> None:
        """Whoever asks; `forbidden` is what no answer may contain."""
        self._asking = asking
        self._model = model
        self._on_failure = on_failure
        self._forbidden = tuple(forbidden)
        self._total_s = total_s

    def _deadline(self) -> Deadline:
        return Deadline(self._total_s, clock=self._asking.clock)

    def _question(
        self, messages: tuple[Message, ...], *, sees: bool = False
    ) -> Question:
        rules = (RULES, *sorted(self._forbidden))
        return Question(self._model, messages, sees=sees, rules=rules)

    def _asked(
        self,
        question: Question,
        *,
        step: str,
        read: Callable[[str], BaseModel],
        deadline: Deadline,
    ) -> StoredAnswer:
        """The answer as `read` understands it; see `Asking.words`."""
        return self._asking.words(
            question,
            step=step,
            read=lambda text: read(text).model_dump(mode="json"),
            deadline=deadline.within(self._total_s),
        )

    def _or_offline(
        self, ask: Callable[[], T], offline: Callable[[ComfyClientError], T]
    ) -> T:
        """What the model says; what is done without it where the policy has it so."""
        try:
            return ask()
        except (UsageError, LedgerError, ClosedError):
            raise  # none of them is the model's fault
        except ComfyClientError as error:
            if self._on_failure == "error":
                raise
            return offline(error)
