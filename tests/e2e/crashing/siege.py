"""A batch whose processes are killed again and again, and what became of it."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comfyclient.ledger.records import JobRow, JobState
from comfyclient.testing.scripted import ScriptedServer

from ...nursery import Nursery
from .aftermath import (
    check_files,
    check_ledger,
    ended_well,
    halves,
    rows_of,
    steps_of,
)
from .batch import Style, Way
from .lives import Lives
from .moments import STEPS_OF_A_JOB, Moment, bring_about, drawn, fuse_of
from .trips import trip_name


class Siege:
    """One batch in a folder of its own, and a seed that decides on its troubles."""

    def __init__(
        self,
        nursery: Nursery,
        folder: Path,
        *,
        seed: int,
        jobs: int = 40,
        style: Style = "one by one",
        way: Way = "resumes",
    ) -> None:
        self.nursery = nursery
        self.folder = folder
        self.pictures = folder / "pictures"
        self.pictures.mkdir(parents=True)
        self.ledger = folder / "jobs.db"
        self.trips = [trip_name(number) for number in range(jobs)]
        self.chance = random.Random(f"{seed} {style} {way}")
        self.steps: Counter[str] = Counter()
        """How often a kill left a job, or more, at a step."""
        self._halves = 0
        self._style = style
        self._way = way
        self._diary: list[str] = [f"seed {seed}, {style}, {way}"]

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say in any error what was killed, and where."""
        try:
            yield
        except BaseException as error:
            error.add_note("\n".join([*self._diary, str(dict(self.steps))]))
            raise

    def settings(self, url: str) -> dict[str, object]:
        """What a client has to know."""
        return {"url": url, "ledger": f"sqlite:///{self.ledger}"}

    @property
    def batch(self) -> dict[str, object]:
        """What a `Batch` has to know."""
        return {
            "trips": self.trips,
            "folder": str(self.pictures),
            "style": self._style,
            "way": self._way,
        }

    def kill(
        self,
        lives: Lives,
        url: str,
        *,
        times: int,
        server: ScriptedServer | None = None,
    ) -> None:
        """Let lives work on the batch, and kill so many of them.

        Once another client has done all that was left, lives may end before their
        moment comes: after some of those, no more are begun.
        """
        most, killed = lives.count + 3 * times, 0
        left = len(self.trips)
        while killed < times:
            if lives.count >= most and not self._left():
                return
            assert lives.count < most, "lives end before they are killed"
            steps = left * STEPS_OF_A_JOB / (times - killed)
            moment = drawn(self.chance, steps=steps, seen=server is not None)
            seen = 0 if server is None else len(server.requests)
            self._begin(lives, url, tallied=server is None, moment=moment)
            bring_about(moment, lives, server, seen=seen)
            if lives.await_end() == -signal.SIGKILL:
                killed += 1
                left = self._look(lives, moment)
            else:
                assert lives.status == 0, lives.report()

    def finish(self, lives: Lives, url: str, *, tallied: bool) -> None:
        """Let one more life end by itself."""
        self._begin(lives, url, tallied=tallied)
        assert lives.await_end() == 0, lives.report()

    def check(self) -> list[JobRow]:
        """Each trip has one job that ended well and one picture; none is left open."""
        check_files(self.pictures, self.trips)
        rows = check_ledger(self.ledger)
        trips = sorted(str(row.trip_id) for row in ended_well(rows))
        assert trips == self.trips
        return rows

    def _begin(
        self, lives: Lives, url: str, *, tallied: bool, moment: Moment | None = None
    ) -> None:
        lives.begin(
            settings=self.settings(url),
            fuse=fuse_of(moment),
            seed=lives.count,
            tallied=tallied,
            **self.batch,
        )

    def _look(self, lives: Lives, moment: Moment) -> int:
        """Note at which steps the kill left the jobs; how many are left to do."""
        rows = rows_of(self.ledger)
        steps = steps_of(rows, self.pictures)
        before, self._halves = self._halves, len(halves(self.pictures))
        if self._halves > before:
            steps.add("half saved")
        self.steps.update(steps)
        story = " ".join(lives.story)
        self._diary.append(f"{moment} {story}: {', '.join(sorted(steps))}")
        return self._left()

    def _left(self) -> int:
        rows = rows_of(self.ledger)
        return len(self.trips) - Counter(r.state for r in rows)[JobState.COLLECTED]
