"""Ten thousand answers that no model should give: no graph, picture or log breaks."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyclient import errors
from comfyclient.comfy_nodes.textpanel import TripTextPanel
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.schema import answer as table
from comfyclient.steps.answers import Usage
from comfyclient.steps.asking import Asking
from comfyclient.steps.calls import Answer, PictureOrder, Question, Task
from comfyclient.steps.model_copywriter import ModelCopywriter
from comfyclient.steps.observer import _checked
from comfyclient.steps.replies import answered, pictures_of, refusal_in, task_of
from comfyclient.templating.hostile import HOSTILE_TEXTS
from comfyclient.templating.registry import Registry
from comfyclient.testing import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports.bodies import Answer as HttpAnswer
from comfyclient.trip.published import PublishedTrip
from comfyclient.words.copywriter import TripCopy

SAMPLE, ALL = 250, 10_000
SEED = int(os.environ.get("SOAK_SEED", "1000"))
GOOD: dict[str, Any] = {
    "title": "Into the dark green",
    "subtitle": "Autumn, two days",
    "lines": ["The road climbs through firs", "Evening is slow up here"],
    "poster_prompt": "a road through fir woods, low light, gouache",
}
PIECES = (
    *HOSTILE_TEXTS,
    *("https://evil.example/x", "www.evil.com", "a@b.cn", "138 0013 8000", "<b>", "`"),
    *("\ud800", "\udfff\ud800", "\x1b[31m", "\u202e", "\u2066", "\ufeff", "\U000e0001"),
    *(
        "ÿ",
        "ß",
        "ﷺ",
        "Ａ",
        "１２３４５６７",
        "½",
        "①",
        "㍿",
        "𝕏",
        "Ω",
        "я",
        "ก",
        "한",
        "あ",
    ),
    *("%s %d {0} ${x}", "\\u0000", "{{ 7*7 }}", "{% raw %}", "京A12345", "9" * 400),
    *("SECRETWORDS", "sk-0123456789abcdefgh", "Bearer abcdefghijklmnop"),
)
ODD = (None, True, -1, 1e308, 2**70, [], {}, [[[]]], {"title": "x"}, "", "null")


class Fuzz:
    """Draws answers: good ones with pieces of bad ones in every place."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def answer(self) -> str:
        """One answer of a model."""
        text = json.dumps(self._mutated(), ensure_ascii=self.chance.random() < 0.5)
        match self.chance.randrange(12):
            case 0:
                text = text[: self.chance.randrange(len(text))]
            case 1:
                at = self.chance.randrange(len(text))
                text = text[:at] + self.chance.choice(PIECES) + text[at:]
            case 2:
                text = f"Sure! Here it is:\n```json\n{text}\n```\nEnjoy."
            case 3:
                text = self.chance.choice(PIECES) + text + self.chance.choice(PIECES)
            case 4:
                text = text.replace(":", self.chance.choice((": ", ":NaN,", "=", "::")))
            case 5:
                text = "[" * self.chance.choice((1, 50, 20_000)) + text
        return text

    def _mutated(self) -> Any:
        whole = json.loads(json.dumps(GOOD))
        for _ in range(self.chance.choice((0, 1, 1, 2, 3))):
            name = self.chance.choice(list(GOOD))
            match self.chance.randrange(6):
                case 0:
                    whole.pop(name, None)
                case 1:
                    whole[name] = self.chance.choice(ODD)
                case 2 if name == "lines":
                    whole[name] = [
                        self.words() for _ in range(self.chance.randrange(6))
                    ]
                case _:
                    whole[name] = self.words()
        return whole if self.chance.random() < 0.97 else self.chance.choice(ODD)

    def words(self) -> str:
        """A text: words, and odd pieces between them."""
        parts = [
            self.chance.choice(("the road", "hills", "湖", "day 2", "light", "we"))
        ]
        for _ in range(self.chance.randrange(4)):
            odd = self.chance.random() < 0.35
            parts.append(self.chance.choice(PIECES) if odd else "goes on")
        if self.chance.random() < 0.2:
            point = self.chance.randrange(0x110000)
            parts.append(chr(point))
        return self.chance.choice((" ", "", "\n")).join(parts)

    def value(self, depth: int = 0) -> Any:
        """Any JSON value, with the service's own names in it."""
        if depth > 4 or self.chance.random() < 0.3:
            return self.chance.choice((*ODD, self.words(), self.chance.randrange(999)))
        if self.chance.random() < 0.4:
            return [self.value(depth + 1) for _ in range(self.chance.randrange(3))]
        names = ("output", "choices", "message", "content", "text", "usage", "image")
        names += ("task_id", "task_status", "results", "url", "code", "image_count")
        names += ("request_id", "input_tokens", "finish_reason")
        drawn = self.chance.sample(names, self.chance.randrange(len(names)))
        return {name: self.value(depth + 1) for name in drawn}


