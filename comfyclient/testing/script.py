"""A script: how a server behaves towards the jobs it is sent, each in its turn. Pure.

    Script.usual()                                       # all goes well
    Script.restarts_after(4)                             # the first job; then as usual
    Script.busy(2) | Script.loses_answer(acts=True)      # one after the other
    Script.fails_at("2").times(3)                        # the first three jobs
    Script.dead_worker().forever()

Each `POST /prompt` uses up one turn of it, whether the job in it is new or sent again.
Messages are counted from the first that a usual job sends, its `status` included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.version import Version
from pydantic import JsonValue

from .pictures import shown_by
from .play import ScriptedJob, usual
from .turns import (
    Busy,
    ClearsHistory,
    Cut,
    DeadWorker,
    DropsSocket,
    Duplicates,
    Fails,
    GoesDeaf,
    Interrupted,
    LosesAnswer,
    NeverFinishes,
    Reorders,
    Restarts,
    SaysForeign,
    SaysUnknown,
    Silent,
    Slow,
    Stops,
    Turn,
)

_USUAL = Turn()


@dataclass(frozen=True, slots=True)
class Script:
    """Turns, used up one after the other; when there are none left, all goes well."""

    turns: tuple[Turn, ...] = ()
    endless: bool = False
    """The last turn is never used up."""

    # -- composing

    @classmethod
    def of(cls, scripts: Script | Iterable[Script]) -> Script:
        """One script out of several, one after the other."""
        if isinstance(scripts, Script):
            return scripts
        whole = cls()
        for script in scripts:
            whole |= script
        return whole

    def __or__(self, other: Script) -> Script:
        if self.endless:
            raise ValueError(f"nothing comes after {self}, which goes on for ever")
        return Script(self.turns + other.turns, endless=other.endless)

    def times(self, count: int) -> Script:
        """The same so many times."""
        if count < 1:
            raise ValueError(f"a script is played at least once, not {count} times")
        return Script.of([self] * count)

    def forever(self) -> Script:
        """The last turn again and again."""
        return Script(self.turns if self.turns else (_USUAL,), endless=True)

    def next_turn(self) -> tuple[Turn, Script]:
        """The turn of the next job, and what is left after it."""
        if not self.turns:
            return _USUAL, self
        if self.endless and len(self.turns) == 1:
            return self.turns[0], self
        return self.turns[0], Script(self.turns[1:], endless=self.endless)

    def __str__(self) -> str:
        told = " | ".join("usual" if t == _USUAL else repr(t) for t in self.turns)
        return f"{told or 'usual'}{', for ever' if self.endless else ''}"

    # -- what happens to the request

    @classmethod
    def usual(cls) -> Script:
        """One job that goes well."""
        return cls((_USUAL,))

    @classmethod
    def busy(
        cls, times: int = 1, *, retry_after: float | None = None, status: int = 503
    ) -> Script:
        """So many requests are asked to come back later."""
        return cls((Busy(retry_after, status),)).times(times)

    @classmethod
    def loses_answer(cls, *, acts: bool, resets: bool = True) -> Script:
        """The connection ends without an answer, before or after the server acted."""
        return cls((LosesAnswer(acts, resets),))

    @classmethod
    def silent(
        cls,
        after: int | None = None,
        *,
        route: str | None = None,
        seconds: float | None = None,
    ) -> Script:
        """Nothing is answered, on one route or all, from the POST or a message on.

        It ends after so many seconds on the server's clock, with `speak`, or with a
        restart. What was asked meanwhile is done then, as a server does it that was
        stalled.
        """
        return cls((Silent(after, route, seconds),))

    # -- what happens to the job

    @classmethod
    def slow(cls, seconds: float, *, steps: int = 10) -> Script:
        """It takes so many seconds on the server's clock, and tells of each step."""
        return cls((Slow(seconds, steps),))

    @classmethod
    def fails_at(cls, node: str, **error: JsonValue) -> Script:
        """A node raises; `error` replaces parts of the server's report."""
        return cls((Fails(node, error),))

    @classmethod
    def out_of_memory_at(cls, node: str) -> Script:
        """A node finds no memory left on the GPU."""
        return cls.fails_at(
            node,
            exception_type="torch.OutOfMemoryError",
            exception_message="Allocation on device 0 would exceed allowed memory.\n",
        )

    @classmethod
    def never_finishes(
        cls, after: int | None = None, *, interruptible: bool = True
    ) -> Script:
        """It runs for ever. A worker that hangs does not heed an interruption."""
        return cls((NeverFinishes(after, interruptible),))

    @classmethod
    def interrupted_after(cls, count: int) -> Script:
        """Somebody else stops it."""
        return cls((Interrupted(count),))

    @classmethod
    def clears_history_at_end(cls) -> Script:
        """Somebody clears the history as soon as it has ended."""
        return cls((ClearsHistory(),))

    # -- what happens to its messages

    @classmethod
    def drops_socket_after(cls, count: int, *, how: Cut = "reset") -> Script:
        """Every websocket ends, and HTTP goes on."""
        return cls((DropsSocket(count, how),))

    @classmethod
    def goes_deaf_after(cls, count: int) -> Script:
        """The websocket stays open, and hears nothing until it is dialled anew."""
        return cls((GoesDeaf(count),))

    @classmethod
    def duplicates(cls) -> Script:
        """Every message comes twice."""
        return cls((Duplicates(),))

    @classmethod
    def reorders(cls, *, seed: int = 0) -> Script:
        """The messages come in another order, the same one for the same seed."""
        return cls((Reorders(seed),))

    @classmethod
    def says_unknown(cls) -> Script:
        """Messages that no client knows, or that are malformed, come between."""
        return cls((SaysUnknown(),))

    @classmethod
    def says_foreign(cls) -> Script:
        """Everybody also hears of somebody else's prompt, and that it failed."""
        return cls((SaysForeign(),))

    # -- what happens to the server

    @classmethod
    def restarts_after(cls, count: int, *, version: str | None = None) -> Script:
        """A new process with an empty memory is there at once."""
        return cls((Restarts(count, version),))

    @classmethod
    def stops_after(
        cls, count: int, *, seconds: float | None = None, remembers: bool = False
    ) -> Script:
        """The port refuses, for so many seconds on the server's clock or for good."""
        return cls((Stops(count, seconds, remembers),))

    @classmethod
    def dead_worker(cls) -> Script:
        """HTTP lives, and no job runs any more until a restart."""
        return cls((DeadWorker(),))

    # -- what a test is generated from

    @staticmethod
    def messages(version: str, graph: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """The kinds of the messages that a usual job of this graph sends, in order."""
        outputs, _ = shown_by(graph)
        job = ScriptedJob("", 0, graph, {}, None, Version(version), outputs)
        return tuple(str(s["type"]) for s in usual(job) if isinstance(s, dict))

    @classmethod
    def matrix(
        cls, version: str, graph: Mapping[str, JsonValue], *, seconds: float = 8
    ) -> Iterator[Script]:
        """Every fault at every moment of a job; a stop or a silence lasts `seconds`."""
        yield from (cls.usual(), cls.slow(seconds), cls.busy(2), cls.dead_worker())
        yield from (cls.duplicates(), cls.reorders(), cls.clears_history_at_end())
        yield from (cls.says_unknown(), cls.says_foreign(), cls.silent(seconds=seconds))
        for acts in (False, True):
            for resets in (False, True):
                yield cls.loses_answer(acts=acts, resets=resets)
        for node in graph:
            yield cls.fails_at(node)
            yield cls.out_of_memory_at(node)
        for count in range(len(cls.messages(version, graph)) + 1):
            yield from cls._at(count, seconds)

    @classmethod
    def _at(cls, count: int, seconds: float) -> Iterator[Script]:
        hows: tuple[Cut, ...] = ("reset", "close", "end")
        yield from (cls.drops_socket_after(count, how=how) for how in hows)
        yield cls.restarts_after(count)
        yield cls.restarts_after(count, version="0.3.40")
        for remembers in (False, True):
            yield cls.stops_after(count, seconds=seconds, remembers=remembers)
        yield cls.silent(count, seconds=seconds)
        yield cls.goes_deaf_after(count)
        yield cls.never_finishes(count)
        yield cls.interrupted_after(count)
