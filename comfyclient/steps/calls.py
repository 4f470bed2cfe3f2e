"""What a hosted model is asked and what it answers; the seam to whoever asks it. Pure.

Texts and pictures are not in any `repr`: they go neither into logs nor into errors.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from ..graph import canonical
from ..timing import Deadline
from .answers import NOTHING, Usage

State: TypeAlias = Literal["waiting", "succeeded", "failed", "canceled", "unknown"]

MAX_IMAGE = 10 << 20
"""Bytes of a picture inside a request, encoded (Model Studio's limit)."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that is sent along."""

    content: bytes = field(repr=False)
    media_type: str
    """`image/png`, `image/jpeg` or `image/webp`."""

    @property
    def data_uri(self) -> str:
        """The picture inside a request."""
        return (
            f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"
        )

    @property
    def sha256(self) -> str:
        """Its digest, in hex."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str = field(repr=False)
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What a text or vision model is asked."""

    model: str
    messages: tuple[Message, ...] = field(repr=False)
    sees: bool = False
    """Whether it is a vision model: those are asked on another route."""
    json: bool = True
    """Whether the answer is to be one JSON object."""
    max_tokens: int = 1500
    seed: int = 0
    rules: tuple[str, ...] = ()
    """What the answer is held against: not sent, but other rules, another answer."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that is asked, and of what its answer must be."""
        return _digest(
            {
                "model": self.model,
                "messages": [
                    [m.role, m.text, [image.sha256 for image in m.images]]
                    for m in self.messages
                ],
                "json": self.json,
                "max_tokens": self.max_tokens,
                "seed": self.seed,
                "rules": [*self.rules],
            }
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a text or vision model said."""

    text: str = field(repr=False)
    usage: Usage
    request_id: str | None = None
    cut: bool = False
    """Whether it had more to say than it was allowed to."""


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """What an image model is asked for."""

    model: str
    prompt: str = field(repr=False)
    size: str
    """`width*height`."""
    count: int = 1
    """Always sent: the service's default is 4, and each picture is billed."""
    seed: int = 0
    negative: str = ""
    extend: bool = False
    """Whether the service may rewrite the prompt."""
    images: tuple[Image, ...] = ()
    """Pictures to work from."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that is asked for."""
        return _digest(
            {
                "model": self.model,
                "prompt": self.prompt,
                "size": self.size,
                "count": self.count,
                "seed": self.seed,
                "negative": self.negative,
                "extend": self.extend,
                "images": [image.sha256 for image in self.images],
            }
        )


@dataclass(frozen=True, slots=True)
class MadePicture:
    """One picture of an order: where it is for a day, or why it did not come to be."""

    url: str | None = field(default=None, repr=False)
    """Signed: whoever has it has the picture."""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """How an order stands."""

    task_id: str | None
    """None where the pictures were made at once."""
    state: State
    pictures: tuple[MadePicture, ...] = ()
    usage: Usage = NOTHING
    request_id: str | None = None
    code: str | None = None
    message: str = ""


class ModelService(Protocol):
    """Whoever has the models. Thread-safe; each call asks once, within its deadline."""

    def ask(self, question: Question, *, deadline: Deadline) -> Answer:
        """Ask a text or vision model.

        Raises:
            ModelError: the service refused it, or failed on it.
            TransportError: it could not be asked, or did not answer.
        """

    def begin(self, order: PictureOrder, *, deadline: Deadline) -> Task:
        """Order pictures. An answer that is lost may have begun a task all the same."""

    def look(self, task_id: str, *, model: str, deadline: Deadline) -> Task:
        """How a task stands."""

    def close(self) -> None:
        """Let go of connections."""


def _digest(asked: dict[str, object]) -> str:
    return hashlib.sha256(canonical(asked)).hexdigest()  # type: ignore[arg-type]