class Babbling:
    """A `ModelService` that says whatever it is given."""

    def __init__(self, say: Callable[[], str]) -> None:
        self._say = say

    def ask(self, question: Question, *, deadline: Deadline) -> Answer:
        """The next answer."""
        return Answer(self._say(), Usage(1, 1), "r")

    def begin(self, order: PictureOrder, *, deadline: Deadline) -> Task:
        """Not asked for here."""
        raise NotImplementedError

    def look(self, task_id: str, *, model: str, deadline: Deadline) -> Task:
        """Not asked for here."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to close."""


def babbled(
    fuzz: Fuzz, number: int, trip: PublishedTrip, ledger: Ledger, clock: FakeClock
) -> Iterator[TripCopy]:
    """The words that came of so many answers; a copywriter asks for up to two."""
    left = number

    def say() -> str:
        nonlocal left
        left -= 1
        return fuzz.answer()

    asking = Asking(Babbling(say), ledger.answers, environment="test", clock=clock)
    writer = ModelCopywriter(asking, "qwen3.6-plus", on_failure="error")
    while left > 0:
        with ledger._database.writing() as connection:
            connection.execute(table.delete())
        try:
            yield writer.write(trip)
        except errors.ModelAnswerError as error:
            assert str(error).isprintable() or "\n" in str(error)  # noqa: PT017
            assert "SECRET" not in str(error)  # noqa: PT017


def check(
    number: int,
    trip: PublishedTrip,
    ledger: Ledger,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever passes is set into graph and picture; the rest is told of."""
    caplog.set_level(logging.DEBUG)
    template = Registry().find("trip-postcard@1.0.0")
    passed = set(babbled(Fuzz(SEED), number, trip, ledger, clock))
    shapes = set()
    for copy in passed:
        workflow = template.render(trip, seed=1, copy=copy)
        graph = json.loads(json.dumps(dict(workflow.graph)))
        shapes.add(
            json.dumps([[n["class_type"], *n["inputs"]] for n in graph.values()])
        )
        inputs = next(
            node["inputs"]
            for node in graph.values()
            if node["class_type"] == "TripTextPanel"
        )
        small = {"width": 240, "height": 120, "title_size": 20, "palette": ""}
        picture, _ = TripTextPanel().set(**inputs | small)
        assert picture.shape == (1, 120, 240, 3)
    logged = [record.getMessage() for record in caplog.records]
    assert len(passed) > number // 50
    assert len(shapes) == 1
    assert logged
    assert all(line.isprintable() for line in logged)
    assert not [line for line in logged if "SECRET" in line or "sk-0123" in line]


def test_a_sample_of_answers(
    trip: PublishedTrip,
    ledger: Ledger,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of the same kind as the ten thousand."""
    check(SAMPLE, trip, ledger, clock, caplog)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_ten_thousand_answers(
    trip: PublishedTrip,
    ledger: Ledger,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The graph has the same nodes and inputs for all that pass."""
    check(ALL, trip, ledger, clock, caplog)


@pytest.mark.parametrize("number", [200, pytest.param(ALL, marks=pytest.mark.soak)])
def test_what_a_service_may_answer(number: int) -> None:
    """Any JSON at all is read, or is a `ModelError`."""
    fuzz = Fuzz(SEED)
    for _ in range(number):
        told = fuzz.value()
        body = told if isinstance(told, dict) else {"output": told}
        status = fuzz.chance.choice((200, 200, 400, 429, 500))
        refusal = refusal_in(HttpAnswer(status, b"x", {}), told, "m")
        assert refusal is None or str(refusal)
        list(pictures_of(body))
        for read in (answered, task_of):
            try:
                read(body, "m")
            except errors.ModelAnswerError:
                continue


@pytest.mark.parametrize("number", [300, pytest.param(ALL, marks=pytest.mark.soak)])
def test_what_an_observer_may_be_told(number: int) -> None:
    """Observations that fit the photos, or words for the model."""
    fuzz = Fuzz(SEED)
    for _ in range(number):
        entries = [
            {"photo": 1, "shows": fuzz.words(), "fit": True, "quality": 0.5},
            {"photo": 2, "shows": "a road", "fit": fuzz.value(4), "why": fuzz.words()},
        ]
        text = json.dumps({"photos": entries, "best": fuzz.chance.choice((1, 2, 9))})
        try:
            said = _checked(text, 2, "en", ())
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert all(entry.shows.isprintable() for entry in said.photos)


def test_the_seed_is_told(tmp_path: Path) -> None:
    """`SOAK_SEED` draws other answers."""
    assert Fuzz(1).answer() == Fuzz(1).answer()
    assert [Fuzz(1).answer()] != [Fuzz(2).answer()]
